package remote_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/puna-ai/puna"
	"github.com/puna-ai/puna/server"
	"github.com/puna-ai/puna/server/servertest"
)

// TestEmbedArrivesWhole sends every field that a server takes.
func TestEmbedArrivesWhole(t *testing.T) {
	fake := servertest.New("tiny")
	svc := dial(t, &server.Server{Service: fake})
	want := &puna.EmbedRequest{
		Model: "tiny", Input: []string{"a b c d", "", "<b>"}, Dimensions: 3, Truncate: new(true),
		Options: puna.Options{NumCtx: new(2), NumThread: new(1)}, KeepAlive: new(90 * time.Second),
	}
	got, err := svc.Embed(t.Context(), want)
	require.NoError(t, err)
	assert.Equal(t, want, fake.Embeds()[0])
	there, err := fake.Embed(t.Context(), want)
	require.NoError(t, err)
	assert.Equal(t, there.Embeddings, got.Embeddings)
	assert.Equal(t, 2, got.Truncated)
	assert.Equal(t, there.PromptTokens, got.PromptTokens)
	assert.Positive(t, got.TotalDuration)
	assert.Positive(t, got.LoadDuration)

	_, err = svc.Embed(t.Context(), &puna.EmbedRequest{Model: "tiny", Input: []string{"x"}})
	require.NoError(t, err)
	assert.Equal(t, new(false), fake.Embeds()[2].Truncate, "Ollama would cut")
}

func TestEmbedErrors(t *testing.T) {
	for name, c := range map[string]struct {
		status int
		body   string
		kind   puna.Kind
		text   string
	}{
		"ollama's 404":    {404, `{"error":"model 'tiny' not found"}`, puna.NotFound, "model 'tiny' not found"},
		"too long":        {400, `{"error":"the input length exceeds the context length"}`, puna.Invalid, "exceeds"},
		"another service": {200, `{}`, puna.Unavailable, "0 embeddings for 2 inputs"},
		"one too few":     {200, `{"embeddings":[[1]]}`, puna.Unavailable, "1 embeddings for 2 inputs"},
		"no JSON":         {200, `<html>`, puna.Unavailable, "is the server running?"},
	} {
		_, err := dial(t, fail(c.status, c.body)).Embed(t.Context(), &puna.EmbedRequest{Model: "tiny", Input: []string{"a", "b"}})
		assert.ErrorContains(t, err, c.text, name)
		assert.Equal(t, c.kind, puna.KindOf(err), name)
	}
}
