package servertest

import (
	"context"
	"hash/fnv"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/puna-ai/puna"
)

// width of the fake models' embeddings.
const width = 16

// Embeds returns what was asked of Embed so far.
func (f *Fake) Embeds() []*puna.EmbedRequest {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.embeds)
}

// Embed implements [puna.Embedder]: texts with common words have similar embeddings.
func (f *Fake) Embed(ctx context.Context, req *puna.EmbedRequest) (*puna.EmbedResult, error) {
	start := time.Now()
	if ctx.Err() != nil {
		return nil, puna.Errorf(puna.Canceled, "request canceled: %w", ctx.Err())
	}
	if req.Dimensions < 0 {
		return nil, puna.Errorf(puna.Invalid, "dimensions is %d", req.Dimensions)
	}
	ask := &puna.Request{Model: req.Model, Options: req.Options, KeepAlive: req.KeepAlive}
	f.mu.Lock()
	f.embeds = append(f.embeds, req)
	card, err := f.hold(ask)
	f.mu.Unlock()
	if err != nil {
		return nil, err
	}
	result := &puna.EmbedResult{}
	for _, text := range req.Input {
		words := strings.Fields(text)
		if over := len(words) - contextOf(ask); over > 0 {
			if !puna.Or(req.Truncate, false) {
				return nil, puna.Errorf(puna.TooLong, "the input length exceeds the context length: it has %d tokens", len(words))
			}
			words = words[:contextOf(ask)]
			result.Truncated += over
		}
		result.PromptTokens += len(words)
		result.Embeddings = append(result.Embeddings, vector(words, req.Dimensions))
	}
	if req.KeepAlive != nil && *req.KeepAlive == 0 {
		_ = f.Unload(ctx, card.Name)
	}
	result.TotalDuration, result.LoadDuration = max(time.Since(start), 1), 1
	return result, nil
}

// Rerank implements [puna.Embedder]: the fake models can't.
func (f *Fake) Rerank(_ context.Context, req *puna.RerankRequest) (*puna.RerankResult, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, err := f.find(req.Model); err != nil {
		return nil, err
	}
	return nil, puna.Errorf(puna.Unsupported, "%q was not trained to rank documents", req.Model)
}

func vector(words []string, dimensions int) []float32 {
	v := make([]float32, width)
	for i := range v {
		v[i] = 1
		for _, word := range words {
			hash := fnv.New32a()
			hash.Write([]byte{byte(i)})
			hash.Write([]byte(word))
			v[i] += float32(hash.Sum32()%1000) / 100
		}
	}
	if dimensions > 0 && dimensions < width {
		v = v[:dimensions]
	}
	var sum float64
	for _, x := range v {
		sum += float64(x) * float64(x)
	}
	for i := range v {
		v[i] /= float32(math.Sqrt(sum))
	}
	return v
}
