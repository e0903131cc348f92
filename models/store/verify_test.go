package store

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/puna-ai/puna"
	"github.com/puna-ai/puna/models/name"
)

// TestCopyKeepsTheManifest: whatever another program wrote into it, and so its digest.
func TestCopyKeepsTheManifest(t *testing.T) {
	s := open(t, t.TempDir())
	require.NoError(t, s.PutBlob(t.Context(), digestOf("w"), strings.NewReader("w")))
	path := filepath.Join(s.manifests(), "registry.ollama.ai", "library", "m", "latest")
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	text := `{ "schemaVersion":2, "layers":[{"mediaType":"` + MediaModel + `","digest":"` + digestOf("w") + `","size":1,"urls":[]}], "annotations":{} }`
	require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
	require.NoError(t, s.Copy(parse(t, "M"), parse(t, "n")))
	for _, model := range []string{"m", "n"} {
		m, err := s.Manifest(parse(t, model))
		require.NoError(t, err)
		assert.Equal(t, text, string(m.Raw))
		assert.Equal(t, strings.TrimPrefix(digestOf(text), "sha256:"), m.Digest)
	}
}

func TestVerify(t *testing.T) {
	s := open(t, t.TempDir())
	found, err := s.Verify(t.Context(), nil)
	require.NoError(t, err)
	assert.Empty(t, found)

	put(t, s, "good", MediaModel, "fine", MediaSystem, "shared")
	put(t, s, "bad", MediaModel, "weights", MediaSystem, "shared", MediaLicense, "gone")
	require.NoError(t, s.PutBlob(t.Context(), digestOf("upload"), strings.NewReader("upload")))
	for _, other := range []string{"sha256-" + strings.Repeat("0", 64) + "-partial", "notes.txt"} {
		require.NoError(t, os.WriteFile(filepath.Join(s.blobs(), other), []byte("x"), 0o644))
	}
	last := map[string]puna.Progress{}
	found, err = s.Verify(t.Context(), func(p puna.Progress) { last[p.Digest] = p })
	require.NoError(t, err)
	assert.Empty(t, found)
	assert.Len(t, last, 6, "fine, shared, weights, gone, upload, config")
	assert.Equal(t, puna.Progress{Status: "verifying " + digestOf("weights")[7:19], Digest: digestOf("weights"), Total: 7, Completed: 7}, last[digestOf("weights")])

	path := func(text string) string {
		p, err := s.BlobPath(digestOf(text))
		require.NoError(t, err)
		return p
	}
	require.NoError(t, os.WriteFile(path("weights"), []byte("WEIGHTS"), 0o644))
	require.NoError(t, os.WriteFile(path("shared"), nil, 0o644))
	require.NoError(t, os.WriteFile(path("upload"), []byte("more than there was"), 0o644))
	require.NoError(t, os.Remove(path("gone")))
	found, err = s.Verify(t.Context(), nil)
	require.NoError(t, err)
	byDigest := map[string]Damaged{}
	for i, d := range found {
		byDigest[d.Digest] = d
		assert.True(t, i == 0 || found[i-1].Digest < d.Digest)
	}
	require.Len(t, byDigest, 4)
	bad, good := parse(t, "bad"), parse(t, "good")
	assert.Equal(t, Damaged{Digest: digestOf("weights"), Path: path("weights"), Got: digestOf("WEIGHTS"), Models: []name.Name{bad}}, byDigest[digestOf("weights")])
	assert.Equal(t, Damaged{Digest: digestOf("shared"), Path: path("shared"), Got: digestOf(""), Models: []name.Name{bad, good}}, byDigest[digestOf("shared")])
	assert.Equal(t, Damaged{Digest: digestOf("upload"), Path: path("upload"), Got: digestOf("more than there was")}, byDigest[digestOf("upload")])
	missing := byDigest[digestOf("gone")]
	assert.ErrorIs(t, missing.Err, fs.ErrNotExist)
	assert.Equal(t, []name.Name{bad}, missing.Models)

	ctx, cancel := context.WithCancel(t.Context())
	_, err = s.Verify(ctx, func(puna.Progress) { cancel() })
	assert.Equal(t, puna.Canceled, puna.KindOf(err), err)
}

// TestVerifyDuringDeletion: a model that goes while others are read is no damage.
func TestVerifyDuringDeletion(t *testing.T) {
	s := open(t, t.TempDir())
	put(t, s, "a", MediaModel, "1", MediaSystem, "2", MediaLicense, "3")
	put(t, s, "b", MediaModel, "1")
	first := true
	found, err := s.Verify(t.Context(), func(puna.Progress) {
		if first {
			first = false
			require.NoError(t, s.Delete(parse(t, "a")))
		}
	})
	require.NoError(t, err)
	assert.Empty(t, found)
}

// TestVerifyTakesNoLocks: a folder that can't be written can be verified.
func TestVerifyTakesNoLocks(t *testing.T) {
	s := open(t, t.TempDir())
	put(t, s, "m", MediaModel, "w")
	require.NoError(t, os.RemoveAll(s.private()))
	require.NoError(t, os.WriteFile(s.private(), nil, 0o644)) // nothing can be locked any more
	found, err := s.Verify(t.Context(), nil)
	require.NoError(t, err)
	assert.Empty(t, found)
}
