package remote

import (
	"context"
	"net/http"

	"github.com/puna-ai/puna"
	"github.com/puna-ai/puna/server/ollama/wire"
)

// Embed implements [puna.Embedder].
func (c *Service) Embed(ctx context.Context, req *puna.EmbedRequest) (*puna.EmbedResult, error) {
	careful := *req
	careful.Truncate = new(puna.Or(req.Truncate, false))
	body, err := wire.NewEmbedRequest(&careful)
	if err != nil {
		return nil, err
	}
	var answer wire.EmbedResponse
	if err := c.call(ctx, http.MethodPost, "/api/embed", body, &answer); err != nil {
		return nil, err
	}
	if len(answer.Embeddings) != len(req.Input) {
		return nil, puna.Errorf(puna.Unavailable, "%s sent %d embeddings for %d inputs", c.Host(), len(answer.Embeddings), len(req.Input))
	}
	return answer.Result(), nil
}

// Rerank implements [puna.Embedder]: Ollama's API has nothing of the kind.
func (c *Service) Rerank(_ context.Context, req *puna.RerankRequest) (*puna.RerankResult, error) {
	return nil, puna.Errorf(puna.Unsupported, "%s can't rerank documents with %q: Ollama's API has no such request", c.Host(), req.Model)
}
