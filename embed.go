package puna

import (
	"context"
	"time"
)

// Embedder turns texts into vectors and scores. Inputs of many requests are computed
// together where the service can.
type Embedder interface {
	// Embed returns one embedding for each input. Without inputs it loads the model, or
	// renews its keep-alive. An input that is too long is [TooLong] unless it may be cut.
	Embed(ctx context.Context, req *EmbedRequest) (*EmbedResult, error)
	// Rerank scores documents against a query. Models that weren't trained for it are
	// [Unsupported].
	Rerank(ctx context.Context, req *RerankRequest) (*RerankResult, error)
}

// EmbedRequest asks for the embeddings of texts.
type EmbedRequest struct {
	Model      string
	Input      []string
	Dimensions int            // of each embedding: the first ones, brought to unit length again; 0, or more than there are: all
	Truncate   *bool          // cut the end of an input that is too long instead of failing; nil: the surface's default
	Options    Options        // num_ctx, num_batch, num_thread and those of loading count
	KeepAlive  *time.Duration // as in [Request]
	OnLoad     func(fraction float64)
}

// EmbedResult is the answer to an [EmbedRequest].
type EmbedResult struct {
	Embeddings [][]float32 // (inputs, width): in the order of the inputs, each of unit length
	EmbedUsage
}

// RerankRequest asks how well documents answer a query.
type RerankRequest struct {
	Model     string
	Query     string
	Documents []string
	Truncate  *bool          // cut the end of a document that is too long instead of failing; nil: the surface's default
	Options   Options        // as in [EmbedRequest]
	KeepAlive *time.Duration // as in [Request]
	OnLoad    func(fraction float64)
}

// RerankResult is the answer to a [RerankRequest].
type RerankResult struct {
	Scores []float32 // (documents,): in their order, higher is better; what the model gives, so models differ in scale
	EmbedUsage
}

// EmbedUsage is what embedding or reranking took.
type EmbedUsage struct {
	PromptTokens  int // of all inputs, as computed
	Truncated     int // tokens that were cut to fit the context; 0: none
	TotalDuration time.Duration
	LoadDuration  time.Duration
}
