package store

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/puna-ai/puna"
	"github.com/puna-ai/puna/models/name"
)

func open(t testing.TB, dir string) *Store {
	s, err := Open(dir, Options{Log: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	return s
}

func parse(t testing.TB, s string) name.Name {
	n, err := name.Parse(s)
	require.NoError(t, err)
	return n
}

func digestOf(text string) string { return fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(text))) }

// put adds layers of texts by media type and commits them.
func put(t testing.TB, s *Store, model string, texts ...string) {
	c, err := s.Begin()
	require.NoError(t, err)
	defer func() { require.NoError(t, c.Close()) }()
	var layers []Layer
	for i := 0; i < len(texts); i += 2 {
		l, _, err := c.Put(t.Context(), texts[i], strings.NewReader(texts[i+1]))
		require.NoError(t, err)
		layers = append(layers, l)
	}
	config, _, err := c.Put(t.Context(), MediaConfig, strings.NewReader(`{"model_format":"gguf","model_family":"llama","file_type":"F16"}`))
	require.NoError(t, err)
	require.NoError(t, c.Commit(parse(t, model), config, layers))
}

// blobs returns how many files the blobs' folder has.
func blobs(t testing.TB, s *Store) int {
	entries, err := os.ReadDir(s.blobs())
	if os.IsNotExist(err) {
		return 0
	}
	require.NoError(t, err)
	return len(entries)
}

func TestResolve(t *testing.T) {
	s := open(t, t.TempDir())
	put(t, s, "Guide", MediaModel, "weights", MediaTemplate, "{{ .Prompt }}", MediaSystem, "Be brief.", MediaLicense, "MIT",
		MediaLicense, "BSD", MediaParams, `{"temperature":0.5,"stop":["a","b"],"top_p":7,"tfs_z":1,"num_ctx":2048.0}`,
		MediaMessages, `[{"role":"user","content":"hi"},{"role":"assistant","content":"yo"}]`,
		MediaAdapter, "lora", MediaProjector, "eyes", MediaDraft, "small", "application/vnd.ollama.image.embed", "old")
	m, err := s.Resolve("guide:LATEST")
	require.NoError(t, err)
	assert.Equal(t, "Guide:latest", m.Name.String())
	assert.Len(t, m.Digest, 64)
	assert.Equal(t, "llama", m.Config.ModelFamily)
	path, err := m.GGUF()
	require.NoError(t, err)
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, "weights", string(data))
	assert.Equal(t, "{{ .Prompt }}", m.Template)
	assert.True(t, m.HasTemplate)
	assert.Equal(t, "Be brief.", m.System)
	assert.Equal(t, []string{"MIT", "BSD"}, m.Licenses)
	assert.Equal(t, puna.Options{Temperature: new(0.5), Stop: []string{"a", "b"}, NumCtx: new(2048)}, m.Options, "bad values are left out")
	assert.Equal(t, []puna.Message{{Role: "user", Content: "hi"}, {Role: "assistant", Content: "yo"}}, m.Messages)
	require.Len(t, m.Adapters, 1)
	require.Len(t, m.Projectors, 1)
	data, err = os.ReadFile(m.Draft)
	require.NoError(t, err)
	assert.Equal(t, "small", string(data))
	man, err := s.Manifest(m.Name)
	require.NoError(t, err)
	assert.Equal(t, man.Size(), m.Size)
	assert.WithinDuration(t, time.Now(), m.Modified, time.Hour)
}

func TestResolveErrors(t *testing.T) {
	s := open(t, t.TempDir())
	_, err := s.Resolve("no such name")
	assert.Equal(t, puna.Invalid, puna.KindOf(err))
	_, err = s.Resolve("none")
	assert.EqualError(t, err, "model 'none:latest' not found")
	assert.Equal(t, puna.NotFound, puna.KindOf(err))
	put(t, s, "m", MediaModel, "weights", MediaParams, "not json")
	_, err = s.Resolve("m")
	assert.ErrorContains(t, err, "is broken")
	put(t, s, "m", MediaModel, "weights")
	path, err := s.BlobPath(digestOf("weights"))
	require.NoError(t, err)
	require.NoError(t, os.Remove(path))
	_, err = s.Resolve("m")
	assert.ErrorContains(t, err, "model 'm:latest' is incomplete, pull or create it again: "+digestOf("weights"))
	assert.Equal(t, puna.NotFound, puna.KindOf(err))
	put(t, s, "cloud", MediaLicense, "x")
	m, err := s.Resolve("cloud")
	require.NoError(t, err)
	_, err = m.GGUF()
	assert.Equal(t, puna.Unsupported, puna.KindOf(err))
}

