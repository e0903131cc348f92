package engine_test

import (
	"context"
	"fmt"
	"math"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/puna-ai/puna"
	"github.com/puna-ai/puna/cgo/llama"
	"github.com/puna-ai/puna/engine"
	"github.com/puna-ai/puna/internal/testmodel"
)

// decoder is a small model that says how its embeddings are pooled.
func decoder(p llama.PoolingType) testmodel.Shape {
	return testmodel.Shape{Name: "pooled", Embd: 64, Layers: 2, Heads: 4, KVHeads: 2, FF: 128, Vocab: 512, Ctx: 1024, Pooling: int(p)}
}

func encoder(p llama.PoolingType) testmodel.Shape {
	s := testmodel.Encoder
	s.Pooling = int(p)
	return s
}

// ranker is a decoder with a classification head.
func ranker() testmodel.Shape {
	s := decoder(llama.PoolingRank)
	s.Arch = "qwen3"
	return s
}

// direct computes one input alone with llama.cpp's own pooling.
func direct(t *testing.T, path string, tokens []int, p llama.PoolingType) []float32 {
	t.Helper()
	m, err := llama.LoadModelFromFile(path, llama.ModelDefaultParams())
	require.NoError(t, err)
	defer m.Close()
	params := llama.ContextDefaultParams()
	params.NCtx, params.NBatch, params.NUbatch = 1024, 1024, 1024
	params.NThreads, params.NThreadsBatch = 1, 1
	params.Embeddings, params.PoolingType = true, p
	c, err := m.InitFromModel(params)
	require.NoError(t, err)
	defer c.Close()
	b, err := llama.NewBatch(1024, 0, 1)
	require.NoError(t, err)
	defer b.Close()
	for i, tok := range tokens {
		require.NoError(t, b.Add(llama.Token(tok), llama.Pos(i), []llama.SeqID{0}, true))
	}
	require.NoError(t, c.Decode(b))
	v := c.GetEmbeddingsSeq(0)
	require.NotNil(t, v)
	return append([]float32(nil), v...)
}

// cosine of the angle between two vectors, and the square of the first's length.
func cosine(a, b []float32) (cos, length float64) {
	var aa, bb, ab float64
	for i := range a {
		x, y := float64(a[i]), float64(b[i])
		aa, bb, ab = aa+x*x, bb+y*y, ab+x*y
	}
	return ab / math.Sqrt(aa*bb), aa
}

// similar asserts that two vectors point into one direction, and that the first has
// length 1.
func similar(t *testing.T, got, want []float32, what string) {
	t.Helper()
	require.Len(t, got, len(want))
	cos, length := cosine(got, want)
	assert.InDelta(t, 1, length, 1e-5, "unit length: %s", what)
	assert.InDelta(t, 1, cos, 1e-4, what)
}

// texts have several lengths, one of them longer than a batch of 64 tokens.
var texts = []string{
	"what is a llama", "x", "the llama lives on the high plain", strings.Repeat("of the plain ", 30),
	"", "a llama is a llama", "on", "Puna!",
}

func embed(t *testing.T, m *engine.Model, req *puna.EmbedRequest) *puna.EmbedResult {
	t.Helper()
	result, err := m.Embed(t.Context(), req)
	require.NoError(t, err)
	require.Len(t, result.Embeddings, len(req.Input))
	return result
}

