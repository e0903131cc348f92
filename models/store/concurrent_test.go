package store

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/puna-ai/puna"
)

func TestLeasesProtectBlobs(t *testing.T) {
	s := open(t, t.TempDir())
	other := open(t, s.dir) // as another process would
	put(t, s, "m", MediaModel, "weights")
	c, err := s.Begin()
	require.NoError(t, err)
	l, err := c.Use(MediaModel, digestOf("weights"))
	require.NoError(t, err)
	config, _, err := c.Put(t.Context(), MediaConfig, strings.NewReader("{}"))
	require.NoError(t, err)
	require.NoError(t, other.Delete(parse(t, "m")))
	pruned, err := other.Prune(0)
	require.NoError(t, err)
	assert.Zero(t, pruned.Blobs)
	require.NoError(t, c.Commit(parse(t, "n"), config, []Layer{l}))
	require.NoError(t, c.Close())
	_, err = s.Resolve("n")
	require.NoError(t, err)
}

func TestPrune(t *testing.T) {
	s := open(t, t.TempDir())
	p, err := s.Prune(0)
	require.NoError(t, err)
	assert.Zero(t, p)
	put(t, s, "m", MediaModel, "used")
	require.NoError(t, s.PutBlob(t.Context(), digestOf("upload"), strings.NewReader("upload")))
	for _, name := range []string{tempPrefix + "1", "sha256-" + strings.Repeat("0", 64) + "-partial"} {
		require.NoError(t, os.WriteFile(filepath.Join(s.blobs(), name), []byte("x"), 0o644))
	}
	require.NoError(t, os.WriteFile(filepath.Join(s.manifests(), tempPrefix+"1"), []byte("x"), 0o644))
	p, err = s.Prune(time.Hour)
	require.NoError(t, err)
	assert.Equal(t, Pruned{Blobs: 1, Bytes: 1}, p, "the dead temporary file")
	p, err = s.Prune(0)
	require.NoError(t, err)
	assert.Equal(t, Pruned{Blobs: 1, Bytes: 6}, p, "the upload, but not another program's file")
	_, err = s.Resolve("m")
	require.NoError(t, err)
	// A broken manifest keeps what it mentions.
	path := filepath.Join(s.manifests(), "registry.ollama.ai", "library", "m", "latest")
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, data[:len(data)-9], 0o644))
	p, err = s.Prune(0)
	require.NoError(t, err)
	assert.Zero(t, p)
}

// TestPruneKeepsWhatSomebodyIsAboutToName: a blob stays for an hour after it was last
// put or found.
func TestPruneKeepsWhatSomebodyIsAboutToName(t *testing.T) {
	s := open(t, t.TempDir())
	texts := []string{"nobody", "finds", "puts"}
	old := time.Now().Add(-2 * time.Hour)
	for _, text := range texts {
		require.NoError(t, s.PutBlob(t.Context(), digestOf(text), strings.NewReader(text)))
		path, err := s.BlobPath(digestOf(text))
		require.NoError(t, err)
		require.NoError(t, os.Chtimes(path, old, old))
	}
	has, err := s.KeepBlob(digestOf("finds"))
	require.NoError(t, err)
	require.True(t, has)
	require.NoError(t, s.PutBlob(t.Context(), digestOf("puts"), strings.NewReader("puts")))
	p, err := s.Prune(time.Hour)
	require.NoError(t, err)
	assert.Equal(t, Pruned{Blobs: 1, Bytes: int64(len("nobody"))}, p)
	has, err = s.KeepBlob(digestOf("nobody"))
	require.NoError(t, err)
	assert.False(t, has)
}

// TestConcurrent has many changes, deletions and prunings at once, through two
// stores on one folder; what is listed is always whole.
func TestConcurrent(t *testing.T) {
	dir := t.TempDir()
	stores := []*Store{open(t, dir), open(t, dir)}
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			s := stores[i%2]
			for j := range 15 {
				model := fmt.Sprintf("m%d", (i+j)%3)
				put(t, s, model, MediaModel, fmt.Sprintf("weights %d", j%4), MediaSystem, model)
				if err := s.Delete(parse(t, fmt.Sprintf("m%d", j%3))); err != nil {
					assert.Equal(t, puna.NotFound, puna.KindOf(err))
				}
				_, err := s.Prune(0)
				assert.NoError(t, err)
			}
		})
	}
	wg.Wait()
	checkStore(t, stores[0])
}

// checkStore checks that every model is whole, every blob is what its name says,
// and pruning leaves only what is used.
func checkStore(t *testing.T, s *Store) {
	_, err := s.Prune(0)
	require.NoError(t, err)
	list, err := s.List()
	require.NoError(t, err)
	paths, err := s.manifestPaths()
	require.NoError(t, err)
	require.Len(t, list, len(paths), "no broken manifests")
	used := map[string]bool{}
	for _, m := range list {
		_, err := s.Load(m)
		require.NoError(t, err)
		for _, digest := range m.digests() {
			used[digest] = true
		}
	}
	entries, err := os.ReadDir(s.blobs())
	require.NoError(t, err)
	assert.Len(t, entries, len(used))
	for _, e := range entries {
		data, err := os.ReadFile(filepath.Join(s.blobs(), e.Name()))
		require.NoError(t, err)
		assert.Equal(t, e.Name(), strings.Replace(digestOf(string(data)), ":", "-", 1))
	}
}
