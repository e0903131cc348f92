package engine

import (
	"context"
	"math"
	"time"

	"github.com/puna-ai/puna"
	"github.com/puna-ai/puna/cgo/llama"
	"github.com/puna-ai/puna/engine/embedding"
)

var _ puna.Embedder = (*Model)(nil)

// Embed implements [puna.Embedder]. Inputs of concurrent calls share batches.
//
// The vectors of an input's tokens become one as the file says (ARCH.pooling_type:
// mean, cls or last); where it says nothing, the last token's is taken, which is what
// Ollama's llama.cpp runner does (runner/llamarunner/runner.go, processBatch). Every
// embedding has unit length, as Ollama's /api/embed gives it.
//
// Of req, Model, KeepAlive, OnLoad and the options of loading don't count here. A nil
// Truncate means an error for an input that is too long.
func (m *Model) Embed(ctx context.Context, req *puna.EmbedRequest) (*puna.EmbedResult, error) {
	if req.Dimensions < 0 {
		return nil, puna.Errorf(puna.Invalid, "dimensions is %d: it must not be negative", req.Dimensions)
	}
	c := &embedCall{m: m, cut: puna.Or(req.Truncate, false)}
	vectors, err := c.run(ctx, req.Options, m.checkEmbeds, func() error {
		for i, text := range req.Input {
			if err := c.addText(ctx, i, text); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for i, v := range vectors {
		if vectors[i], err = unit(v, req.Dimensions); err != nil {
			return nil, err
		}
	}
	return &puna.EmbedResult{Embeddings: vectors, EmbedUsage: c.usage()}, nil
}

// Rerank implements [puna.Embedder], for models whose file says ARCH.pooling_type =
// rank. The query and a document are put together by the file's chat template
// "rerank", or with the vocabulary's special tokens between them, as llama.cpp's
// server does (tools/server/utils.hpp, format_prompt_rerank). A score is the first
// output of the model's classification head, as it is. See Embed for the rest.
func (m *Model) Rerank(ctx context.Context, req *puna.RerankRequest) (*puna.RerankResult, error) {
	c := &embedCall{m: m, cut: puna.Or(req.Truncate, false)}
	vectors, err := c.run(ctx, req.Options, m.checkRanks, func() error { return c.addPairs(ctx, req.Query, req.Documents) })
	if err != nil {
		return nil, err
	}
	scores := make([]float32, len(vectors))
	for i, v := range vectors {
		if scores[i] = v[0]; notFinite(v[0]) {
			return nil, errNotFinite(v[0])
		}
	}
	return &puna.RerankResult{Scores: scores, EmbedUsage: c.usage()}, nil
}

// embedCall is a request under way.
type embedCall struct {
	m     *Model
	cut   bool // inputs that are too long are cut
	limit int  // tokens of an input

	inputs [][]embedding.Token
	tokens int // of all inputs
	lost   int // tokens that were cut
	began  time.Time
	load   time.Duration
}

// run tokenizes in the caller's goroutine and has the inputs computed.
func (c *embedCall) run(ctx context.Context, o puna.Options, check, tokenize func() error) ([][]float32, error) {
	c.began = time.Now()
	m := c.m
	if !m.use() {
		return nil, m.unloaded()
	}
	defer m.users.Done()
	o = o.Over(m.opts.Options)
	if err := o.Validate(); err != nil {
		return nil, err
	}
	if err := check(); err != nil {
		return nil, err
	}
	c.limit = m.limit(o)
	if err := tokenize(); err != nil {
		return nil, err
	}
	if c.lost > 0 {
		m.engine.log.Warn("inputs were cut to fit the context", "model", m.opts.Name, "cut_tokens", c.lost, "kept", c.tokens, "num_ctx", c.limit)
	}
	if err := ctx.Err(); err != nil {
		return nil, puna.Errorf(puna.Canceled, "%w", context.Cause(ctx))
	}
	return c.compute(ctx, o)
}

// compute hands the inputs to the model's embedding context. That may be replaced by
// a larger one at any moment, so this may take more than one attempt.
func (c *embedCall) compute(ctx context.Context, o puna.Options) ([][]float32, error) {
	longest := 0
	for _, in := range c.inputs {
		longest = max(longest, len(in))
	}
	for longest > 0 {
		began := time.Now()
		e, err := c.m.acquireEmbedder(o, longest)
		if err != nil {
			return nil, err
		}
		c.load += time.Since(began)
		vectors, err := e.Do(ctx, c.inputs)
		if puna.KindOf(err) != puna.Unavailable || err == nil {
			return vectors, err
		}
	}
	return nil, nil
}

func (c *embedCall) usage() puna.EmbedUsage {
	return puna.EmbedUsage{PromptTokens: c.tokens, Truncated: c.lost, TotalDuration: time.Since(c.began), LoadDuration: c.load}
}

// checkEmbeds refuses models that have no embeddings.
func (m *Model) checkEmbeds() error {
	if m.pooling() == llama.PoolingRank {
		return puna.Errorf(puna.Unsupported, "%q ranks documents and has no embeddings: ask it to rerank", m.opts.Name)
	}
	return m.checkEncodes()
}

// checkEncodes refuses what can't be computed as one input after another.
func (m *Model) checkEncodes() error {
	switch {
	case m.llama.HasEncoder():
		return puna.Errorf(puna.Unsupported, "%q has an encoder with a decoder's memory (t5): embeddings of such models are not supported", m.opts.Name)
	case m.vocab.Type() == llama.VocabNone, m.vocab.NTokens() == 0, m.arch() == "wavtokenizer-dec":
		return puna.Errorf(puna.Unsupported, "%q takes no text, so it has no embeddings", m.opts.Name)
	}
	return nil
}

// checkRanks refuses models without a classification head, and those whose head
// llama.cpp would read beyond its end.
func (m *Model) checkRanks() error {
	n, arch := m.llama.NClsOut(), m.arch()
	switch {
	case m.pooling() != llama.PoolingRank:
		return puna.Errorf(puna.Unsupported, "%q was not trained to rank documents (its file has no pooling_type 4)", m.opts.Name)
	case m.causal() && arch != "qwen3":
		return puna.Errorf(puna.Unsupported, "%q: llama.cpp has no classification head for decoders of architecture %s", m.opts.Name, arch)
	case n < 1 || n > m.llama.NEmbd() || arch == "jina-bert-v2" && n != 1:
		return puna.Errorf(puna.Unsupported, "%q: a classification head with %d labels is not supported", m.opts.Name, n)
	}
	return m.checkEncodes()
}

// unit cuts v to so many dimensions (0: all) and scales it to length 1. It changes v.
func unit(v []float32, dimensions int) ([]float32, error) {
	if dimensions > 0 && dimensions < len(v) {
		v = v[:dimensions:dimensions]
	}
	var sum float64
	for _, x := range v {
		if notFinite(x) {
			return nil, errNotFinite(x)
		}
		sum += float64(x) * float64(x)
	}
	scale := 1 / max(math.Sqrt(sum), 1e-12) // a vector of zeros stays one
	for i := range v {
		v[i] = float32(float64(v[i]) * scale)
	}
	return v, nil
}

func notFinite(x float32) bool { return math.IsNaN(float64(x)) || math.IsInf(float64(x), 0) }

func errNotFinite(x float32) error {
	return puna.Errorf(puna.Internal, "the model computed %v: its file or its quantization is broken", x)
}
