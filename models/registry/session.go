package registry

import (
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/puna-ai/puna"
)

// session makes requests to one server. It is safe for concurrent use.
type session struct {
	base     *url.URL
	transfer Transfer
	log      *slog.Logger
	follow   *http.Client // follows redirects
	direct   *http.Client // doesn't
	sign     signer       // answers a registry's challenge; nil: it isn't answered

	mu    sync.Mutex
	token string // of the Authorization header
}

func (c *Client) session(base *url.URL, token string) *session {
	transport := c.Transport
	if transport == nil {
		transport = defaultTransport
	}
	stay := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	s := &session{
		base: base, token: token, transfer: c.Transfer.withDefaults(), log: c.log(),
		follow: &http.Client{Transport: transport, CheckRedirect: checkRedirect},
		direct: &http.Client{Transport: transport, CheckRedirect: stay},
	}
	if token == "" {
		s.sign = c.signature
	}
	return s
}

// defaultTransport speaks HTTP/1.1, since the requests of one HTTP/2 connection
// share its bandwidth.
var defaultTransport = func() http.RoundTripper {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.Protocols = new(http.Protocols)
	t.Protocols.SetHTTP1(true)
	t.ForceAttemptHTTP2 = false
	t.MaxIdleConnsPerHost = 16
	t.DisableCompression = true
	return t
}()

// request is one that can be made several times.
type request struct {
	method   string // "": GET
	url      *url.URL
	header   http.Header
	body     func() io.Reader // nil: none
	size     int64            // of the body, bytes
	noFollow bool             // a redirect is an answer
	noToken  bool             // the address must not see the token
}

// do makes a request. Statuses from 400 on are a [statusError]. The caller closes
// the body.
func (s *session) do(ctx context.Context, r request) (*http.Response, error) {
	used := s.currentToken()
	resp, err := s.send(ctx, r, used)
	if err != nil || resp.StatusCode < http.StatusBadRequest {
		return resp, err
	}
	if ask, ok := parseChallenge(resp.Header); ok && resp.StatusCode == http.StatusUnauthorized && s.sign != nil && !r.noToken && s.trusts(r.url) {
		resp.Body.Close()
		token, err := s.authorize(ctx, ask, used)
		if err != nil {
			return nil, err
		}
		if resp, err = s.send(ctx, r, token); err != nil || resp.StatusCode < http.StatusBadRequest {
			return resp, err
		}
	}
	defer resp.Body.Close()
	return nil, newStatusError(resp)
}

// send makes a request once.
func (s *session) send(ctx context.Context, r request, token string) (*http.Response, error) {
	var body io.Reader
	if r.body != nil {
		body = r.body()
	}
	req, err := http.NewRequestWithContext(ctx, cmp.Or(r.method, http.MethodGet), r.url.String(), body)
	if err != nil {
		return nil, puna.Errorf(puna.Invalid, "%w", err)
	}
	for key, values := range r.header {
		req.Header[key] = values
	}
	req.Header.Set("User-Agent", "puna")
	req.ContentLength = r.size
	if token != "" && !r.noToken && s.trusts(r.url) {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	client := s.follow
	if r.noFollow {
		client = s.direct
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, withoutQuery(err)
	}
	return resp, nil
}

func (s *session) currentToken() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.token
}

// trusts reports whether an address may see the session's token.
func (s *session) trusts(u *url.URL) bool { return sameOrigin(s.base, u) }

func sameOrigin(a, b *url.URL) bool {
	return a.Scheme == b.Scheme && strings.EqualFold(a.Host, b.Host)
}

// checkRedirect follows a redirect, without the token once the way has led to
// another origin.
func checkRedirect(req *http.Request, via []*http.Request) error {
	if len(via) >= 10 {
		return puna.Errorf(puna.Unavailable, "%s redirects too often", via[0].URL.Host)
	}
	first := via[0].URL
	if first.Scheme == "https" && req.URL.Scheme != "https" {
		return puna.Errorf(puna.Forbidden, "%s redirects to %s://%s, which anybody on the way could change", first.Host, req.URL.Scheme, req.URL.Host)
	}
	for _, hop := range append(via[1:len(via):len(via)], req) {
		if !sameOrigin(first, hop.URL) {
			req.Header.Del("Authorization")
		}
	}
	return nil
}

// withoutQuery hides what an address has after its path, signatures say, from errors.
func withoutQuery(err error) error {
	var failed *url.Error
	if !errors.As(err, &failed) {
		return err
	}
	if u, e := url.Parse(failed.URL); e == nil {
		u.RawQuery, u.User = "", nil
		return fmt.Errorf("%s: %w", u, failed.Err)
	}
	return failed.Err
}

