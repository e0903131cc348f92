package registrytest

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"

	"golang.org/x/crypto/ssh"
)

// Auth asks for tokens, which it gives for signatures as Ollama's registry does. A
// token is good for some requests.
type Auth struct {
	Next  http.Handler
	Realm string // where tokens are to be had; "": this server's /token

	issued atomic.Int64
	asked  atomic.Int64 // requests since the newest token
}

const tokenLife = 25

// valid accepts the newest token and, for requests under way, the one before.
func (a *Auth) valid(header string) bool {
	issued := a.issued.Load()
	if header != fmt.Sprintf("Bearer t%d", issued) && header != fmt.Sprintf("Bearer t%d", issued-1) {
		return false
	}
	return a.asked.Add(1) <= tokenLife
}

// ServeHTTP implements [http.Handler].
func (a *Auth) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/token" {
		a.give(w, r)
		return
	}
	if r.Header.Get("Authorization") == "" && r.URL.Query().Get("signature") == "secret" { // the storage's way
		a.Next.ServeHTTP(w, r)
		return
	}
	if !a.valid(r.Header.Get("Authorization")) {
		realm := a.Realm
		if realm == "" {
			realm = "http://" + r.Host + "/token"
		}
		w.Header().Set("WWW-Authenticate", fmt.Sprintf(`Bearer realm="%s",service="test",scope="repository:library/m:pull repository:library/m:push"`, realm))
		http.Error(w, `{"errors":[{"code":"UNAUTHORIZED","message":"sign in"}]}`, http.StatusUnauthorized)
		return
	}
	a.Next.ServeHTTP(w, r)
}

// give checks a signature and gives a token.
func (a *Auth) give(w http.ResponseWriter, r *http.Request) {
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
