package engine_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/puna-ai/puna/engine"
	"github.com/puna-ai/puna/internal/testmodel"
)

// once loads the tiny model in an engine of its own with prefixes on disk, runs f, and
// closes both.
func once(t *testing.T, dir, digest string, ram int64, f func(m *engine.Model)) {
	t.Helper()
	onceOf(t, testmodel.Tiny, dir, digest, ram, f)
}

func onceOf(t *testing.T, s testmodel.Shape, dir, digest string, ram int64, f func(m *engine.Model)) {
	t.Helper()
	load := engine.LoadOptions{Path: testmodel.PathOf(t, s), Digest: digest, CacheRAM: ram}
	onceWith(t, engine.Options{CacheDir: dir, CacheDisk: 1 << 30}, load, f)
}

func onceWith(t *testing.T, o engine.Options, load engine.LoadOptions, f func(m *engine.Model)) {
	t.Helper()
	e, err := engine.Open(o)
	require.NoError(t, err)
	defer func() { assert.NoError(t, e.Close()) }()
	load.Options.NumThread = new(1)
	m, err := e.Load(t.Context(), load)
	require.NoError(t, err)
	f(m)
	require.NoError(t, m.Close(context.Background()))
}

func TestPrefixesOutliveTheProcess(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "prefixes")
	prompt, other := tokens(1, 700), tokens(3, 600)
	want := reference(t, prompt, 20)
	again := func(m *engine.Model) (cached int) {
		got, done := complete(t, m, prompt, 20)
		assert.Equal(t, want, got)
		return done.CachedTokens
	}
	once(t, dir, "digest", 0, func(m *engine.Model) {
		assert.Zero(t, again(m))
		complete(t, m, other, 5)
	})
	files, err := filepath.Glob(filepath.Join(dir, "*", "*.kv"))
	require.NoError(t, err)
	require.Len(t, files, 2)

	for range 2 {
		once(t, dir, "digest", 0, func(m *engine.Model) {
			assert.Equal(t, len(prompt)-1, again(m))
			_, done := complete(t, m, other, 5)
			assert.Equal(t, len(other)-1, done.CachedTokens)
		})
	}
	once(t, dir, "another", 0, func(m *engine.Model) { assert.Zero(t, again(m)) })

	files, err = filepath.Glob(filepath.Join(dir, "*", "*.kv"))
	require.NoError(t, err)
	for _, path := range files { // damaged ones are computed anew
		data, err := os.ReadFile(path)
		require.NoError(t, err)
		data[len(data)-1] ^= 1
		require.NoError(t, os.WriteFile(path, data, 0o600))
	}
	once(t, dir, "digest", 0, func(m *engine.Model) { assert.Zero(t, again(m)) })
}

// Memory for one prefix only sends the others to disk, and they come back from there.
func TestPrefixesGoToDisk(t *testing.T) {
	a, b, c := tokens(1, 300), tokens(2, 300), tokens(3, 300)
	once(t, t.TempDir(), "digest", 400*cellBytes, func(m *engine.Model) {
		for _, p := range [][]int{a, b, c} {
			complete(t, m, p, 2)
		}
		_, done := complete(t, m, a, 2)
		assert.Equal(t, len(a)-1, done.CachedTokens)
	})
}

// cellBytes is the size of a cell of the tiny model: keys and values in F16.
var cellBytes = int64(2 * 2 * testmodel.Tiny.Layers * testmodel.Tiny.Embd / testmodel.Tiny.Heads * testmodel.Tiny.KVHeads)

// A path is no pattern.
func TestPrefixesInAFolderOfAnyName(t *testing.T) {
	dir, prompt := filepath.Join(t.TempDir(), "[a"), tokens(1, 300)
	once(t, dir, "digest", 0, func(m *engine.Model) { complete(t, m, prompt, 2) })
	once(t, dir, "digest", 0, func(m *engine.Model) {
		_, done := complete(t, m, prompt, 2)
		assert.Equal(t, len(prompt)-1, done.CachedTokens)
	})
}

// A disk with room for one prefix keeps the one that was used last.
func TestASmallDiskKeepsWhatWasUsedLast(t *testing.T) {
	older, last := tokens(1, 300), tokens(2, 300)
	o := engine.Options{CacheDir: t.TempDir(), CacheDisk: 450 * cellBytes}
	load := engine.LoadOptions{Path: testmodel.Path(t), Digest: "digest"}
	onceWith(t, o, load, func(m *engine.Model) {
		complete(t, m, older, 2)
		complete(t, m, last, 2)
	})
	onceWith(t, o, load, func(m *engine.Model) {
		_, done := complete(t, m, last, 2)
		assert.Equal(t, len(last)-1, done.CachedTokens)
		_, done = complete(t, m, older, 2)
		assert.Zero(t, done.CachedTokens)
	})
}

// A process may be killed: what it computed before is on disk when it has been quiet.
func TestQuietKeepsPrefixes(t *testing.T) {
	dir := t.TempDir()
	once(t, dir, "digest", 0, func(m *engine.Model) {
		complete(t, m, tokens(1, 300), 2)
		require.Eventually(t, func() bool {
			files, err := filepath.Glob(filepath.Join(dir, "*", "*.kv"))
			return err == nil && len(files) == 1
		}, time.Minute, 10*time.Millisecond)
	})
}
