package registry

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/puna-ai/puna"
	"github.com/puna-ai/puna/models/registry/registrytest"
	"github.com/puna-ai/puna/models/store"
)

func mapOf(mediaType, content string) map[string]io.Reader {
	return map[string]io.Reader{mediaType: strings.NewReader(content)}
}

func TestPush(t *testing.T) {
	registry := registrytest.New(t)
	model := host(t, serve(t, registry)) + "/me/mine:x"
	c := newClient(t, openStore(t, t.TempDir()))
	want := addModel(t, c.Store, model, 30)
	statuses, err := collect(c.Push(t.Context(), Request{Model: model, Insecure: true}))
	require.NoError(t, err)
	expected := []string{"retrieving manifest"}
	for _, l := range append(want.Layers, want.Config) {
		expected = append(expected, "pushing "+l.Digest[7:19])
	}
	require.Equal(t, append(expected, "pushing manifest", "success"), statuses)

	var uploads int
	for p, err := range c.Push(t.Context(), Request{Model: model, Insecure: true}) { // all is there
		require.NoError(t, err)
		if p.Completed > 0 && p.Completed < p.Total {
			uploads++
		}
	}
	require.Zero(t, uploads)
	other := newClient(t, openStore(t, t.TempDir()))
	_, err = pullOnce(t, other, Request{Model: model, Insecure: true})
	require.NoError(t, err)
	checkModel(t, other.Store, model, want)
}

func TestPushErrors(t *testing.T) {
	c := newClient(t, openStore(t, t.TempDir()))
	server := host(t, serve(t, registrytest.New(t)))
	statuses, err := collect(c.Push(t.Context(), Request{Model: server + "/me/none", Insecure: true}))
	require.Equal(t, puna.NotFound, puna.KindOf(err))
	require.Equal(t, []string{"retrieving manifest", "couldn't retrieve manifest"}, statuses)
	statuses, err = collect(c.Push(t.Context(), Request{Model: "http://" + server + "/me/none"}))
	require.Equal(t, puna.Invalid, puna.KindOf(err))
	require.Empty(t, statuses, "a request that is wrong has no progress")
}

// TestPushDamagedBlob: the registry finds out, and the error says what to do.
func TestPushDamagedBlob(t *testing.T) {
	c := newClient(t, openStore(t, t.TempDir()))
	model := host(t, serve(t, registrytest.New(t))) + "/me/mine"
	m := addModel(t, c.Store, model, 31)
	path, err := c.Store.BlobPath(m.Layers[0].Digest)
	require.NoError(t, err)
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	require.NoError(t, err)
	_, err = f.WriteAt([]byte("damage"), 50000)
	require.NoError(t, err)
	require.NoError(t, f.Close())
	_, err = collect(c.Push(t.Context(), Request{Model: model, Insecure: true}))
	require.Equal(t, puna.Invalid, puna.KindOf(err), err)
	require.ErrorContains(t, err, "damaged")
}

// TestSilentRegistry pushes to registries that take a request and don't answer it, once
// or ever.
func TestSilentRegistry(t *testing.T) {
	for name, silent := range map[string]func(*http.Request) bool{
		"piece": func(r *http.Request) bool { return r.Method == http.MethodPatch },
		"end":   func(r *http.Request) bool { return r.Method == http.MethodPut && r.URL.Query().Has("digest") },
		"manifest": func(r *http.Request) bool {
			return r.Method == http.MethodPut && strings.Contains(r.URL.Path, "/manifests/")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var left atomic.Int64 // requests that aren't answered
			registry := registrytest.New(t)
			server := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if !silent(r) || left.Add(-1) < 0 {
					registry.ServeHTTP(w, r)
					return
				}
				io.Copy(io.Discard, r.Body)
				<-r.Context().Done()
			}))
			c := newClient(t, openStore(t, t.TempDir()))
			c.Transfer.Stall, c.Transfer.Answer, c.Transfer.Tries = stall, 2*stall, 2
			model := host(t, server) + "/me/mine"
			addLayers(t, c.Store, model, mapOf(store.MediaSystem, strings.Repeat("x", 2500)))
			push := func() error {
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				_, err := collect(c.Push(ctx, Request{Model: model, Insecure: true}))
				return err
			}
			left.Store(100)
			err := push()
			require.Equal(t, puna.Unavailable, puna.KindOf(err), err)
			require.ErrorIs(t, err, errStalled)
			left.Store(1)
			require.NoError(t, push())
		})
	}
}

// TestAnswerTakesLong: a registry that has everything may think longer than a
// connection may stall.
func TestAnswerTakesLong(t *testing.T) {
	registry := registrytest.New(t)
	server := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPut {
			time.Sleep(3 * stall)
		}
		registry.ServeHTTP(w, r)
	}))
	c := newClient(t, openStore(t, t.TempDir()))
	c.Transfer.Stall, c.Transfer.Tries = stall, 1
	model := host(t, server) + "/me/mine"
	addLayers(t, c.Store, model, mapOf(store.MediaSystem, "Be brief."))
	_, err := collect(c.Push(t.Context(), Request{Model: model, Insecure: true}))
	require.NoError(t, err)
	require.Equal(t, 5*time.Minute+2*time.Second, Transfer{}.withDefaults().answer(32<<20))
}

// storageRegistry redirects the pieces of uploads to a storage, as Ollama's does.
type storageRegistry struct {
	http.Handler
	storage string
	mu      sync.Mutex
	pieces  int
	leaked  bool
	etag    string
}

func (r *storageRegistry) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case req.Method == http.MethodPatch && req.Header.Get("X-Redirect-Uploads") == "1":
		w.Header().Set("Docker-Upload-Location", "http://"+req.Host+req.URL.RequestURI())
		w.Header().Set("Location", fmt.Sprintf("%s/piece/%d", r.storage, r.pieces))
		w.WriteHeader(http.StatusTemporaryRedirect)
	case strings.HasPrefix(req.URL.Path, "/piece/"):
		r.pieces++
		r.leaked = r.leaked || req.Header.Get("Authorization") != ""
		io.Copy(io.Discard, req.Body)
	case req.Method == http.MethodPut && req.URL.Query().Get("etag") != "":
		r.etag = req.URL.Query().Get("etag")
		w.WriteHeader(http.StatusForbidden) // it has seen enough
	default:
		r.Handler.ServeHTTP(w, req)
	}
}

func TestPushToStorage(t *testing.T) {
	r := &storageRegistry{Handler: registrytest.New(t)}
	r.storage = serve(t, r).URL
	server := serve(t, &registrytest.Auth{Next: r})
	c := newClient(t, openStore(t, t.TempDir()))
	c.Transfer.Chunk = 1000
	model := host(t, server) + "/me/mine"
	addLayers(t, c.Store, model, mapOf(store.MediaSystem, strings.Repeat("x", 2500)))
	_, err := collect(c.Push(t.Context(), Request{Model: model, Insecure: true}))
	require.Equal(t, puna.Forbidden, puna.KindOf(err))
	r.mu.Lock()
	defer r.mu.Unlock()
	require.Equal(t, 3, r.pieces)
	require.False(t, r.leaked)
	require.Regexp(t, "^[0-9a-f]{32}-3$", r.etag)
}
