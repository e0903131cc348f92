package engine_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/puna-ai/puna"
	"github.com/puna-ai/puna/engine"
)

// outcome is how a request ended.
type outcome struct {
	done *puna.Done
	err  error
}

// onSlowDisk sends a prompt whose prefix is in a file that is being read when f is called,
// and until f calls end: then the reader finds it damaged.
func onSlowDisk(t *testing.T, prompt []int, f func(m *engine.Model, cancel func(), result <-chan outcome, end func())) {
	dir := t.TempDir()
	once(t, dir, "digest", 0, func(m *engine.Model) { complete(t, m, prompt, 2) })
	files, err := filepath.Glob(filepath.Join(dir, "*", "*.kv"))
	require.NoError(t, err)
	require.Len(t, files, 1)
	once(t, dir, "digest", 0, func(m *engine.Model) {
		complete(t, m, tokens(2, 100), 2) // by now the context knows its files
		require.NoError(t, os.Remove(files[0]))
		require.NoError(t, unix.Mkfifo(files[0], 0o600))
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		result := make(chan outcome, 1)
		go func() { result <- generate(ctx, m, prompt) }()
		disk, err := os.OpenFile(files[0], os.O_WRONLY, 0) // waits for the reader
		require.NoError(t, err)
		f(m, cancel, result, func() { assert.NoError(t, disk.Close()) })
	})
}

// generate goes on from tokens, greedily.
func generate(ctx context.Context, m *engine.Model, prompt []int) (o outcome) {
	last := len(prompt) - 1
	req := &puna.Request{Context: prompt[:last], Prompt: "x", Template: "{{ .Prompt }}", Options: greedy(20)}
	for ev, err := range m.Generate(ctx, req) {
		o = outcome{ev.Done, err}
	}
	return o
}

func TestOthersGoOnWhileAPrefixIsRead(t *testing.T) {
	prompt := tokens(1, 300)
	want := reference(t, prompt, 20)
	onSlowDisk(t, prompt, func(m *engine.Model, _ func(), result <-chan outcome, end func()) {
		for seed := range uint64(3) {
			complete(t, m, tokens(3+seed, 100), 5)
		}
		assert.Empty(t, result)
		end()
		got := <-result
		require.NoError(t, got.err)
		assert.Equal(t, want, got.done.Context[len(prompt):], "computed anew")
		assert.Zero(t, got.done.CachedTokens)
	})
}

func TestCancelWhileAPrefixIsRead(t *testing.T) {
	prompt := tokens(1, 300)
	onSlowDisk(t, prompt, func(m *engine.Model, cancel func(), result <-chan outcome, end func()) {
		cancel()
		assert.ErrorIs(t, (<-result).err, context.Canceled)
		complete(t, m, tokens(3, 100), 5)
		end()
	})
}

func TestCloseWhileAPrefixIsRead(t *testing.T) {
	prompt := tokens(1, 300)
	onSlowDisk(t, prompt, func(m *engine.Model, _ func(), result <-chan outcome, end func()) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		closed := make(chan error, 1)
		go func() { closed <- m.Close(ctx) }()
		assert.Error(t, (<-result).err)
		end()
		assert.NoError(t, <-closed)
	})
}
