package web

import (
	"errors"
	"net/http"

	"github.com/puna-ai/puna"
)

// KindHeader carries the name of an error's [puna.Kind], which the status code
// alone doesn't tell.
const KindHeader = "X-Puna-Error"

// StatusClientClosed is what nginx and Ollama log for a caller that went away.
const StatusClientClosed = 499

// Failure is the body of every error of Ollama's API.
type Failure struct {
	Error string `json:"error"`
}

var statusOf = map[puna.Kind]int{
	puna.Internal:    http.StatusInternalServerError,
	puna.Invalid:     http.StatusBadRequest,
	puna.NotFound:    http.StatusNotFound,
	puna.Conflict:    http.StatusConflict,
	puna.Unsupported: http.StatusBadRequest,
	puna.TooLong:     http.StatusBadRequest,
	puna.Busy:        http.StatusServiceUnavailable,
	puna.NoMemory:    http.StatusInternalServerError, // as Ollama answers it
	puna.Canceled:    StatusClientClosed,
	puna.Unavailable: http.StatusServiceUnavailable,
	puna.Forbidden:   http.StatusForbidden,
}

// methodError answers a known path asked with a method that it doesn't take.
type methodError struct{ allow string }

func (e methodError) Error() string { return "method not allowed; this path takes " + e.allow }

// Status returns the HTTP status code of an error.
func Status(err error) int {
	var tooLarge *http.MaxBytesError
	var method methodError
	switch {
	case errors.As(err, &tooLarge):
		return http.StatusRequestEntityTooLarge
	case errors.As(err, &method):
		return http.StatusMethodNotAllowed
	}
	if status, ok := statusOf[puna.KindOf(err)]; ok {
		return status
	}
	return http.StatusInternalServerError
}

// KindFrom is the inverse, for clients: the kind that a response's header names,
// else the likeliest for its status code.
func KindFrom(resp *http.Response) puna.Kind {
	if name := resp.Header.Get(KindHeader); name != "" {
		for kind := range statusOf {
			if kind.String() == name {
				return kind
			}
		}
	}
	switch status := resp.StatusCode; {
	case status == http.StatusNotFound:
		return puna.NotFound
	case status == http.StatusConflict:
		return puna.Conflict
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return puna.Forbidden
	case status == http.StatusMethodNotAllowed, status == http.StatusNotImplemented:
		return puna.Unsupported
	case status == http.StatusTooManyRequests, status == http.StatusServiceUnavailable:
		return puna.Busy
	case status == http.StatusBadGateway, status == http.StatusGatewayTimeout:
		return puna.Unavailable
	case status == StatusClientClosed:
		return puna.Canceled
	case status >= 400 && status < 500:
		return puna.Invalid
	default:
		return puna.Internal
	}
}

// Fail answers with an error: a JSON body and its status code, or, once a stream
// has begun, one more line of it.
func (w *Response) Fail(err error) {
	if w.status != 0 {
		if w.streaming {
			// The status is sent; the line is all that can still be said.
			_ = w.Send(Failure{Error: err.Error()}, true)
		}
		return
	}
	kind := puna.KindOf(err)
	h := w.Header()
	h.Set(KindHeader, kind.String())
	if kind == puna.Busy {
		h.Set("Retry-After", "1")
	}
	var method methodError
	if errors.As(err, &method) {
		h.Set("Allow", method.allow)
	}
	_ = w.JSON(Status(err), Failure{Error: err.Error()})
}
