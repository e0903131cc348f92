//go:build !race

package engine

import (
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// Memory that C would allocate counts, Go's heap doesn't. The race detector's shadow of
// the heap counts, too, so the test is not for its builds.
func TestOwnMemory(t *testing.T) {
	const size = 64 << 20
	before := ownMemory()
	outside, err := unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	require.NoError(t, err)
	defer func() { assert.NoError(t, unix.Munmap(outside)) }()
	touch(outside)
	with := ownMemory()
	assert.Greater(t, with, before+size*3/4)
	heap := make([]byte, size)
	touch(heap)
	assert.Less(t, ownMemory(), with+size/4)
	runtime.KeepAlive(heap)
}

func touch(b []byte) {
	for i := 0; i < len(b); i += 4096 {
		b[i] = 1
	}
}
