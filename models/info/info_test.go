package info

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/puna-ai/puna"
	"github.com/puna-ai/puna/internal/testmodel"
	"github.com/puna-ai/puna/models/gguf"
	modelname "github.com/puna-ai/puna/models/name"
	"github.com/puna-ai/puna/models/store"
)

// file writes a GGUF file with metadata beside its architecture.
func file(t testing.TB, kvs ...gguf.KV) string {
	var b bytes.Buffer
	kvs = append([]gguf.KV{{Key: "general.architecture", Value: "llama"}}, kvs...)
	w := gguf.TensorData{Tensor: gguf.Tensor{Name: "w.weight", Type: gguf.F16, Shape: []uint64{1000, 1200}}, Data: bytes.NewReader(make([]byte, 2*1000*1200))}
	require.NoError(t, gguf.Write(&b, kvs, []gguf.TensorData{w}))
	path := filepath.Join(t.TempDir(), "model.gguf")
	require.NoError(t, os.WriteFile(path, b.Bytes(), 0o644))
	return path
}

func TestCapabilities(t *testing.T) {
	jinjaTools := gguf.KV{Key: "tokenizer.chat_template", Value: "{% if tools %}{{ tools }}{% endif %}{% for m in messages %}{{ m.content }}{% endfor %}"}
	vision := file(t, gguf.KV{Key: "clip.has_vision_encoder", Value: true}, gguf.KV{Key: "clip.has_audio_encoder", Value: true})
	cases := []struct {
		name  string
		model store.Model
		kvs   []gguf.KV
		want  []puna.Capability
	}{
		{"nothing said", store.Model{}, nil, []puna.Capability{puna.CanComplete}},
		{"embeddings", store.Model{}, []gguf.KV{{Key: "llama.pooling_type", Value: uint32(1)}}, []puna.Capability{puna.CanEmbed}},
		{"jinja tools", store.Model{}, []gguf.KV{jinjaTools}, []puna.Capability{puna.CanComplete, puna.CanTools}},
		{"go template wins", store.Model{Template: "{{ .Prompt }}{{ .Suffix }}"}, []gguf.KV{jinjaTools}, []puna.Capability{puna.CanComplete, puna.CanInsert}},
		{"thinking", store.Model{Template: "{{ range .Messages }}{{ if .Thinking }}<think>{{ .Thinking }}</think>{{ end }}{{ .Content }}{{ end }}"}, nil,
			[]puna.Capability{puna.CanComplete, puna.CanThink}},
		{"projector", store.Model{Projectors: []string{vision}}, nil, []puna.Capability{puna.CanComplete, puna.CanVision, puna.CanAudio}},
		{"broken projector", store.Model{Projectors: []string{"/none"}}, nil, []puna.Capability{puna.CanComplete}},
		{"broken template", store.Model{Template: "{{ .Prompt"}, nil, []puna.Capability{puna.CanComplete}},
		{"config", store.Model{Config: store.Config{ConfigV2: store.ConfigV2{Capabilities: []string{"completion", "vision"}}}}, nil,
			[]puna.Capability{puna.CanComplete, puna.CanVision}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			f, err := gguf.OpenWith(file(t, c.kvs...), gguf.Options{MaxArray: 1})
			require.NoError(t, err)
			assert.Equal(t, c.want, Capabilities(&c.model, f))
		})
	}
}

func TestCardOfFile(t *testing.T) {
	path := testmodel.Path(t)
	card, err := Card(FromFile(path), false)
	require.NoError(t, err)
	assert.Equal(t, filepath.Base(path), card.Name)
	assert.Equal(t, "gguf", card.Details.Format)
	assert.Equal(t, "llama", card.Details.Family)
	assert.Equal(t, []string{"llama"}, card.Details.Families)
	assert.Equal(t, "F16", card.Details.QuantizationLevel)
	assert.Equal(t, testmodel.Tiny.Ctx, card.Details.ContextLength)
	assert.Equal(t, testmodel.Tiny.Embd, card.Details.EmbeddingLength)
	assert.Regexp(t, `^\d+(\.\d+)?M$`, card.Details.ParameterSize)
	assert.NotEmpty(t, card.Template)
	assert.Empty(t, card.Tensors)
	assert.Nil(t, card.Info["tokenizer.ggml.tokens"])
	assert.Contains(t, card.Info, "tokenizer.ggml.tokens")
	assert.NotContains(t, card.Info, "tokenizer.chat_template")
	assert.Contains(t, card.Modelfile, "FROM "+path)

	verbose, err := Card(FromFile(path), true)
	require.NoError(t, err)
	assert.Len(t, verbose.Info["tokenizer.ggml.tokens"], testmodel.Tiny.Vocab)
	require.NotEmpty(t, verbose.Tensors)
	assert.Equal(t, puna.Tensor{Name: "token_embd.weight", Type: "F16", Shape: []uint64{256, 2048}}, verbose.Tensors[0])
	_, err = Card(FromFile("/none.gguf"), false)
	assert.Equal(t, puna.NotFound, puna.KindOf(err))
}

