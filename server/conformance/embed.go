package conformance

import (
	"context"
	"math"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/puna-ai/puna"
)

// closeness is how near to each other the embeddings of one text are, computed beside
// different neighbours (1 minus the cosine of the angle between them).
const closeness = 1e-3

var texts = []string{"Llamas live on the high plain.", "What is Puna?", "puna list shows the models", "x"}

// embedded expects embeddings, and checks what holds for each.
func (s suite) embedded(t *testing.T, req *puna.EmbedRequest) *puna.EmbedResult {
	t.Helper()
	req.Model = s.model
	result, err := s.svc.Embed(bounded(t), req)
	require.NoError(t, err)
	require.Len(t, result.Embeddings, len(req.Input))
	for _, v := range result.Embeddings {
		assert.InDelta(t, 1, cosine(v, v), 1e-5, "unit length")
		assert.Len(t, v, len(result.Embeddings[0]))
	}
	return result
}

// cosine of two vectors of unit length.
func cosine(a, b []float32) (sum float64) {
	for i := range a {
		sum += float64(a[i]) * float64(b[i])
	}
	return sum
}

func (s suite) embedFails(ctx context.Context, req *puna.EmbedRequest) error {
	_, err := s.svc.Embed(ctx, req)
	return err
}

func (s suite) embed(t *testing.T) {
	all := s.embedded(t, &puna.EmbedRequest{Input: texts})
	assert.Positive(t, all.PromptTokens)
	assert.Zero(t, all.Truncated)
	assert.Positive(t, all.TotalDuration)
	tokens := 0
	for i, text := range texts {
		alone := s.embedded(t, &puna.EmbedRequest{Input: []string{text}})
		tokens += alone.PromptTokens
		assert.InDelta(t, 1, cosine(all.Embeddings[i], alone.Embeddings[0]), closeness, "%q alone and beside others", text)
		if i > 0 {
			assert.Less(t, cosine(all.Embeddings[0], alone.Embeddings[0]), 1-1e-6, "other texts have other embeddings")
		}
	}
	assert.Equal(t, all.PromptTokens, tokens)

	short := s.embedded(t, &puna.EmbedRequest{Input: texts[:1], Dimensions: 8}).Embeddings[0]
	require.Len(t, short, 8)
	long := all.Embeddings[0][:8]
	assert.InDelta(t, 1, cosine(short, long)/math.Sqrt(cosine(long, long)), closeness, "the first ones, scaled")
	assert.Len(t, s.embedded(t, &puna.EmbedRequest{Input: texts[:1], Dimensions: 1 << 20}).Embeddings[0], len(all.Embeddings[0]))

	assert.Zero(t, s.embedded(t, &puna.EmbedRequest{}).PromptTokens, "nothing to embed loads the model")
	assert.NotNil(t, s.running(t))
}

func (s suite) embedTooLong(t *testing.T) {
	req := &puna.EmbedRequest{
		Model: s.model, Input: []string{"short", strings.Repeat("and so on ", 400)}, Options: puna.Options{NumCtx: new(256)},
	}
	for _, truncate := range []*bool{nil, new(false)} {
		req.Truncate = truncate
		_, err := s.svc.Embed(bounded(t), req)
		assert.Equal(t, puna.TooLong, puna.KindOf(err), "%v", err)
		assert.ErrorContains(t, err, "the input length exceeds the context length")
	}
	req.Truncate = new(true)
	cut := s.embedded(t, req)
	assert.Positive(t, cut.Truncated, "a cut is told")
	assert.LessOrEqual(t, cut.PromptTokens, 2*256)
}

func (s suite) embedErrors(t *testing.T) {
	for kind, req := range map[string]*puna.EmbedRequest{
		"num_ctx":    {Options: puna.Options{NumCtx: new(0)}},
		"dimensions": {Dimensions: -1},
	} {
		req.Model, req.Input = s.model, texts[:1]
		err := s.embedFails(bounded(t), req)
		assert.Equal(t, puna.Invalid, puna.KindOf(err), "%v", err)
		assert.ErrorContains(t, err, kind)
	}
	ctx, cancel := context.WithCancel(bounded(t))
	cancel()
	err := s.embedFails(ctx, &puna.EmbedRequest{Model: s.model, Input: texts})
	assert.Equal(t, puna.Canceled, puna.KindOf(err), "%v", err)
}

// embedTogether embeds from several goroutines while an answer is generated.
func (s suite) embedTogether(t *testing.T) {
	want := s.embedded(t, &puna.EmbedRequest{Input: texts}).Embeddings
	var wg sync.WaitGroup
	wg.Go(func() {
		a, err := collect(s.svc.Generate(bounded(t), s.ask()))
		assert.NoError(t, err)
		assert.NotNil(t, a.done)
	})
	for range 4 {
		wg.Go(func() {
			got, err := s.svc.Embed(bounded(t), &puna.EmbedRequest{Model: s.model, Input: texts})
			if !assert.NoError(t, err) {
				return
			}
			for i := range want {
				assert.InDelta(t, 1, cosine(want[i], got.Embeddings[i]), closeness)
			}
		})
	}
	wg.Wait()
}

// rerank: models that chat rank nothing.
func (s suite) rerank(t *testing.T) {
	_, err := s.svc.Rerank(bounded(t), &puna.RerankRequest{Model: s.model, Query: "What is Puna?", Documents: texts})
	assert.Equal(t, puna.Unsupported, puna.KindOf(err), "%v", err)
}