// Embeddings alone and beside others are those that llama.cpp computes for one input.
func TestEmbeddingsAreLlamas(t *testing.T) {
	causal := encoder(llama.PoolingMean)
	causal.Attention = "causal"
	full := decoder(llama.PoolingMean)
	full.Attention = "full"
	for name, c := range map[string]struct {
		shape   testmodel.Shape
		pooling llama.PoolingType
	}{
		"encoder mean":           {encoder(llama.PoolingMean), llama.PoolingMean},
		"encoder cls":            {encoder(llama.PoolingCLS), llama.PoolingCLS},
		"encoder last":           {encoder(llama.PoolingLast), llama.PoolingLast},
		"encoder not said: last": {encoder(0), llama.PoolingLast},
		"encoder not called one": {causal, llama.PoolingMean},
		"decoder called encoder": {full, llama.PoolingMean},
		"decoder mean":           {decoder(llama.PoolingMean), llama.PoolingMean},
		"decoder cls":            {decoder(llama.PoolingCLS), llama.PoolingCLS},
		"decoder last":           {decoder(llama.PoolingLast), llama.PoolingLast},
		"decoder not said: last": {decoder(0), llama.PoolingLast},
	} {
		t.Run(name, func(t *testing.T) {
			path := testmodel.PathOf(t, c.shape)
			m := load(t, engine.LoadOptions{Path: path, Options: puna.Options{NumBatch: new(64)}})
			together := embed(t, m, &puna.EmbedRequest{Input: texts})
			total := 0
			for i, text := range texts {
				tokens, err := m.Tokenize(text, true)
				require.NoError(t, err)
				total += len(tokens)
				want := direct(t, path, tokens, c.pooling)
				similar(t, together.Embeddings[i], want, fmt.Sprintf("beside others: %.20q", text))
				similar(t, embed(t, m, &puna.EmbedRequest{Input: []string{text}}).Embeddings[0], want, fmt.Sprintf("alone: %.20q", text))
			}
			for i := range texts[1:] {
				if cos, _ := cosine(together.Embeddings[0], together.Embeddings[i+1]); name != "decoder cls" { // which sees BOS and nothing else
					assert.Less(t, cos, 0.99, "other texts have other embeddings")
				}
			}
			assert.Equal(t, total, together.PromptTokens)
			assert.Zero(t, together.Truncated)
			s := m.Stats().Embedding
			assert.EqualValues(t, 2*len(texts), s.Inputs)
			assert.EqualValues(t, 2*total, s.Tokens)
			assert.Less(t, s.Batches, s.Inputs, "inputs shared batches")
		})
	}
}

func TestRerank(t *testing.T) {
	for name, shape := range map[string]testmodel.Shape{"encoder": encoder(llama.PoolingRank), "decoder": ranker()} {
		t.Run(name, func(t *testing.T) {
			path := testmodel.PathOf(t, shape)
			m := load(t, engine.LoadOptions{Path: path, Options: puna.Options{NumBatch: new(64)}})
			const query = "what is a llama"
			documents := []string{"x", "the plain", strings.Repeat("the high llama ", 40), "of the llama"}
			got, err := m.Rerank(t.Context(), &puna.RerankRequest{Query: query, Documents: documents})
			require.NoError(t, err)
			require.Len(t, got.Scores, len(documents))
			total := 0
			for i, doc := range documents {
				tokens := pair(t, m, query, doc, name == "encoder")
				total += len(tokens)
				assert.InDelta(t, direct(t, path, tokens, llama.PoolingRank)[0], got.Scores[i], 1e-3, doc)
			}
			assert.Equal(t, total, got.PromptTokens)
			assert.NotEqual(t, got.Scores[0], got.Scores[1])
			_, err = m.Embed(t.Context(), &puna.EmbedRequest{Input: texts})
			assert.Equal(t, puna.Unsupported, puna.KindOf(err), "%v", err)
			none, err := m.Rerank(t.Context(), &puna.RerankRequest{Query: query})
			require.NoError(t, err)
			assert.Empty(t, none.Scores)
		})
	}
	m := load(t, engine.LoadOptions{})
	_, err := m.Rerank(t.Context(), &puna.RerankRequest{Query: "x", Documents: texts})
	assert.Equal(t, puna.Unsupported, puna.KindOf(err), "%v", err)
}

// A file's own template puts query and document together; what is cut is the end of
// the document, not of the template.
func TestRerankTemplate(t *testing.T) {
	shape := ranker()
	shape.Rerank = "asked: {query} found: {document} yes?"
	path := testmodel.PathOf(t, shape)
	m := load(t, engine.LoadOptions{Path: path})
	tokens := func(text string) []int {
		all, err := m.Tokenize(text, false)
		require.NoError(t, err)
		return all
	}
	long := strings.Repeat("z", 30)
	got, err := m.Rerank(t.Context(), &puna.RerankRequest{Query: "{document}", Documents: []string{"a {query}", long}})
	require.NoError(t, err)
	for i, text := range []string{"asked: {document} found: a {query} yes?", "asked: {document} found: " + long + " yes?"} {
		assert.InDelta(t, direct(t, path, tokens(text), llama.PoolingRank)[0], got.Scores[i], 1e-3, text)
	}
	whole := len(tokens("asked: {document} found: " + long + " yes?"))
	got, err = m.Rerank(t.Context(), &puna.RerankRequest{Query: "{document}", Documents: []string{long}, Truncate: new(true), Options: puna.Options{NumCtx: new(whole - 9)}})
	require.NoError(t, err)
	assert.Equal(t, 9, got.Truncated)
	assert.InDelta(t, direct(t, path, tokens("asked: {document} found: "+long[9:]+" yes?"), llama.PoolingRank)[0], got.Scores[0], 1e-3)
}

