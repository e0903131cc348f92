//go:build !race

package engine_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/puna-ai/puna"
	"github.com/puna-ai/puna/cgo/llama"
	"github.com/puna-ai/puna/engine"
	"github.com/puna-ai/puna/internal/testmodel"
)

// A context that memory has no room for is an error, and the model goes on: in a child,
// since the limit is the whole process's.
func TestNoMemoryForAContext(t *testing.T) {
	const child = "PUNA_TEST_NO_MEMORY"
	if os.Getenv(child) == "" {
		cmd := exec.Command(os.Args[0], "-test.run=^TestNoMemoryForAContext$", "-test.v")
		cmd.Env = append(os.Environ(), child+"=1")
		out, err := cmd.CombinedOutput()
		assert.NoError(t, err, "%s", out)
		return
	}
	shape := testmodel.Tiny
	shape.Name, shape.Ctx = "tiny-long", 1<<21
	m := load(t, engine.LoadOptions{Path: testmodel.PathOf(t, shape), PoolTokens: 256, CacheRAM: -1, Options: puna.Options{NumCtx: new(256)}})
	before, _, err := collect(t, m, raw("some text", 8))
	require.NoError(t, err)
	limitAddresses(t, 512<<20)
	for what, cells := range map[string]int{"the cache": 1 << 20, "the buffers of steps": 1 << 17} {
		req := raw("some text", 8)
		req.Options.NumCtx = &cells
		_, _, err := collect(t, m, req)
		require.ErrorContains(t, err, "alloc", what)
		assert.Equal(t, puna.NoMemory, puna.KindOf(err), what)
		t.Log(err)
		after, _, err := collect(t, m, raw("some text", 8))
		require.NoError(t, err, what)
		assert.Equal(t, before, after, what)
	}
}

// The C library keeps freed memory that lies before some in use, however much it is.
func TestCloseGivesBackWhatCFreed(t *testing.T) {
	m := load(t, engine.LoadOptions{PoolTokens: 256, CacheRAM: -1, Options: puna.Options{NumCtx: new(256)}})
	var batches []*llama.Batch
	for range 4000 {
		b, err := llama.NewBatch(512, 0, 1)
		require.NoError(t, err)
		batches = append(batches, b)
	}
	for i, b := range batches {
		if i%100 == 0 {
			defer b.Close()
		} else {
			b.Close()
		}
	}
	before := anonymousMemory(t)
	require.NoError(t, m.Close(context.Background()))
	after := anonymousMemory(t)
	assert.Less(t, after, before-40, "MiB")
	t.Logf("%d MiB before, %d after", before, after)
}

// anonymousMemory is what this process has in main memory beside files, in MiB.
func anonymousMemory(t *testing.T) (mib int) {
	status, err := os.ReadFile("/proc/self/status")
	require.NoError(t, err)
	_, line, found := bytes.Cut(status, []byte("RssAnon:"))
	require.True(t, found)
	_, err = fmt.Sscan(string(line), &mib)
	require.NoError(t, err)
	return mib >> 10
}
