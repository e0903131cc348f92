package server

import (
	"log/slog"
	"net/http"
	"runtime/debug"

	"github.com/puna-ai/puna"
	"github.com/puna-ai/puna/server/internal/web"
)

// observe runs h, logs the request, and answers a panic with an error.
func (s *Server) observe(w http.ResponseWriter, r *http.Request, h http.Handler) {
	out := web.NewResponse(w)
	defer out.Release()
	start := s.now()
	defer func() {
		s.recovered(out, r, recover())
		if log := s.log(); log.Enabled(r.Context(), slog.LevelDebug) {
			log.LogAttrs(r.Context(), slog.LevelDebug, "request", slog.String("method", r.Method), slog.String("path", r.URL.Path),
				slog.Int("status", out.Status()), slog.Int64("bytes", out.Size()), slog.Duration("took", s.now().Sub(start)),
				slog.String("from", r.RemoteAddr))
		}
	}()
	h.ServeHTTP(out, r)
}

func (s *Server) recovered(w *web.Response, r *http.Request, reason any) {
	switch reason {
	case nil:
	case http.ErrAbortHandler: // its purpose is to get through
		panic(reason)
	default:
		s.log().ErrorContext(r.Context(), "panic while answering", "method", r.Method, "path", r.URL.Path,
			"panic", reason, "stack", string(debug.Stack()))
		w.Fail(puna.Errorf(puna.Internal, "internal error: %v; the server's log has the details", reason))
	}
}