// pair puts a query and a document together: [CLS] query [SEP] document for the
// encoder, and one after the other behind BOS for the decoder.
func pair(t *testing.T, m *engine.Model, query, doc string, wordpiece bool) []int {
	q, err := m.Tokenize(query, true)
	require.NoError(t, err)
	d, err := m.Tokenize(doc, false)
	require.NoError(t, err)
	if wordpiece { // Tokenize adds [CLS] and [SEP]
		require.Equal(t, []int{2, 3}, []int{q[0], q[len(q)-1]})
	}
	return append(q, d...)
}

func TestTruncation(t *testing.T) {
	path := testmodel.PathOf(t, encoder(llama.PoolingMean))
	m := load(t, engine.LoadOptions{Path: path})
	text := strings.Repeat("the llama lives ", 30)
	tokens, err := m.Tokenize(text, true)
	require.NoError(t, err)
	req := &puna.EmbedRequest{Input: []string{"x", text}, Options: puna.Options{NumCtx: new(20)}}
	for _, truncate := range []*bool{nil, new(false)} {
		req.Truncate = truncate
		_, err := m.Embed(t.Context(), req)
		assert.Equal(t, puna.TooLong, puna.KindOf(err))
		assert.ErrorContains(t, err, fmt.Sprintf("the input length exceeds the context length: input 1 has %d tokens, and the context takes 20", len(tokens)))
	}
	req.Truncate = new(true)
	got := embed(t, m, req)
	assert.Equal(t, len(tokens)-20, got.Truncated)
	assert.Equal(t, 3+20, got.PromptTokens)
	end := tokens[len(tokens)-1]
	similar(t, got.Embeddings[1], direct(t, path, append(tokens[:19:19], end), llama.PoolingMean), "the special token at the end stays")

	req.Options.NumCtx = new(1)
	_, err = m.Embed(t.Context(), req)
	assert.Equal(t, puna.TooLong, puna.KindOf(err), "no room beside the special tokens: %v", err)
	req.Options.NumCtx = new(100000) // the model was trained for 512
	req.Truncate, req.Input = nil, []string{strings.Repeat("x ", 600)}
	_, err = m.Embed(t.Context(), req)
	assert.Equal(t, puna.TooLong, puna.KindOf(err))
	assert.ErrorContains(t, err, "the context takes 512")
}

func TestRerankTruncation(t *testing.T) {
	m := load(t, engine.LoadOptions{Path: testmodel.PathOf(t, encoder(llama.PoolingRank))})
	req := &puna.RerankRequest{Query: "what is a llama", Documents: []string{"x", strings.Repeat("the llama lives ", 30)}, Options: puna.Options{NumCtx: new(20)}}
	_, err := m.Rerank(t.Context(), req)
	assert.Equal(t, puna.TooLong, puna.KindOf(err), "%v", err)
	req.Truncate = new(true)
	got, err := m.Rerank(t.Context(), req)
	require.NoError(t, err)
	assert.Positive(t, got.Truncated)
	assert.Len(t, got.Scores, 2)
	req.Query = strings.Repeat("what ", 30)
	_, err = m.Rerank(t.Context(), req)
	assert.Equal(t, puna.TooLong, puna.KindOf(err), "%v", err)
}

func TestEmbedRefuses(t *testing.T) {
	m := load(t, engine.LoadOptions{Path: testmodel.PathOf(t, encoder(llama.PoolingCLS))})
	assert.Equal(t, []puna.Capability{puna.CanEmbed}, m.Info().Capabilities)
	for name, req := range map[string]*puna.EmbedRequest{
		"dimensions": {Input: texts, Dimensions: -1},
		"num_ctx":    {Input: texts, Options: puna.Options{NumCtx: new(0)}},
	} {
		_, err := m.Embed(t.Context(), req)
		assert.Equal(t, puna.Invalid, puna.KindOf(err))
		assert.ErrorContains(t, err, name)
	}
	_, _, err := collect(t, m, raw("what", 5))
	assert.Equal(t, puna.Unsupported, puna.KindOf(err))
	assert.ErrorContains(t, err, "does not generate text")
	short := embed(t, m, &puna.EmbedRequest{Input: texts[:1], Dimensions: 10})
	whole := embed(t, m, &puna.EmbedRequest{Input: texts[:1], Dimensions: 1000})
	assert.Len(t, whole.Embeddings[0], 64)
	similar(t, short.Embeddings[0], whole.Embeddings[0][:10], "dimensions")
	assert.Empty(t, embed(t, m, &puna.EmbedRequest{}).Embeddings)
}

