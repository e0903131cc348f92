package store

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/puna-ai/puna"
)

func TestPartial(t *testing.T) {
	s := open(t, t.TempDir())
	p, err := s.OpenPartial("some-key")
	require.NoError(t, err)
	_, err = s.OpenPartial("some-key")
	require.Equal(t, puna.Conflict, puna.KindOf(err))
	_, err = s.OpenPartial("../key")
	require.Error(t, err)
	_, err = p.Data.WriteString("data")
	require.NoError(t, err)
	old := time.Now().Add(-2 * time.Hour)
	require.NoError(t, os.Chtimes(p.Data.Name(), old, old))
	require.NoError(t, p.Close())
	require.NoError(t, p.Close())

	p, err = s.OpenPartial("some-key")
	require.NoError(t, err)
	digest := fmt.Sprintf("sha256:%x", sha256.Sum256([]byte("data")))
	c, err := s.Begin()
	require.NoError(t, err)
	l, err := c.PutPartial(t.Context(), MediaModel, digest, p)
	require.NoError(t, err)
	require.Equal(t, Layer{MediaType: MediaModel, Digest: digest, Size: 4}, l)
	require.NoError(t, c.Close()) // fails: the blob stays
	_, err = s.Prune(time.Hour)
	require.NoError(t, err)
	has, err := s.HasBlob(digest)
	require.NoError(t, err)
	require.True(t, has)
	left, err := os.ReadDir(s.partials())
	require.NoError(t, err)
	require.Empty(t, left)
}

// TestPrunePartials: a download stays for a week after anybody went on with it.
func TestPrunePartials(t *testing.T) {
	s := open(t, t.TempDir())
	ages := map[string]time.Duration{"old": keepPartials + time.Hour, "used": keepPartials + time.Hour, "new": keepPartials - time.Hour}
	for key, age := range ages {
		p, err := s.OpenPartial(key)
		require.NoError(t, err)
		if key != "used" {
			require.NoError(t, p.Close())
		} else {
			defer p.Close()
		}
		then := time.Now().Add(-age)
		for _, path := range []string{p.Data.Name(), p.Journal.Name()} {
			require.NoError(t, os.Chtimes(path, then, then))
		}
	}
	_, err := s.Prune(0)
	require.NoError(t, err)
	require.NoFileExists(t, filepath.Join(s.partials(), "old"))
	require.NoFileExists(t, filepath.Join(s.partials(), "old.journal"))
	require.FileExists(t, filepath.Join(s.partials(), "used"))
	require.FileExists(t, filepath.Join(s.partials(), "new.journal"))
}

// TestCommitManifest keeps a manifest byte for byte.
func TestCommitManifest(t *testing.T) {
	s := open(t, t.TempDir())
	put(t, s, "m", MediaModel, "a", MediaSystem, "b")
	old, err := s.Manifest(parse(t, "m"))
	require.NoError(t, err)
	c, err := s.Begin()
	require.NoError(t, err)
	defer c.Close()
	text := fmt.Sprintf(`{ "schemaVersion":2, "layers":[{"mediaType":"x","digest":%q,"size":1}], "more":1 }`, old.Layers[0].Digest)
	removed, err := c.CommitManifest(parse(t, "m"), []byte(text))
	require.NoError(t, err)
	require.True(t, removed)
	m, err := s.Manifest(parse(t, "m"))
	require.NoError(t, err)
	require.Equal(t, text, string(m.Raw))
	require.Equal(t, fmt.Sprintf("%x", sha256.Sum256([]byte(text))), m.Digest)
	has, err := s.HasBlob(old.Layers[1].Digest)
	require.NoError(t, err)
	require.False(t, has)
	_, err = c.CommitManifest(parse(t, "m"), []byte("{"))
	require.Equal(t, puna.Invalid, puna.KindOf(err))
}
