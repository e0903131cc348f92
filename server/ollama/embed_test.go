package ollama_test

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/ollama/ollama/api"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/puna-ai/puna"
)

func TestEmbed(t *testing.T) {
	b := newBed(t)
	got, err := b.client.Embed(t.Context(), &api.EmbedRequest{
		Model: "tiny", Input: []string{"a llama", "", "the plain"}, KeepAlive: &api.Duration{Duration: 90 * time.Second},
		Dimensions: 4, Truncate: new(false), Options: map[string]any{"num_ctx": 512, "what": 1},
	})
	require.NoError(t, err)
	assert.Equal(t, "tiny", got.Model)
	assert.Equal(t, 4, got.PromptEvalCount)
	assert.Positive(t, got.TotalDuration)
	assert.Positive(t, got.LoadDuration)
	require.Len(t, got.Embeddings, 3)
	for _, v := range got.Embeddings {
		require.Len(t, v, 4)
		var sum float64
		for _, x := range v {
			sum += float64(x) * float64(x)
		}
		assert.InDelta(t, 1, math.Sqrt(sum), 1e-6)
	}
	assert.Equal(t, []*puna.EmbedRequest{{
		Model: "tiny", Input: []string{"a llama", "", "the plain"}, KeepAlive: new(90 * time.Second),
		Dimensions: 4, Truncate: new(false), Options: puna.Options{NumCtx: new(512)},
	}}, b.fake.Embeds())
	assert.Contains(t, b.log.String(), "name=what", "unknown options are told")

	single, err := b.client.Embed(t.Context(), &api.EmbedRequest{Model: "tiny", Input: "a llama", Dimensions: 4})
	require.NoError(t, err)
	assert.Equal(t, got.Embeddings[:1], single.Embeddings)
	assert.Equal(t, new(true), b.fake.Embeds()[1].Truncate, "the default of Ollama's API")
}

// TestEmbedNothing: what there is no text in loads the model.
func TestEmbedNothing(t *testing.T) {
	for _, body := range []string{`{"model":"tiny"}`, `{"model":"tiny","input":null}`, `{"model":"tiny","input":""}`, `{"model":"tiny","input":[]}`} {
		b := newBed(t)
		got := b.send("POST", "/api/embed", body)
		assert.Equal(t, 200, got.status)
		assert.JSONEq(t, `{"model":"tiny","embeddings":[]}`, got.body, body)
		running, err := b.client.ListRunning(t.Context())
		require.NoError(t, err)
		assert.Len(t, running.Models, 1)
	}
	b := newBed(t)
	got := b.send("POST", "/api/embeddings", `{"model":"tiny","prompt":""}`)
	assert.Equal(t, 200, got.status)
	assert.JSONEq(t, `{"embedding":[]}`, got.body)
}

func TestEmbedErrors(t *testing.T) {
	b := newBed(t)
	for _, c := range []struct {
		path, body string
		status     int
		text       string
	}{
		{"embed", `{"model":"x","input":"a"}`, 404, "model 'x' not found"},
		{"embed", `{"input":"a"}`, 400, "model is required"},
		{"embed", `{"model":"tiny","input":7}`, 400, "invalid input type"},
		{"embed", `{"model":"tiny","input":["a",7]}`, 400, "invalid input type"},
		{"embed", `{"model":"tiny","input":["a",null]}`, 400, "invalid input type"},
		{"embed", `{"model":"tiny","input":{"a":1}}`, 400, "invalid input type"},
		{"embed", `{"model":"tiny","input":"a","dimensions":-1}`, 400, "dimensions is -1"},
		{"embed", `{"model":"tiny","input":"a","options":{"num_ctx":0}}`, 400, "num_ctx"},
		{"embed", `{"model":"tiny","input":["a b c d"],"truncate":false,"options":{"num_ctx":3}}`, 400, "the input length exceeds the context length"},
		{"embed", ``, 400, "missing request body"},
		{"embeddings", `{"model":"x","prompt":"a"}`, 404, "model 'x' not found"},
		{"embeddings", `{"model":"tiny","prompt":["a"]}`, 400, "prompt must be a string"},
		{"embeddings", `{"model":"tiny","prompt":"a b c d","options":{"num_ctx":3}}`, 400, "the input length exceeds the context length"},
	} {
		got := b.send("POST", "/api/"+c.path, c.body)
		assert.Equal(t, c.status, got.status, c.body)
		var failure struct{ Error string }
		require.NoError(t, json.Unmarshal([]byte(got.body), &failure), got.body)
		assert.Contains(t, failure.Error, c.text, c.body)
	}
	assert.Equal(t, 405, b.send("GET", "/api/embed", "").status)
}

// TestEmbedCut: a cut is told three times.
func TestEmbedCut(t *testing.T) {
	b := newBed(t)
	got := b.send("POST", "/api/embed", `{"model":"tiny","input":["a b c d e","x"],"options":{"num_ctx":3}}`)
	assert.Equal(t, 200, got.status)
	var answer map[string]any
	require.NoError(t, json.Unmarshal([]byte(got.body), &answer))
	assert.EqualValues(t, 2, answer["prompt_truncated_count"])
	assert.EqualValues(t, 4, answer["prompt_eval_count"])
	assert.Equal(t, "2", got.header.Get("X-Puna-Truncated"))
	assert.Contains(t, b.log.String(), "cut_tokens=2")
	whole := b.send("POST", "/api/embed", `{"model":"tiny","input":"a b c"}`)
	assert.NotContains(t, whole.body, "truncated")
	assert.Empty(t, whole.header.Get("X-Puna-Truncated"))
}

func TestEmbeddings(t *testing.T) {
	b := newBed(t)
	got, err := b.client.Embeddings(t.Context(), &api.EmbeddingRequest{Model: "tiny", Prompt: "a llama", Options: map[string]any{"num_ctx": 8}})
	require.NoError(t, err)
	same, err := b.client.Embed(t.Context(), &api.EmbedRequest{Model: "tiny", Input: "a llama"})
	require.NoError(t, err)
	require.Len(t, got.Embedding, len(same.Embeddings[0]))
	for i, x := range same.Embeddings[0] {
		assert.InDelta(t, x, got.Embedding[i], 1e-7)
	}
	_, err = b.client.Embeddings(t.Context(), &api.EmbeddingRequest{Model: "tiny", Prompt: strings.Repeat("a ", 5000)})
	var status api.StatusError
	require.ErrorAs(t, err, &status)
	assert.Equal(t, 400, status.StatusCode)
}
