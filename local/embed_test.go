package local_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/ollama/ollama/api"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/puna-ai/puna"
	"github.com/puna-ai/puna/internal/testmodel"
	"github.com/puna-ai/puna/local"
	"github.com/puna-ai/puna/server"
)

// serve is Ollama's client of a server with svc on a real socket.
func serve(t *testing.T, svc *local.Service) *api.Client {
	t.Helper()
	ts := httptest.NewServer(&server.Server{Service: svc, Version: "0.24.0"})
	t.Cleanup(ts.Close)
	u, err := url.Parse(ts.URL)
	require.NoError(t, err)
	return api.NewClient(u, ts.Client())
}

func cosine(a, b []float32) (sum float64) {
	for i := range a {
		sum += float64(a[i]) * float64(b[i])
	}
	return sum
}

// TestGuideEmbedsOverHTTP: texts of calls side by side have the embeddings that they
// have alone.
func TestGuideEmbedsOverHTTP(t *testing.T) {
	client := serve(t, open(t))
	texts := []string{"How do I list models?", "What is Puna?", "Llamas live on the high plain."}
	all, err := client.Embed(t.Context(), &api.EmbedRequest{Model: "guide", Input: texts})
	require.NoError(t, err)
	require.Len(t, all.Embeddings, len(texts))
	assert.Positive(t, all.PromptEvalCount)
	assert.Less(t, cosine(all.Embeddings[0], all.Embeddings[1]), 0.999)
	var wg sync.WaitGroup
	for i, text := range texts {
		assert.InDelta(t, 1, cosine(all.Embeddings[i], all.Embeddings[i]), 1e-5)
		wg.Go(func() {
			old, err := client.Embeddings(t.Context(), &api.EmbeddingRequest{Model: "guide", Prompt: text})
			if !assert.NoError(t, err) {
				return
			}
			alone := make([]float32, len(old.Embedding))
			for k, x := range old.Embedding {
				alone[k] = float32(x)
			}
			assert.InDelta(t, 1, cosine(all.Embeddings[i], alone), 1e-3)
		})
	}
	wg.Wait()
	_, err = client.Embed(t.Context(), &api.EmbedRequest{Model: "guide", KeepAlive: &api.Duration{}})
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		running, err := client.ListRunning(context.Background())
		return err == nil && len(running.Models) == 0
	}, time.Minute, 10*time.Millisecond, "a keep-alive of 0 unloads")
}

// TestEncoderInTheStore: a model that embeds and does nothing else.
func TestEncoderInTheStore(t *testing.T) {
	svc := open(t)
	shape := testmodel.Encoder
	shape.Pooling = 1 // mean
	for _, err := range svc.Create(t.Context(), &puna.CreateRequest{Model: "encoder", From: testmodel.PathOf(t, shape)}) {
		require.NoError(t, err)
	}
	client := serve(t, svc)
	card, err := client.Show(t.Context(), &api.ShowRequest{Model: "encoder"})
	require.NoError(t, err)
	assert.EqualValues(t, []string{"embedding"}, capabilities(card))
	got, err := client.Embed(t.Context(), &api.EmbedRequest{Model: "encoder", Input: []string{"the llama", ""}, Dimensions: 16})
	require.NoError(t, err)
	require.Len(t, got.Embeddings, 2)
	assert.Len(t, got.Embeddings[0], 16)
	assert.Positive(t, got.LoadDuration)
	err = client.Generate(t.Context(), &api.GenerateRequest{Model: "encoder", Prompt: "x"}, func(api.GenerateResponse) error { return nil })
	assert.ErrorContains(t, err, "does not generate text")
}

func capabilities(card *api.ShowResponse) (all []string) {
	for _, c := range card.Capabilities {
		all = append(all, string(c))
	}
	return all
}

func ExampleService_Embed() {
	svc, err := local.Open(local.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer svc.Close()
	result, err := svc.Embed(context.Background(), &puna.EmbedRequest{
		Model: "guide",
		Input: []string{"How do I list models?", "What models do I have?"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(len(result.Embeddings), "vectors of unit length")
	// Output: 2 vectors of unit length
}

func TestRerankByPath(t *testing.T) {
	svc := open(t)
	shape := testmodel.Encoder
	shape.Pooling = 4 // rank
	got, err := svc.Rerank(t.Context(), &puna.RerankRequest{
		Model: testmodel.PathOf(t, shape), Query: "what is a llama", Documents: []string{"the plain", "the llama lives on the high plain"},
	})
	require.NoError(t, err)
	require.Len(t, got.Scores, 2)
	assert.NotEqual(t, got.Scores[0], got.Scores[1])
	assert.Positive(t, got.PromptTokens)
	assert.Positive(t, got.LoadDuration)
	_, err = svc.Rerank(t.Context(), &puna.RerankRequest{Model: "missing"})
	assert.Equal(t, puna.NotFound, puna.KindOf(err))
}
