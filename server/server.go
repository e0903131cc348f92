package server

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/puna-ai/puna"
	"github.com/puna-ai/puna/server/internal/web"
)

// Defaults of [Server]'s fields.
const (
	DefaultMaxBody = 256 << 20 // bytes; images travel in requests
	DefaultGrace   = 5 * time.Second
)

// Server is an HTTP server of a [puna.Service]. Only Service is required. Fields
// must not change after the first request; methods are safe for concurrent use.
type Server struct {
	Service puna.Service
	Version string           // what /api/version says; clients compare it with Ollama's versions
	Log     *slog.Logger     // nil: [slog.Default]; requests are logged at debug level
	Origins []string         // allowed origins of browsers besides local ones; "*" in one stands for anything (OLLAMA_ORIGINS)
	MaxBody int64            // largest JSON body in bytes; 0: DefaultMaxBody; blobs have no limit
	Grace   time.Duration    // how long shutdown waits for requests before it cancels them; 0: DefaultGrace
	Now     func() time.Time // nil: [time.Now]

	once    sync.Once
	handler http.Handler
}

// ServeHTTP implements [http.Handler], for programs with a server of their own. It
// doesn't check the host: that depends on the listener.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.init()
	s.observe(w, r, s.handler)
}

func (s *Server) init() {
	s.once.Do(func() {
		s.handler = newOrigins(s.Origins).guard(web.Mux(s.routes(), cmp.Or(s.MaxBody, DefaultMaxBody)))
	})
}

// Serve answers requests from ln, which it closes, until ctx ends. Then it takes
// no more, waits for those that run, and cancels them after the grace time. It
// returns nil after such an end, else why it stopped.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error {
	s.init()
	handler := guardHost(ln.Addr(), s.handler)
	running, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	srv := &http.Server{
		Handler:           http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.observe(w, r, handler) }),
		BaseContext:       func(net.Listener) context.Context { return running },
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       5 * time.Minute,
		ErrorLog:          slog.NewLogLogger(s.log().Handler(), slog.LevelDebug),
	}
	failed := make(chan error, 1)
	go func() { failed <- srv.Serve(ln) }()
	select {
	case err := <-failed:
		return fmt.Errorf("serve on %s: %w", ln.Addr(), err)
	case <-ctx.Done():
	}
	return s.shutdown(srv, cancel)
}

// shutdown ends srv; cancel cancels the requests that run.
func (s *Server) shutdown(srv *http.Server, cancel context.CancelFunc) error {
	grace, done := context.WithTimeout(context.Background(), cmp.Or(s.Grace, DefaultGrace))
	defer done()
	err := srv.Shutdown(grace)
	if !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	cancel()
	// Canceled requests end at their next step; who doesn't is cut off.
	last, done := context.WithTimeout(context.Background(), cmp.Or(s.Grace, DefaultGrace))
	defer done()
	if srv.Shutdown(last) != nil {
		return srv.Close()
	}
	return nil
}

func (s *Server) log() *slog.Logger {
	if s.Log != nil {
		return s.Log
	}
	return slog.Default()
}

func (s *Server) now() time.Time {
	if s.Now != nil {
		return s.Now()
	}
	return time.Now()
}