func TestListLeavesBrokenManifestsOut(t *testing.T) {
	s := open(t, t.TempDir())
	list, err := s.List()
	require.NoError(t, err)
	assert.Empty(t, list)
	put(t, s, "old", MediaModel, "w1")
	put(t, s, "hf.co/me/new:Q4_K_M", MediaModel, "w2")
	lib := filepath.Join(s.manifests(), "registry.ollama.ai", "library")
	past := time.Now().Add(-time.Hour)
	require.NoError(t, os.Chtimes(filepath.Join(lib, "old", "latest"), past, past))
	for path, text := range map[string]string{
		"broken/latest": "{", "digest/latest": `{"layers":[{"mediaType":"x","digest":"sha256:../../etc","size":1}]}`,
		"negative/latest": fmt.Sprintf(`{"layers":[{"mediaType":"x","digest":%q,"size":-1}]}`, digestOf("x")),
		"old/.hidden":     "{}", "stray": "", "deep/a/b": "{}",
	} {
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(lib, path)), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(lib, path), []byte(text), 0o644))
	}
	list, err = s.List()
	require.NoError(t, err)
	require.Len(t, list, 2)
	assert.Equal(t, "hf.co/me/new:Q4_K_M", list[0].Name.String())
	assert.Equal(t, "old:latest", list[1].Name.String())
	_, err = s.Resolve("digest")
	assert.Equal(t, puna.Invalid, puna.KindOf(err))
	assert.NoError(t, s.Delete(parse(t, "broken")))
	_, err = s.Resolve("broken")
	assert.Equal(t, puna.NotFound, puna.KindOf(err))
}

