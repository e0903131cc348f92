package registry

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/puna-ai/puna"
)

// signer signs data with the user's key, as "<public key>:<signature>".
type signer func(data []byte) (string, error)

// challenge is what a registry asks for before it answers.
type challenge struct {
	realm, service, scope string
}

var challengeField = regexp.MustCompile(`(\w+)="([^"]*)"`)

// parseChallenge reads a WWW-Authenticate header. ok is false where it names no
// place to get a token from.
func parseChallenge(h http.Header) (c challenge, ok bool) {
	rest, bearer := strings.CutPrefix(h.Get("WWW-Authenticate"), "Bearer ")
	if !bearer {
		return c, false
	}
	for _, field := range challengeField.FindAllStringSubmatch(rest, -1) {
		switch strings.ToLower(field[1]) {
		case "realm":
			c.realm = field[2]
		case "service":
			c.service = field[2]
		case "scope":
			c.scope = field[2]
		}
	}
	return c, c.realm != ""
}

// authorize gets a token by Ollama's protocol: the address with a time and a nonce
// is signed with the user's key. used is the token that was refused: another
// request may have renewed it already. Only the registry's own origin gets a
// signature.
func (s *session) authorize(ctx context.Context, c challenge, used string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock() // one at a time
	if s.token != used {
		return s.token, nil
	}
	u, err := c.address()
	if err != nil {
		return "", err
	}
	if !s.trusts(u) {
		return "", puna.Errorf(puna.Forbidden, "%s wants a signature for %s, which is another server: refused", s.base.Host, u.Host)
	}
	signature, err := s.sign(signedData(u))
	if err != nil {
		return "", err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return "", puna.Errorf(puna.Invalid, "%w", err)
	}
	req.Header.Set("Authorization", signature)
	resp, err := s.follow.Do(req)
	if err != nil {
		return "", withoutQuery(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return "", newStatusError(resp)
	}
	var answer struct {
		Token       string `json:"token"`
		AccessToken string `json:"access_token"`
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, 1<<20)).Decode(&answer); err != nil {
		return "", fmt.Errorf("the token of %s: %w", u.Host, err)
	}
	if answer.Token == "" {
		answer.Token = answer.AccessToken
	}
	if answer.Token == "" {
		return "", puna.Errorf(puna.Forbidden, "%s gave no token", u.Host)
	}
	s.token = answer.Token
	return s.token, nil
}

// address returns where the token is asked for.
func (c challenge) address() (*url.URL, error) {
	u, err := url.Parse(c.realm)
	if err != nil {
		return nil, puna.Errorf(puna.Invalid, "the registry asks for a token of %q: %w", c.realm, err)
	}
	query := u.Query()
	query.Add("service", c.service)
	for scope := range strings.FieldsSeq(c.scope) {
		query.Add("scope", scope)
	}
	query.Add("ts", strconv.FormatInt(time.Now().Unix(), 10))
	query.Add("nonce", nonce())
	u.RawQuery = query.Encode()
	return u, nil
}

func nonce() string {
	var b [16]byte
	rand.Read(b[:])
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// signedData is the method, the address, and the hash of the empty body.
func signedData(u *url.URL) []byte {
	hash := fmt.Appendf(nil, "%x", sha256.Sum256(nil))
	return fmt.Appendf(nil, "%s,%s,%s", http.MethodGet, u, base64.StdEncoding.EncodeToString(hash))
}
