package ollama

import (
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/puna-ai/puna"
	"github.com/puna-ai/puna/server/internal/web"
	"github.com/puna-ai/puna/server/ollama/wire"
)

// TruncatedHeader holds the number of prompt tokens that were cut to fit the
// context. It is missing where none were.
const TruncatedHeader = "X-Puna-Truncated"

// API has the handlers. All fields are required; methods are safe for concurrent
// use.
type API struct {
	Service puna.Service
	Version string // of Ollama's API; clients compare it
	Log     *slog.Logger
	Now     func() time.Time
}

// Root answers GET /. Clients look for this very text.
func (a *API) Root(w *web.Response, _ *http.Request) error {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, err := io.WriteString(w, "Ollama is running")
	return err
}

// GetVersion answers GET /api/version.
func (a *API) GetVersion(w *web.Response, _ *http.Request) error {
	return w.JSON(http.StatusOK, wire.Version{Version: a.Version})
}

// warnUnknown logs options of a request that have no effect.
func (a *API) warnUnknown(r *http.Request, names []string) {
	for _, name := range names {
		a.Log.WarnContext(r.Context(), "ignored an unknown option", "name", name, "path", r.URL.Path)
	}
}
