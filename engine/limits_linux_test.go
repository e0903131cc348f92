package engine_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// limitAddresses lets the process map so many bytes more than it has.
func limitAddresses(t *testing.T, more uint64) {
	limit := statusBytes(t, "VmSize") + more
	require.NoError(t, unix.Setrlimit(unix.RLIMIT_AS, &unix.Rlimit{Cur: limit, Max: limit}))
}

// peakMemory is the most that the process has had in memory, in bytes.
func peakMemory(t *testing.T) int64 { return int64(statusBytes(t, "VmHWM")) }

func statusBytes(t *testing.T, key string) (n uint64) {
	data, err := os.ReadFile("/proc/self/status")
	require.NoError(t, err)
	_, rest, ok := strings.Cut(string(data), "\n"+key+":")
	require.True(t, ok)
	_, err = fmt.Sscan(rest, &n)
	require.NoError(t, err)
	return n << 10
}
