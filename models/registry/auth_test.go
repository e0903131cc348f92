package registry

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/puna-ai/puna"
	"github.com/puna-ai/puna/models/registry/registrytest"
)

func TestAuthorization(t *testing.T) {
	registry := registrytest.New(t)
	want := publish(t, registry, 4)
	a := &registrytest.Auth{Next: registry}
	model := host(t, serve(t, a)) + "/library/m"
	c := newClient(t, openStore(t, t.TempDir()))
	_, err := pullOnce(t, c, Request{Model: model, Insecure: true})
	require.NoError(t, err)
	checkModel(t, c.Store, model, want)

	info, err := os.Stat(c.KeyFile)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	public, err := os.ReadFile(c.KeyFile + ".pub")
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(string(public), "ssh-ed25519 "))
	before, err := os.ReadFile(c.KeyFile)
	require.NoError(t, err)
	_, err = pullOnce(t, c, Request{Model: model, Insecure: true})
	require.NoError(t, err)
	after, err := os.ReadFile(c.KeyFile)
	require.NoError(t, err)
	require.Equal(t, before, after)
}

// TestSignatureStaysHome: a registry can't have a signature made for another server.
func TestSignatureStaysHome(t *testing.T) {
	var reached atomic.Bool
	other := serve(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached.Store(true) }))
	a := &registrytest.Auth{Next: registrytest.New(t)}
	a.Realm = other.URL + "/token"
	c := newClient(t, openStore(t, t.TempDir()))
	_, err := pullOnce(t, c, Request{Model: host(t, serve(t, a)) + "/library/m", Insecure: true})
	require.Equal(t, puna.Forbidden, puna.KindOf(err))
	require.ErrorContains(t, err, "another server")
	require.False(t, reached.Load())
	require.NoFileExists(t, c.KeyFile)
}

func TestAccessDenied(t *testing.T) {
	a := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, `{"errors":[{"code":"DENIED","message":"not yours"}]}`, http.StatusForbidden)
	}))
	c := newClient(t, openStore(t, t.TempDir()))
	_, err := pullOnce(t, c, Request{Model: host(t, a) + "/library/m", Insecure: true})
	require.Equal(t, puna.Forbidden, puna.KindOf(err))
	require.ErrorContains(t, err, "DENIED not yours")
}

func TestBrokenKey(t *testing.T) {
	path := filepath.Join(t.TempDir(), "id_ed25519")
	require.NoError(t, os.WriteFile(path, []byte("no key"), 0o600))
	_, err := loadKey(path)
	require.ErrorContains(t, err, path)
	require.Equal(t, puna.Invalid, puna.KindOf(err))
}