func TestCardOfModel(t *testing.T) {
	n, err := modelname.Parse("mine")
	require.NoError(t, err)
	m := &store.Model{
		Name: n, Path: file(t), Template: "{{ .Prompt }}", HasTemplate: true, System: "Be\nbrief.", Licenses: []string{"MIT", "BSD"},
		Options: puna.Options{Temperature: new(0.5), Stop: []string{"x"}}, Messages: []puna.Message{{Role: puna.User, Content: "hi"}},
		Config: store.Config{ConfigV2: store.ConfigV2{ModelFormat: "gguf", FileType: "unknown", ModelType: "9B"}},
	}
	card, err := Card(m, false)
	require.NoError(t, err)
	assert.Equal(t, "mine:latest", card.Name)
	assert.Equal(t, "MIT\nBSD", card.License)
	assert.Equal(t, "stop                           \"x\"\ntemperature                    0.5", card.Parameters)
	assert.Equal(t, "F16", card.Details.QuantizationLevel, "the file knows what the config doesn't")
	assert.Equal(t, "9B", card.Details.ParameterSize)
	assert.Equal(t, uint64(1200000), card.Info["general.parameter_count"])
	assert.Equal(t, fmt.Sprintf(`# Modelfile generated by "puna show"
# To build a new Modelfile based on this, replace FROM with:
# FROM mine:latest

FROM %s
TEMPLATE {{ .Prompt }}
SYSTEM "Be
brief."
PARAMETER stop x
PARAMETER temperature 0.5
MESSAGE user hi
LICENSE MIT
LICENSE BSD
`, m.Path), card.Modelfile)
	assert.Equal(t, m.Messages, card.Messages)
}

func TestRemoteModels(t *testing.T) {
	m := &store.Model{Config: store.Config{ConfigV2: store.ConfigV2{RemoteHost: "https://x", Capabilities: []string{"tools"}, ContextLen: 99}}}
	card, err := Card(m, true)
	require.NoError(t, err)
	assert.Equal(t, []puna.Capability{puna.CanTools}, card.Capabilities)
	assert.Equal(t, 99, card.Details.ContextLength)
	assert.Nil(t, card.Info)
}

// fill makes models as Ollama would, without a summary in their configs.
func fill(t testing.TB, s *store.Store, n int, config string) {
	data, err := os.ReadFile(file(t))
	require.NoError(t, err)
	c, err := s.Begin()
	require.NoError(t, err)
	defer c.Close()
	weights, _, err := c.Put(t.Context(), store.MediaModel, bytes.NewReader(data))
	require.NoError(t, err)
	for i := range n {
		l, _, err := c.Put(t.Context(), store.MediaConfig, strings.NewReader(strings.Replace(config, "N", fmt.Sprint(i), 1)))
		require.NoError(t, err)
		model, err := modelname.Parse(fmt.Sprintf("m%d", i))
		require.NoError(t, err)
		require.NoError(t, c.Commit(model, l, []store.Layer{weights}))
	}
}

func newStore(t testing.TB) *store.Store {
	s, err := store.Open(t.TempDir(), store.Options{Log: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	return s
}

func TestLister(t *testing.T) {
	s := newStore(t)
	fill(t, s, 3, `{"model_family":"llama","model_type":"N"}`)
	fill(t, s, 1, `{"model_family":"llama","model_type":"5B","puna":{"capabilities":["tools"],"context_length":7,"embedding_length":8}}`)
	l := NewLister(s, slog.New(slog.DiscardHandler))
	for range 2 { // the second time from memory
		models, err := l.List(t.Context())
		require.NoError(t, err)
		require.Len(t, models, 3)
		assert.Equal(t, "m0:latest", models[0].Name)
		assert.Equal(t, []puna.Capability{puna.CanTools}, models[0].Capabilities)
		assert.Equal(t, 7, models[0].Details.ContextLength)
		assert.Equal(t, "5B", models[0].Details.ParameterSize)
		assert.Equal(t, []puna.Capability{puna.CanComplete}, models[1].Capabilities)
		assert.Equal(t, "F16", models[1].Details.QuantizationLevel)
		assert.Len(t, models[1].Digest, 64)
		assert.Positive(t, models[1].Size)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := l.List(ctx)
	assert.Equal(t, puna.Canceled, puna.KindOf(err))
}

func BenchmarkList1000(b *testing.B) {
	s := newStore(b)
	fill(b, s, 1000, `{"model_family":"llama","model_type":"N","puna":{"capabilities":["tools"],"context_length":7,"embedding_length":8}}`)
	for b.Loop() {
		models, err := NewLister(s, nil).List(b.Context())
		require.NoError(b, err)
		require.Len(b, models, 1000)
	}
}
