package remote

import (
	"context"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/puna-ai/puna"
	"github.com/puna-ai/puna/server/ollama/wire"
)

// Options of a [Service]. Only URL is required.
type Options struct {
	URL    *url.URL         // of the server, without /api
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
	if opts.URL == nil || opts.URL.Host == "" || opts.URL.Scheme != "http" && opts.URL.Scheme != "https" {
		return nil, puna.Errorf(puna.Invalid, "server URL %q: it must begin with http:// or https:// and a host", opts.URL)
	}
	c := &Service{base: opts.URL, http: opts.HTTP, header: maps.Clone(opts.Header), now: opts.Now}
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

// Host returns the base URL of the server, without a password, as
// [puna.Done.RemoteHost] has it.
func (c *Service) Host() string { return strings.TrimSuffix(c.base.Redacted(), "/") }

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