// untrusted reports a certificate that doesn't check out.
func untrusted(err error) bool {
	var cert *tls.CertificateVerificationError
	return errors.As(err, &cert)
}

// ask makes a request, with retries, and has read take the answer.
func (s *session) ask(ctx context.Context, r request, read func(*watchdog, *http.Response) error) error {
	return s.retry(ctx, func(*patience) error {
		w := s.watch(ctx)
		defer w.end()
		resp, err := s.do(w.ctx, r)
		if err != nil {
			return w.cause(err)
		}
		defer resp.Body.Close()
		return read(w, resp)
	})
}

// get reads a whole answer of at most limit bytes, with retries. check, unless nil,
// refuses an answer that came out damaged.
func (s *session) get(ctx context.Context, r request, limit int64, check func(http.Header, []byte) error) (data []byte, err error) {
	err = s.ask(ctx, r, func(w *watchdog, resp *http.Response) error {
		if data, err = io.ReadAll(io.LimitReader(resp.Body, limit+1)); err != nil {
			return w.cause(fmt.Errorf("%s: %w", r.url.Host, err))
		}
		if int64(len(data)) > limit {
			return puna.Errorf(puna.Invalid, "%s answered with more than %d bytes", r.url.Host, limit)
		}
		if check == nil {
			return nil
		}
		return check(resp.Header, data)
	})
	return data, err
}

// statusError is an answer with a status from 400 on.
type statusError struct {
	code    int
	host    string
	message string
	after   time.Duration // that the server asks to wait
}

func newStatusError(resp *http.Response) *statusError {
	body, _ := io.ReadAll(io.LimitReader(resp.Body, 4<<10)) // the status says enough
	return &statusError{
		code: resp.StatusCode, host: resp.Request.URL.Host, message: errorText(resp.Header, body),
		after: retryAfter(resp.Header, time.Now()),
	}
}

// errorText finds what the server says: Ollama and Hugging Face have "error",
// registries "errors"; of pages for people nothing is kept.
func errorText(h http.Header, body []byte) string {
	var known struct {
		Error  string
		Errors []struct{ Code, Message string }
	}
	switch err := json.Unmarshal(body, &known); {
	case err == nil && len(known.Errors) > 0:
		return strings.TrimSpace(known.Errors[0].Code + " " + known.Errors[0].Message)
	case err == nil && known.Error != "":
		return known.Error
	case strings.HasPrefix(h.Get("Content-Type"), "text/plain"):
		line, _, _ := strings.Cut(string(body), "\n")
		return strings.TrimSpace(line)
	}
	return ""
}

func (e *statusError) Error() string {
	text := fmt.Sprintf("%s answered %d %s", e.host, e.code, http.StatusText(e.code))
	if e.message != "" {
		text += ": " + e.message
	}
	if e.after > 0 {
		text += fmt.Sprintf(" (it asks to wait %s)", e.after)
	}
	return text
}

func (e *statusError) temporary() bool {
	switch e.code {
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
		return true
	case http.StatusNotImplemented, http.StatusHTTPVersionNotSupported:
		return false
	}
	return e.code >= http.StatusInternalServerError
}

// explain gives an error its kind, and says what it was about and what to do.
func explain(err error, what string) error {
	var status *statusError
	switch {
	case err == nil:
		return nil
	case errors.Is(err, context.Canceled):
		return puna.Errorf(puna.Canceled, "%s: %w", what, err)
	case final(err):
		return puna.Errorf(puna.KindOf(err), "%s: %w", what, err)
	case !errors.As(err, &status):
		return puna.Errorf(puna.Unavailable, "%s: %w: try again, what has been moved is kept", what, err)
	}
	switch {
	case status.code == http.StatusUnauthorized, status.code == http.StatusForbidden:
		return puna.Errorf(puna.Forbidden, "%s: access denied: %w: check the name; a private model needs a key or token that %s knows", what, err, status.host)
	case status.code == http.StatusNotFound:
		return puna.Errorf(puna.NotFound, "%s: not found: %w", what, err)
	case status.code == http.StatusTooManyRequests:
		return puna.Errorf(puna.Busy, "%s: %w: try again later, what has been moved is kept", what, err)
	case status.temporary():
		return puna.Errorf(puna.Unavailable, "%s: %w: try again later, what has been moved is kept", what, err)
	}
	return puna.Errorf(puna.Invalid, "%s: %w", what, err)
}