// Embedding and generating use one set of weights, side by side.
func TestEmbeddingWhileGenerating(t *testing.T) {
	m := load(t, engine.LoadOptions{Path: testmodel.PathOf(t, decoder(0))})
	want, _, err := collect(t, m, raw("the llama lives", 40))
	require.NoError(t, err)
	vectors := embed(t, m, &puna.EmbedRequest{Input: texts}).Embeddings
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			text, _, err := collect(t, m, raw("the llama lives", 40))
			assert.NoError(t, err)
			assert.NotEmpty(t, text)
		})
		wg.Go(func() {
			for range 5 {
				got, err := m.Embed(t.Context(), &puna.EmbedRequest{Input: texts})
				if assert.NoError(t, err) {
					for i := range texts {
						similar(t, got.Embeddings[i], vectors[i], "while generating")
					}
				}
			}
		})
	}
	wg.Wait()
	assert.EqualValues(t, 1, llama.Live()["Model"])
	again, _, err := collect(t, m, raw("the llama lives", 40))
	require.NoError(t, err)
	assert.Equal(t, want, again)
}

// A decoder for embeddings has no KV cache for generating until it is asked to.
func TestEmbeddingModelsGenerateLater(t *testing.T) {
	m := load(t, engine.LoadOptions{Path: testmodel.PathOf(t, decoder(llama.PoolingLast))})
	embed(t, m, &puna.EmbedRequest{Input: texts})
	assert.Zero(t, m.Stats().Cells)
	assert.Contains(t, m.Info().Capabilities, puna.CanEmbed)
	assert.Equal(t, 1024, m.Info().ContextLength)
	_, _, err := collect(t, m, raw("the llama lives", 3))
	require.NoError(t, err)
	assert.Positive(t, m.Stats().Cells)
}

// A context gives way to a larger one, and to one with another batch, while others use it.
func TestEmbeddingContextsChange(t *testing.T) {
	m := load(t, engine.LoadOptions{Path: testmodel.PathOf(t, decoder(llama.PoolingMean))})
	long := strings.Repeat("of the plain ", 70)
	want := embed(t, m, &puna.EmbedRequest{Input: []string{"x", long}}).Embeddings
	var wg sync.WaitGroup
	for g := range 6 {
		wg.Go(func() {
			for i := range 4 {
				req := &puna.EmbedRequest{Input: []string{"x"}, Options: puna.Options{NumBatch: new(32 << (g % 3))}}
				if i%2 == g%2 {
					req.Input = append(req.Input, long)
				}
				got, err := m.Embed(t.Context(), req)
				if assert.NoError(t, err) {
					for k, v := range got.Embeddings {
						similar(t, v, want[k], "in any context")
					}
				}
			}
		})
	}
	wg.Wait()
}

func TestCanceledEmbeddings(t *testing.T) {
	m := load(t, engine.LoadOptions{})
	many := make([]string, 50)
	for i := range many {
		many[i] = strings.Repeat("the llama lives ", 1+i)
	}
	for range 5 {
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				_, err := m.Embed(ctx, &puna.EmbedRequest{Input: many})
				assert.Equal(t, puna.Canceled, puna.KindOf(err), "%v", err)
			})
		}
		for m.Stats().Embedding.Requests == 0 { // no batch needs to have ended
			_, err := m.Embed(t.Context(), &puna.EmbedRequest{Input: []string{"x"}})
			require.NoError(t, err)
		}
		cancel()
		wg.Wait()
	}
	similar(t, embed(t, m, &puna.EmbedRequest{Input: texts[:1]}).Embeddings[0], embed(t, m, &puna.EmbedRequest{Input: texts}).Embeddings[0], "afterwards")

	done := make(chan error)
	go func() {
		_, err := m.Embed(context.Background(), &puna.EmbedRequest{Input: many})
		done <- err
	}()
	for before := m.Stats().Embedding.Batches; m.Stats().Embedding.Batches == before; {
		_, err := m.Embed(t.Context(), &puna.EmbedRequest{Input: []string{"x"}})
		require.NoError(t, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.NoError(t, m.Close(ctx))
	if err := <-done; err != nil { // it may have been too quick
		assert.Contains(t, []puna.Kind{puna.Canceled, puna.Unavailable}, puna.KindOf(err), "%v", err)
	}
	_, err := m.Embed(t.Context(), &puna.EmbedRequest{Input: texts})
	assert.Equal(t, puna.Unavailable, puna.KindOf(err))
}
