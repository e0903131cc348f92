package ollama

import (
	"net/http"

	"github.com/puna-ai/puna/server/internal/web"
	"github.com/puna-ai/puna/server/ollama/wire"
)

// Embed answers POST /api/embed.
func (a *API) Embed(w *web.Response, r *http.Request) error {
	var in wire.EmbedRequest
	req, err := read(a, r, &in)
	if err != nil {
		return err
	}
	result, err := a.Service.Embed(r.Context(), req)
	if err != nil {
		return err
	}
	a.reportCut(w, r, "inputs that are", req.Model, result.Truncated, result.PromptTokens)
	return w.JSON(http.StatusOK, wire.NewEmbedResponse(in.Model, result))
}

// Embeddings answers POST /api/embeddings, the older of the two: one prompt, of which
// nothing is ever cut.
func (a *API) Embeddings(w *web.Response, r *http.Request) error {
	var in wire.EmbeddingRequest
	req, err := read(a, r, &in)
	if err != nil {
		return err
	}
	result, err := a.Service.Embed(r.Context(), req)
	if err != nil {
		return err
	}
	return w.JSON(http.StatusOK, wire.NewEmbeddingResponse(result))
}
