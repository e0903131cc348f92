package web

import (
	"net/http"
	"slices"
	"strings"

	"github.com/puna-ai/puna"
)

// Handler answers a request. What it returns is sent by [Response.Fail].
type Handler func(w *Response, r *http.Request) error

// Route is one line of the route table.
type Route struct {
	Method  string // GET takes HEAD too
	Path    string // [http.ServeMux]'s pattern
	Handler Handler
	Stream  bool // the body may be of any size
}

// Mux returns a handler of the routes. Bodies over limit bytes are refused, paths
// and methods that the table lacks are answered in JSON.
func Mux(routes []Route, limit int64) http.Handler {
	mux := http.NewServeMux()
	methods := map[string][]string{}
	for _, route := range routes {
		mux.Handle(route.Method+" "+route.Path, route.adapt(limit))
		methods[route.Path] = append(methods[route.Path], route.Method)
		if route.Method == http.MethodGet {
			methods[route.Path] = append(methods[route.Path], http.MethodHead)
		}
	}
	for path, names := range methods {
		slices.Sort(names)
		mux.Handle(path, notAllowed(strings.Join(names, ", ")))
	}
	mux.Handle("/", Adapt(func(w *Response, r *http.Request) error {
		return puna.Errorf(puna.NotFound, "there is no endpoint %s %s", r.Method, r.URL.Path)
	}))
	return mux
}

// Adapt makes a [http.Handler] that sends what h returns as an error. Its writer
// must be a [Response].
func Adapt(h Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		out := w.(*Response)
		if err := h(out, r); err != nil {
			out.Fail(err)
		}
	})
}

func (route Route) adapt(limit int64) http.Handler {
	if route.Stream {
		return Adapt(route.Handler)
	}
	return Adapt(func(w *Response, r *http.Request) error {
		// The server's own writer: it closes the connection of who sends too much.
		r.Body = http.MaxBytesReader(w.ResponseWriter, r.Body, limit)
		return route.Handler(w, r)
	})
}

func notAllowed(allow string) http.Handler {
	return Adapt(func(w *Response, r *http.Request) error {
		if r.Method == http.MethodOptions {
			w.Header().Set("Allow", allow)
			w.WriteHeader(http.StatusNoContent)
			return nil
		}
		return puna.Errorf(puna.Invalid, "%s %s: %w", r.Method, r.URL.Path, methodError{allow})
	})
}
