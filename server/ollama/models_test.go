package ollama_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"
	"testing"

	"github.com/ollama/ollama/api"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestTags(t *testing.T) {
	b := newBed(t)
	list, err := b.client.List(t.Context())
	require.NoError(t, err)
	require.Len(t, list.Models, 2)
	assert.Equal(t, "thinker:latest", list.Models[0].Name, "last modified first")
	assert.Equal(t, list.Models[0].Name, list.Models[0].Model)
	assert.Equal(t, "Q8_0", list.Models[0].Details.QuantizationLevel)
	got := b.send("GET", "/api/tags", "")
	assert.Contains(t, got.body, `"capabilities":["completion","thinking"]`)
	assert.Contains(t, got.body, `"context_length":4096,"embedding_length":256`)
	assert.Empty(t, b.send("HEAD", "/api/tags", "").body)
}

func TestEmptyListsAreLists(t *testing.T) {
	b := newBed(t)
	require.NoError(t, b.client.Delete(t.Context(), &api.DeleteRequest{Model: "tiny"}))
	require.NoError(t, b.client.Delete(t.Context(), &api.DeleteRequest{Name: "thinker"}))
	assert.Equal(t, `{"models":[]}`, b.send("GET", "/api/tags", "").body)
	assert.Equal(t, `{"models":[]}`, b.send("GET", "/api/ps", "").body)
}

func TestShow(t *testing.T) {
	b := newBed(t)
	card, err := b.client.Show(t.Context(), &api.ShowRequest{Model: "tiny"})
	require.NoError(t, err)
	assert.Equal(t, "llama", card.Details.Family)
	assert.Equal(t, "llama", card.ModelInfo["general.architecture"])
	assert.Len(t, card.Capabilities, 2)
	assert.Empty(t, card.Tensors)
	assert.False(t, card.ModifiedAt.IsZero())
	card, err = b.client.Show(t.Context(), &api.ShowRequest{Name: "tiny", Verbose: true})
	require.NoError(t, err)
	assert.Equal(t, []api.Tensor{{Name: "token_embd.weight", Type: "Q8_0", Shape: []uint64{256, 2048}}}, card.Tensors)
}

func TestCreateCopyDelete(t *testing.T) {
	b := newBed(t)
	const content = "GGUF"
	sum := sha256.Sum256([]byte(content))
	digest := "sha256:" + hex.EncodeToString(sum[:])
	require.NoError(t, b.client.CreateBlob(t.Context(), digest, strings.NewReader(content)))

	var steps []string
	require.NoError(t, b.client.Create(t.Context(), &api.CreateRequest{
		Model: "new", Files: map[string]string{"m.gguf": digest}, Quantize: "Q4_K_M", License: []string{"MIT"},
	}, func(p api.ProgressResponse) error { steps = append(steps, p.Status); return nil }))
	assert.Len(t, steps, 3)
	assert.Equal(t, "success", steps[2])

	got := b.send("POST", "/api/create", `{"model":"new","from":"tiny","stream":false,"license":"MIT"}`)
	assert.Equal(t, 200, got.status)
	assert.Equal(t, `{"status":"success"}`, got.body)

	require.NoError(t, b.client.Copy(t.Context(), &api.CopyRequest{Source: "new", Destination: "newer:1"}))
	require.NoError(t, b.client.Delete(t.Context(), &api.DeleteRequest{Model: "new"}))
	_, err := b.client.Show(t.Context(), &api.ShowRequest{Model: "newer:1"})
	require.NoError(t, err)
	assert.ErrorContains(t, b.client.Delete(t.Context(), &api.DeleteRequest{Model: "new"}), "model 'new' not found")
}

func TestBlobs(t *testing.T) {
	b := newBed(t)
	sum := sha256.Sum256([]byte("x"))
	path := "/api/blobs/sha256:" + hex.EncodeToString(sum[:])
	assert.Equal(t, 404, b.send("HEAD", path, "").status)
	wrong := b.send("POST", path, "y")
	assert.Equal(t, 400, wrong.status)
	assert.Contains(t, wrong.body, "digest mismatch")
	assert.Equal(t, 404, b.send("HEAD", path, "").status, "nothing was stored")
	assert.Equal(t, 201, b.send("POST", path, "x").status)
	assert.Equal(t, 200, b.send("HEAD", path, "").status)
	assert.Equal(t, 200, b.send("POST", path, "x").status, "it is here already")
	assert.Equal(t, 200, b.send("HEAD", strings.Replace(path, "sha256:", "sha256-", 1), "").status)
	assert.Equal(t, 400, b.send("HEAD", "/api/blobs/sha256:1", "").status)
	assert.Equal(t, 400, b.send("POST", "/api/blobs/..%2f..%2fetc", "x").status)
}

func TestVersionAndRoot(t *testing.T) {
	b := newBed(t)
	version, err := b.client.Version(t.Context())
	require.NoError(t, err)
	assert.Equal(t, "0.24.0", version)
	require.NoError(t, b.client.Heartbeat(t.Context()))
	assert.Equal(t, "Ollama is running", b.send("GET", "/", "").body)
	head := b.send("HEAD", "/", "")
	assert.Equal(t, 200, head.status)
	assert.Empty(t, head.body)
	assert.Equal(t, 200, b.send("HEAD", "/api/version", "").status)
}

func TestUnknownEndpoints(t *testing.T) {
	b := newBed(t)
	for _, c := range [][2]string{
		{"POST", "/api/me"}, {"POST", "/api/signout"}, {"DELETE", "/api/user/keys/x"}, {"POST", "/api/experimental/web_search"},
		{"GET", "/api/status"}, {"GET", "/api"}, {"GET", "/api/tags/"}, {"GET", "/nothing"},
	} {
		got := b.send(c[0], c[1], "")
		assert.Equal(t, 404, got.status, c)
		var failure map[string]string
		require.NoError(t, json.Unmarshal([]byte(got.body), &failure))
		assert.Equal(t, "there is no endpoint "+c[0]+" "+c[1], failure["error"])
	}
}

func TestMethodNotAllowed(t *testing.T) {
	b := newBed(t)
	for _, c := range [][3]string{
		{"GET", "/api/generate", "POST"}, {"POST", "/api/tags", "GET, HEAD"}, {"GET", "/api/delete", "DELETE"},
		{"DELETE", "/api/blobs/x", "HEAD, POST"}, {"POST", "/", "GET, HEAD"},
	} {
		got := b.send(c[0], c[1], "")
		assert.Equal(t, 405, got.status, c)
		assert.Equal(t, c[2], got.header.Get("Allow"))
		assert.JSONEq(t, `{"error":"`+c[0]+" "+c[1]+`: method not allowed; this path takes `+c[2]+`"}`, got.body)
	}
	got := b.send("OPTIONS", "/api/generate", "")
	assert.Equal(t, 204, got.status)
	assert.Equal(t, "POST", got.header.Get("Allow"))
}