// TestOllamaManifest reads a manifest as Ollama writes it, without a config and
// with digests in the form of file names.
func TestOllamaManifest(t *testing.T) {
	s := open(t, t.TempDir())
	require.NoError(t, s.PutBlob(t.Context(), digestOf("w"), strings.NewReader("w")))
	path := filepath.Join(s.manifests(), "registry.ollama.ai", "library", "m", "latest")
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	text := fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,"config":{"mediaType":"","digest":"","size":0},"layers":[{"mediaType":%q,"digest":%q,"size":1}]}`,
		MediaManifest, MediaModel, strings.Replace(digestOf("w"), ":", "-", 1))
	require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
	m, err := s.Resolve("m")
	require.NoError(t, err)
	assert.Equal(t, fmt.Sprintf("%x", sha256.Sum256([]byte(text))), m.Digest)
	_, err = m.GGUF()
	require.NoError(t, err)
	require.NoError(t, s.Copy(m.Name, parse(t, "n")))
	require.NoError(t, s.Delete(m.Name))
	assert.Equal(t, 1, blobs(t, s))
}

func TestPutBlob(t *testing.T) {
	s := open(t, t.TempDir())
	has := func(digest string) bool {
		ok, err := s.HasBlob(digest)
		require.NoError(t, err)
		return ok
	}
	assert.False(t, has(digestOf("a")))
	err := s.PutBlob(t.Context(), digestOf("a"), strings.NewReader("b"))
	assert.ErrorContains(t, err, "digest mismatch: the data has "+digestOf("b"))
	assert.Equal(t, puna.Invalid, puna.KindOf(err))
	for _, bad := range []string{"", "sha256:12", "md5:" + strings.Repeat("0", 64), "sha256:" + strings.Repeat("g", 64), "sha256:../" + strings.Repeat("0", 61)} {
		_, err := s.HasBlob(bad)
		assert.Equal(t, puna.Invalid, puna.KindOf(err))
		assert.Error(t, s.PutBlob(t.Context(), bad, strings.NewReader("b")))
	}
	assert.Error(t, s.PutBlob(t.Context(), digestOf("a"), iotest.ErrReader(io.ErrUnexpectedEOF)))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	assert.Equal(t, puna.Canceled, puna.KindOf(s.PutBlob(ctx, digestOf("a"), strings.NewReader("a"))))
	assert.Zero(t, blobs(t, s), "nothing is left behind")
	upper := "sha256-" + strings.ToUpper(strings.TrimPrefix(digestOf("a"), "sha256:"))
	require.NoError(t, s.PutBlob(t.Context(), upper, strings.NewReader("a")))
	require.NoError(t, s.PutBlob(t.Context(), digestOf("a"), strings.NewReader("a")))
	assert.True(t, has(digestOf("a")))
	assert.Equal(t, 1, blobs(t, s))
	path, err := s.BlobPath(digestOf("a"))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, nil, 0o644), "as if another program had been cut short")
	require.NoError(t, s.PutBlob(t.Context(), digestOf("a"), strings.NewReader("a")))
	info, err := os.Stat(path)
	require.NoError(t, err)
	assert.Equal(t, int64(1), info.Size())
	assert.Equal(t, os.FileMode(0o644), info.Mode().Perm())
}

func TestDeleteKeepsWhatOthersUse(t *testing.T) {
	s := open(t, t.TempDir())
	put(t, s, "a", MediaModel, "shared", MediaSystem, "only a")
	put(t, s, "b", MediaModel, "shared", MediaSystem, "only b")
	require.NoError(t, s.Copy(parse(t, "a"), parse(t, "me/c")))
	require.NoError(t, s.Delete(parse(t, "A")))
	assert.Equal(t, 4, blobs(t, s))
	require.NoError(t, s.Delete(parse(t, "me/c")))
	assert.Equal(t, 3, blobs(t, s), "shared, only b, config")
	_, err := os.Stat(filepath.Join(s.manifests(), "registry.ollama.ai", "me"))
	assert.ErrorIs(t, err, os.ErrNotExist, "empty folders go")
	require.NoError(t, s.Delete(parse(t, "b")))
	assert.Zero(t, blobs(t, s))
	assert.Equal(t, puna.NotFound, puna.KindOf(s.Delete(parse(t, "b"))))
	assert.Equal(t, puna.NotFound, puna.KindOf(s.Copy(parse(t, "b"), parse(t, "c"))))
}

func TestReplacingRemovesTheOldBlobs(t *testing.T) {
	s := open(t, t.TempDir())
	put(t, s, "m", MediaModel, "first")
	put(t, s, "M", MediaModel, "second")
	assert.Equal(t, 2, blobs(t, s))
	list, err := s.List()
	require.NoError(t, err)
	require.Len(t, list, 1, "names ignore case")
	s.noPrune = true
	put(t, s, "m", MediaModel, "third")
	assert.Equal(t, 3, blobs(t, s))
}

// TestCommitRemovesWhatItTurnedIntoSomethingElse: what a change takes and doesn't name
// goes, unless somebody else needs it.
func TestCommitRemovesWhatItTurnedIntoSomethingElse(t *testing.T) {
	nobody := func(*testing.T, *Store) {}
	for about, tc := range map[string]struct {
		before, meanwhile func(*testing.T, *Store)
		stays             bool
	}{
		"nobody needs it":      {nobody, nobody, false},
		"another model has it": {func(t *testing.T, s *Store) { put(t, s, "other", MediaModel, "source") }, nobody, true},
		"what it replaces had": {func(t *testing.T, s *Store) { put(t, s, "m", MediaModel, "source") }, nobody, false},
		"a change holds it": {func(t *testing.T, s *Store) {
			c, err := s.Begin()
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, c.Close()) })
			_, err = c.Use("", digestOf("source"))
			require.NoError(t, err)
		}, nobody, true},
		"a client finds it": {nobody, func(t *testing.T, s *Store) {
			has, err := s.KeepBlob(digestOf("source"))
			require.NoError(t, err)
			require.True(t, has)
		}, true},
		"a client puts it": {nobody, func(t *testing.T, s *Store) {
			require.NoError(t, s.PutBlob(t.Context(), digestOf("source"), strings.NewReader("source")))
		}, true},
		"nothing may go": {func(_ *testing.T, s *Store) { s.noPrune = true }, nobody, true},
	} {
		t.Run(about, func(t *testing.T) {
			s := open(t, t.TempDir())
			require.NoError(t, s.PutBlob(t.Context(), digestOf("source"), strings.NewReader("source")))
			tc.before(t, s)
			c, err := s.Begin()
			require.NoError(t, err)
			defer c.Close()
			_, err = c.Use("", digestOf("source"))
			require.NoError(t, err)
			between, _, err := c.Put(t.Context(), MediaModel, strings.NewReader("a step between"))
			require.NoError(t, err)
			l, _, err := c.Put(t.Context(), MediaModel, strings.NewReader("result"))
			require.NoError(t, err)
			tc.meanwhile(t, s)
			require.NoError(t, c.Commit(parse(t, "m"), Layer{}, []Layer{l}))
			has, err := s.HasBlob(digestOf("source"))
			require.NoError(t, err)
			assert.Equal(t, tc.stays, has)
			has, err = s.HasBlob(between.Digest)
			require.NoError(t, err)
			assert.Equal(t, s.noPrune, has)
			_, err = s.Resolve("m")
			require.NoError(t, err)
		})
	}
}

func TestAbandonedChangeLeavesNothing(t *testing.T) {
	s := open(t, t.TempDir())
	put(t, s, "m", MediaModel, "kept")
	before := blobs(t, s)
	c, err := s.Begin()
	require.NoError(t, err)
	_, existed, err := c.Put(t.Context(), MediaModel, strings.NewReader("kept"))
	require.NoError(t, err)
	assert.True(t, existed)
	_, existed, err = c.Put(t.Context(), MediaSystem, strings.NewReader("new"))
	require.NoError(t, err)
	assert.False(t, existed)
	path, err := c.Temp()
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, []byte("half"), 0o644))
	_, err = c.Use(MediaModel, digestOf("nowhere"))
	assert.Equal(t, puna.NotFound, puna.KindOf(err))
	require.NoError(t, c.Close())
	require.NoError(t, c.Close())
	assert.Equal(t, before, blobs(t, s))
	_, err = c.Use(MediaModel, digestOf("kept"))
	assert.ErrorContains(t, err, "closed")
	leases, err := withPrefix(s.private(), leasePrefix)
	require.NoError(t, err)
	assert.Empty(t, leases)
}

func TestPutTemp(t *testing.T) {
	s := open(t, t.TempDir())
	c, err := s.Begin()
	require.NoError(t, err)
	defer c.Close()
	path, err := c.Temp()
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, []byte("made elsewhere"), 0o644))
	var read strings.Builder
	l, existed, err := c.PutTemp(t.Context(), MediaModel, path, func(r io.Reader) io.Reader { return io.TeeReader(r, &read) })
	require.NoError(t, err)
	assert.Equal(t, "made elsewhere", read.String())
	assert.False(t, existed)
	assert.Equal(t, Layer{MediaType: MediaModel, Digest: digestOf("made elsewhere"), Size: 14}, l)
	_, _, err = c.PutTemp(t.Context(), MediaModel, path, nil)
	assert.Error(t, err)
}

func TestReadingTakesNoLocks(t *testing.T) {
	s := open(t, t.TempDir())
	put(t, s, "m", MediaModel, "w")
	require.NoError(t, os.RemoveAll(s.private()))
	require.NoError(t, os.WriteFile(s.private(), nil, 0o644)) // nothing can be locked any more
	has, err := s.KeepBlob(digestOf("w"))
	require.NoError(t, err)
	assert.True(t, has)
	list, err := s.List()
	require.NoError(t, err)
	assert.Len(t, list, 1)
	_, err = s.Resolve("m")
	assert.NoError(t, err)
	_, err = s.Begin()
	assert.Error(t, err)
	assert.Error(t, s.PutBlob(t.Context(), digestOf("x"), strings.NewReader("x")))
	assert.Error(t, s.Delete(parse(t, "m")))
	_, err = s.Resolve("m")
	assert.NoError(t, err)
}

func TestReadOnlyFolder(t *testing.T) {
	s := open(t, t.TempDir())
	put(t, s, "m", MediaModel, "w")
	for _, dir := range []string{s.dir, s.blobs(), s.manifests(), s.private()} {
		require.NoError(t, os.Chmod(dir, 0o555))
		t.Cleanup(func() { assert.NoError(t, os.Chmod(dir, 0o755)) })
	}
	unprivileged(t, func() {
		_, err := s.Resolve("m")
		assert.NoError(t, err)
		assert.Equal(t, puna.Forbidden, puna.KindOf(s.PutBlob(t.Context(), digestOf("x"), strings.NewReader("x"))))
	})
}

func TestOpenErrors(t *testing.T) {
	_, err := Open("", Options{})
	assert.Equal(t, puna.Invalid, puna.KindOf(err))
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o644))
	_, err = Open(file, Options{})
	assert.ErrorContains(t, err, "is a file")
	dir := filepath.Join(t.TempDir(), "we[i]rd *")
	s := open(t, dir)
	has, err := s.KeepBlob(digestOf("w"))
	require.NoError(t, err)
	assert.False(t, has)
	_, err = os.Stat(dir)
	assert.ErrorIs(t, err, os.ErrNotExist, "opening and asking write nothing")
	put(t, s, "m", MediaModel, "w")
	list, err := s.List()
	require.NoError(t, err)
	assert.Len(t, list, 1)
}
