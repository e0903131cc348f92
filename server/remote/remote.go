package remote

import (
	"context"
	"maps"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/puna-ai/puna"
	"github.com/puna-ai/puna/server/ollama/wire"
)

// DefaultPort is Ollama's.
const DefaultPort = "11434"

// Options of a [Service]; the zero value is good.
type Options struct {
	URL    string           // as [ParseAddress] reads it; empty: http://127.0.0.1:11434
	HTTP   *http.Client     // nil: [http.DefaultClient]
	Header http.Header      // sent with every request, for example Authorization
	Now    func() time.Time // nil: [time.Now]
}

// Service is a [puna.Service] on a server. It holds no resources besides its HTTP
// client's connections.
type Service struct {
	base   *url.URL
	http   *http.Client
	header http.Header
	now    func() time.Time
}

var _ puna.Service = (*Service)(nil)

// New returns a client of the server at opts.URL. It doesn't connect:
// [Service.Ping] does.
func New(opts Options) (*Service, error) {
	base, err := ParseAddress(opts.URL)
	if err != nil {
		return nil, err
	}
	c := &Service{base: base, http: opts.HTTP, header: maps.Clone(opts.Header), now: opts.Now}
	if c.http == nil {
		c.http = http.DefaultClient
	}
	if c.now == nil {
		c.now = time.Now
	}
	if c.header == nil {
		c.header = http.Header{}
	}
	c.header.Set("Content-Type", "application/json")
	return c, nil
}

// ParseAddress reads the address of a server as OLLAMA_HOST holds it: a URL, or a
// host, a port or both. The scheme is http, the host 127.0.0.1 and the port 11434
// (80 or 443 where a scheme is given) where they are missing. The addresses that
// listen everywhere, 0.0.0.0 and ::, stand for loopback.
func ParseAddress(text string) (*url.URL, error) {
	scheme, rest, given := strings.Cut(strings.TrimSpace(text), "://")
	port := DefaultPort
	switch {
	case !given:
		scheme, rest = "http", scheme
	case scheme == "http":
		port = "80"
	case scheme == "https":
		port = "443"
	default:
		return nil, puna.Errorf(puna.Invalid, "address %q: the scheme must be http or https", text)
	}
	hostport, path, _ := strings.Cut(rest, "/")
	host, p, err := net.SplitHostPort(hostport)
	if err != nil {
		host, p = strings.Trim(hostport, "[]"), port
	}
	if p == "" {
		p = port
	}
	switch host {
	case "", "0.0.0.0":
		host = "127.0.0.1"
	case "::":
		host = "::1"
	}
	u, err := url.Parse(scheme + "://" + net.JoinHostPort(host, p) + "/" + path)
	if err != nil {
		return nil, puna.Errorf(puna.Invalid, "address %q: %w", text, err)
	}
	if n, err := net.LookupPort("tcp", u.Port()); err != nil || n == 0 {
		return nil, puna.Errorf(puna.Invalid, "address %q: %q is not a port", text, p)
	}
	return u, nil
}

// Host returns the base URL of the server, as [puna.Done.RemoteHost] has it.
func (c *Service) Host() string { return strings.TrimSuffix(c.base.String(), "/") }

// Ping returns nil if the server answers as one of Ollama's API does.
func (c *Service) Ping(ctx context.Context) error {
	_, err := c.Version(ctx)
	return err
}

// Version returns the version that the server says it has.
func (c *Service) Version(ctx context.Context) (string, error) {
	var v wire.Version
	if err := c.call(ctx, http.MethodGet, "/api/version", nil, &v); err != nil {
		return "", err
	}
	if v.Version == "" {
		return "", puna.Errorf(puna.Unavailable, "%s answers, but not as Ollama's API does", c.Host())
	}
	return v.Version, nil
}
