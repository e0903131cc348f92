package registry

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/puna-ai/puna"
	"github.com/puna-ai/puna/internal/testmodel"
	"github.com/puna-ai/puna/models/name"
	"github.com/puna-ai/puna/models/store"
)

// small is a model of some 300 kB.
var small = testmodel.Shape{Name: "small", Embd: 64, Layers: 1, Heads: 4, KVHeads: 2, FF: 128, Vocab: testmodel.MinVocab, Ctx: 512}

var quiet = slog.New(slog.DiscardHandler)

func serve(t testing.TB, h http.Handler) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return server
}

// host returns a server's host and port.
func host(t testing.TB, server *httptest.Server) string {
	t.Helper()
	u, err := url.Parse(server.URL)
	require.NoError(t, err)
	return u.Host
}

func openStore(t testing.TB, dir string) *store.Store {
	t.Helper()
	s, err := store.Open(dir, store.Options{Log: quiet})
	require.NoError(t, err)
	return s
}

// stall is how long faults tests wait for a connection that stalls; a machine that
// is busy may take it for longer than that, which is one more fault.
const stall = 250 * time.Millisecond

// quick has waits that tests can afford.
var quick = Transfer{
	Connections: 4, Chunk: 8 << 10, Tries: 4,
	MinWait: time.Millisecond, MaxWait: 8 * time.Millisecond, Report: 2 * time.Millisecond,
}

func newClient(t testing.TB, s *store.Store) *Client {
	t.Helper()
	return &Client{Store: s, KeyFile: filepath.Join(t.TempDir(), "keys", "id_ed25519"), Transfer: quick, Log: quiet}
}

func parseName(t testing.TB, text string) name.Name {
	t.Helper()
	n, err := name.Parse(text)
	require.NoError(t, err)
	return n
}

// addModel puts a model into a store: weights of a seed, and texts.
func addModel(t testing.TB, s *store.Store, model string, seed uint64) *store.Manifest {
	t.Helper()
	shape := small
	shape.Seed = seed
	f, err := os.Open(testmodel.PathOf(t, shape))
	require.NoError(t, err)
	defer f.Close()
	return addLayers(t, s, model, map[string]io.Reader{
		store.MediaModel: f, store.MediaTemplate: strings.NewReader("{{ .Prompt }}"), store.MediaSystem: strings.NewReader("Be brief."),
	})
}

func addLayers(t testing.TB, s *store.Store, model string, contents map[string]io.Reader) *store.Manifest {
	t.Helper()
	c, err := s.Begin()
	require.NoError(t, err)
	defer c.Close()
	var layers []store.Layer
	for _, mediaType := range []string{store.MediaModel, store.MediaDraft, store.MediaTemplate, store.MediaSystem} {
		if r, ok := contents[mediaType]; ok {
			l, _, err := c.Put(t.Context(), mediaType, r)
			require.NoError(t, err)
			layers = append(layers, l)
		}
	}
	config, _, err := c.Put(t.Context(), store.MediaConfig, strings.NewReader(`{"model_format":"gguf"}`))
	require.NoError(t, err)
	require.NoError(t, c.Commit(parseName(t, model), config, layers))
	m, err := s.Manifest(parseName(t, model))
	require.NoError(t, err)
	return m
}

// publish pushes a model of a seed to a registry, as library/m, and returns its
// manifest.
func publish(t testing.TB, registry http.Handler, seed uint64) *store.Manifest {
	t.Helper()
	server := httptest.NewServer(registry)
	defer server.Close()
	s := openStore(t, t.TempDir())
	model := host(t, server) + "/library/m:latest"
	m := addModel(t, s, model, seed)
	_, err := collect(newClient(t, s).Push(t.Context(), Request{Model: model, Insecure: true}))
	require.NoError(t, err)
	return m
}

// collect ranges over progress and returns its statuses, each once.
func collect(steps func(func(puna.Progress, error) bool)) (statuses []string, err error) {
	seen := map[string]bool{}
	for p, e := range steps {
		if e != nil {
			return statuses, e
		}
		if !seen[p.Status] {
			seen[p.Status] = true
			statuses = append(statuses, p.Status)
		}
	}
	return statuses, nil
}

// checkBlobs checks that whatever a store calls a blob has its digest.
func checkBlobs(t testing.TB, s *store.Store) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(s.Dir(), "blobs"))
	if os.IsNotExist(err) {
		return
	}
	require.NoError(t, err)
	for _, e := range entries {
		if e.IsDir() || !strings.HasPrefix(e.Name(), "sha256-") {
			continue
		}
		data, err := os.ReadFile(filepath.Join(s.Dir(), "blobs", e.Name()))
		require.NoError(t, err)
		require.Equal(t, e.Name(), fmt.Sprintf("sha256-%x", sha256.Sum256(data)))
	}
}

// checkModel checks that a store has a model as a whole.
func checkModel(t testing.TB, s *store.Store, model string, want *store.Manifest) {
	t.Helper()
	checkBlobs(t, s)
	m, err := s.Manifest(parseName(t, model))
	require.NoError(t, err)
	require.Equal(t, want.Digest, m.Digest)
	require.Equal(t, want.Layers, m.Layers)
	loaded, err := s.Load(m)
	require.NoError(t, err)
	require.Equal(t, "Be brief.", loaded.System)
	require.FileExists(t, loaded.Path)
}

// partials returns the files of unfinished downloads.
func partials(t testing.TB, s *store.Store) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(s.Dir(), "blobs", "puna-partial", "*"))
	require.NoError(t, err)
	return paths
}

// pullOnce pulls within a time that only a hang exceeds.
func pullOnce(t testing.TB, c *Client, req Request) ([]string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	return collect(c.Pull(ctx, req))
}

func fileSize(t testing.TB, path string) int64 {
	t.Helper()
	info, err := os.Stat(path)
	require.NoError(t, err)
	return info.Size()
}
