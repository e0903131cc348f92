package wire

import (
	"encoding/json"
	"time"

	"github.com/puna-ai/puna"
)

// Inputs are the texts to embed: in JSON a string or a list of strings. An empty
// string, null, and nothing are no text, as Ollama has it; in a list, an empty string
// is one.
type Inputs []string

// UnmarshalJSON implements [json.Unmarshaler].
func (in *Inputs) UnmarshalJSON(data []byte) error {
	*in = nil
	var text *string
	if json.Unmarshal(data, &text) == nil {
		if text != nil && *text != "" {
			*in = Inputs{*text}
		}
		return nil
	}
	var texts []*string
	err := json.Unmarshal(data, &texts)
	for _, t := range texts {
		if err != nil || t == nil {
			break
		}
		*in = append(*in, *t)
	}
	if err != nil || len(*in) != len(texts) {
		return puna.Errorf(puna.Invalid, "invalid input type: input must be a string or a list of strings, not %s", abbreviate(data))
	}
	return nil
}

// Embedding is what both kinds of embedding request have.
type Embedding struct {
	Model     string         `json:"model"`
	KeepAlive *KeepAlive     `json:"keep_alive,omitempty"`
	Options   map[string]any `json:"options,omitempty"`
}

// EmbedRequest is the body of POST /api/embed.
type EmbedRequest struct {
	Embedding
	Input      Inputs `json:"input"`
	Truncate   *bool  `json:"truncate,omitempty"` // nil: true
	Dimensions int    `json:"dimensions,omitempty"`
}

// EmbedResponse is its answer.
type EmbedResponse struct {
	Model                string        `json:"model"`
	Embeddings           [][]float32   `json:"embeddings"`
	TotalDuration        time.Duration `json:"total_duration,omitempty"`
	LoadDuration         time.Duration `json:"load_duration,omitempty"`
	PromptEvalCount      int           `json:"prompt_eval_count,omitempty"`
	PromptTruncatedCount int           `json:"prompt_truncated_count,omitempty"`
}

// EmbeddingRequest is the body of POST /api/embeddings, which is older.
type EmbeddingRequest struct {
	Embedding
	Prompt string `json:"prompt"`
}

// EmbeddingResponse is its answer.
type EmbeddingResponse struct {
	Embedding []float64 `json:"embedding"`
}

// Request translates r; see [GenerateRequest.Request].
func (r *EmbedRequest) Request() (req *puna.EmbedRequest, unknown []string, err error) {
	req, unknown, err = r.Embedding.request()
	if err != nil {
		return nil, nil, err
	}
	if r.Dimensions < 0 {
		return nil, nil, puna.Errorf(puna.Invalid, "dimensions is %d: it must not be negative", r.Dimensions)
	}
	req.Input, req.Dimensions, req.Truncate = r.Input, r.Dimensions, new(puna.Or(r.Truncate, true))
	return req, unknown, nil
}

// Request translates r; see [GenerateRequest.Request]. A prompt that is too long is
// never cut.
func (r *EmbeddingRequest) Request() (req *puna.EmbedRequest, unknown []string, err error) {
	req, unknown, err = r.Embedding.request()
	if err != nil {
		return nil, nil, err
	}
	if req.Truncate = new(false); r.Prompt != "" {
		req.Input = []string{r.Prompt}
	}
	return req, unknown, nil
}

func (e *Embedding) request() (*puna.EmbedRequest, []string, error) {
	if err := CheckModel(e.Model); err != nil {
		return nil, nil, err
	}
	options, unknown, err := optionsFromWire(e.Options)
	if err != nil {
		return nil, nil, err
	}
	return &puna.EmbedRequest{Model: e.Model, Options: options, KeepAlive: (*time.Duration)(e.KeepAlive)}, unknown, nil
}

// NewEmbedRequest translates req.
func NewEmbedRequest(req *puna.EmbedRequest) (*EmbedRequest, error) {
	options, err := optionsToWire(req.Options)
	if err != nil {
		return nil, err
	}
	return &EmbedRequest{
		Embedding: Embedding{Model: req.Model, KeepAlive: (*KeepAlive)(req.KeepAlive), Options: options},
		Input:     append(Inputs{}, req.Input...), Truncate: req.Truncate, Dimensions: req.Dimensions,
	}, nil
}

// NewEmbedResponse translates the answer of a model. One to no input says nothing
// but that, as Ollama's does.
func NewEmbedResponse(model string, result *puna.EmbedResult) *EmbedResponse {
	if len(result.Embeddings) == 0 {
		return &EmbedResponse{Model: model, Embeddings: [][]float32{}}
	}
	return &EmbedResponse{
		Model: model, Embeddings: result.Embeddings, TotalDuration: result.TotalDuration, LoadDuration: result.LoadDuration,
		PromptEvalCount: result.PromptTokens, PromptTruncatedCount: result.Truncated,
	}
}

// Result translates back.
func (r *EmbedResponse) Result() *puna.EmbedResult {
	return &puna.EmbedResult{Embeddings: r.Embeddings, EmbedUsage: puna.EmbedUsage{
		PromptTokens: r.PromptEvalCount, Truncated: r.PromptTruncatedCount, TotalDuration: r.TotalDuration, LoadDuration: r.LoadDuration,
	}}
}

// NewEmbeddingResponse translates the answer to one prompt, or to none.
func NewEmbeddingResponse(result *puna.EmbedResult) *EmbeddingResponse {
	out := &EmbeddingResponse{Embedding: []float64{}}
	for _, embedding := range result.Embeddings {
		for _, x := range embedding {
			out.Embedding = append(out.Embedding, float64(x))
		}
	}
	return out
}
