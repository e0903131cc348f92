package registry

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"

	"github.com/puna-ai/puna"
)

// auth asks for tokens, which it gives for signatures as Ollama's registry does. A
// token is good for some requests.
type auth struct {
	t      testing.TB
	next   http.Handler
	realm  string // "": this server's /token
	issued atomic.Int64
	asked  atomic.Int64 // requests since the newest token
}

const tokenLife = 25

// valid accepts the newest token and, for requests under way, the one before.
func (a *auth) valid(header string) bool {
	issued := a.issued.Load()
	if header != fmt.Sprintf("Bearer t%d", issued) && header != fmt.Sprintf("Bearer t%d", issued-1) {
		return false
	}
	return a.asked.Add(1) <= tokenLife
}

func newAuth(t testing.TB, next http.Handler) *auth { return &auth{t: t, next: next} }

func (a *auth) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/token" {
		a.give(w, r)
		return
	}
	if r.Header.Get("Authorization") == "" && r.URL.Query().Get("signature") == "secret" { // the storage's way
		a.next.ServeHTTP(w, r)
		return
	}
	if !a.valid(r.Header.Get("Authorization")) {
		realm := a.realm
		if realm == "" {
			realm = "http://" + r.Host + "/token"
		}
		w.Header().Set("WWW-Authenticate", fmt.Sprintf(`Bearer realm="%s",service="test",scope="repository:library/m:pull repository:library/m:push"`, realm))
		http.Error(w, `{"errors":[{"code":"UNAUTHORIZED","message":"sign in"}]}`, http.StatusUnauthorized)
		return
	}
	a.next.ServeHTTP(w, r)
}

// give checks a signature and gives a token.
func (a *auth) give(w http.ResponseWriter, r *http.Request) {
	public, signature, _ := strings.Cut(r.Header.Get("Authorization"), ":")
	blob, err := base64.StdEncoding.DecodeString(public)
	if err == nil {
		var key ssh.PublicKey
		if key, err = ssh.ParsePublicKey(blob); err == nil {
			var raw []byte
			raw, err = base64.StdEncoding.DecodeString(signature)
			data := "GET,http://" + r.Host + r.URL.String() + ",ZTNiMGM0NDI5OGZjMWMxNDlhZmJmNGM4OTk2ZmI5MjQyN2FlNDFlNDY0OWI5MzRjYTQ5NTk5MWI3ODUyYjg1NQ=="
			if err == nil {
				err = key.Verify([]byte(data), &ssh.Signature{Format: key.Type(), Blob: raw})
			}
		}
	}
	query := r.URL.Query()
	if err != nil || query.Get("service") != "test" || len(query["scope"]) != 2 || query.Get("ts") == "" || query.Get("nonce") == "" {
		http.Error(w, "bad signature", http.StatusUnauthorized)
		return
	}
	a.asked.Store(0)
	json.NewEncoder(w).Encode(map[string]string{"token": fmt.Sprintf("t%d", a.issued.Add(1))})
}

func TestAuthorization(t *testing.T) {
	registry := newRegistry(t)
	want := publish(t, registry, 4)
	a := newAuth(t, registry)
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
	a := newAuth(t, newRegistry(t))
	a.realm = other.URL + "/token"
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
