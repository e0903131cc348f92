//go:build llama_system

package convert

import (
	"log/slog"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/puna-ai/puna/cgo/ggml"
	"github.com/puna-ai/puna/cgo/llama"
)

func TestMain(m *testing.M) {
	ggml.SetLogger(slog.New(slog.DiscardHandler))
	os.Exit(m.Run())
}

// prompt is text that no tokenizer sees: the models differ in theirs.
var prompt = []llama.Token{20, 33, 7, 41, 20, 12, 50, 33}

// computed by llama.cpp: the logits after the prompt, or the text's vector.
func compute(t testing.TB, path string, adapters ...string) []float32 {
	m, err := llama.LoadModelFromFile(path, llama.ModelDefaultParams())
	require.NoError(t, err)
	defer m.Close()
	p := llama.ContextDefaultParams()
	p.NCtx, p.NBatch, p.NUbatch, p.NSeqMax, p.NThreads, p.NThreadsBatch = 64, 64, 64, 1, 1, 1
	arch, _ := m.MetaValStr("general.architecture")
	pooling, pooled := m.MetaValStr(arch + ".pooling_type")
	if p.Embeddings = pooled; pooled {
		p.PoolingType = map[string]llama.PoolingType{"1": llama.PoolingMean, "3": llama.PoolingLast}[pooling]
	}
	c, err := m.InitFromModel(p)
	require.NoError(t, err)
	defer c.Close()
	for _, path := range adapters {
		a, err := m.AdapterLoraInit(path)
		require.NoError(t, err)
		defer a.Close()
		require.NoError(t, c.SetAdapterLora(a, 1))
	}
	b, err := llama.NewBatch(64, 0, 1)
	require.NoError(t, err)
	defer b.Close()
	for i, tok := range prompt {
		require.NoError(t, b.Add(tok, llama.Pos(i), []llama.SeqID{0}, p.Embeddings || i == len(prompt)-1))
	}
	if p.Embeddings {
		if strings.HasSuffix(arch, "bert") || arch == "gemma-embedding" {
			require.NoError(t, c.Encode(b))
		} else {
			require.NoError(t, c.Decode(b))
		}
		return append([]float32(nil), c.GetEmbeddingsSeq(0)...)
	}
	require.NoError(t, c.Decode(b))
	return append([]float32(nil), c.GetLogitsIth(-1)...)
}

// TestLlamaComputesTheDefinition: what llama.cpp makes of the converted file is what the
// model's definition says, computed from the checkpoint itself.
func TestLlamaComputesTheDefinition(t *testing.T) {
	for name, tiny := range allModels() {
		t.Run(name, func(t *testing.T) {
			c := tiny(t)
			path, _ := converted(t, c.write(t))
			want := c.reference(t, prompt)
			got := compute(t, path)
			require.Len(t, got, len(want))
			assert.Greater(t, similarity(want, got), 0.9999, "want %v\ngot %v", want[:8], got[:8])
			assert.InDeltaSlice(t, want, got, 0.05*spread(want))
		})
	}
}

func similarity(a, b []float32) float64 {
	var ab, aa, bb float64
	for i := range a {
		ab += float64(a[i]) * float64(b[i])
		aa += float64(a[i]) * float64(a[i])
		bb += float64(b[i]) * float64(b[i])
	}
	return ab / math.Sqrt(aa*bb)
}

// spread is the standard deviation.
func spread(a []float32) float64 {
	var sum, squares float64
	for _, v := range a {
		sum += float64(v)
		squares += float64(v) * float64(v)
	}
	n := float64(len(a))
	return math.Sqrt(squares/n - sum/n*sum/n)
}

func TestTokenizers(t *testing.T) {
	for _, test := range []struct {
		name, text string
		want       []llama.Token
	}{
		{"LlamaForCausalLM", "hello<|end|>", []llama.Token{259, 258, 'o', 260}},
		{"Qwen2ForCausalLM", "hell", []llama.Token{258}},
		{"MistralForCausalLM", "he  b", []llama.Token{1, 259, 260, 261, 263}},
		{"Mistral without tokenizer.model", "he  b", []llama.Token{1, 259, 260, 261, 263}},
		{"GemmaForCausalLM", "heb", []llama.Token{1, 260, 263}},
		{"BertModel", "Ab", []llama.Token{2, 5, 32, 3}},
	} {
		path, _ := converted(t, allModels()[test.name](t).write(t))
		m, err := llama.LoadModelFromFile(path, llama.ModelDefaultParams())
		require.NoError(t, err)
		got, err := m.Vocab().Tokenize(test.text, true, true)
		require.NoError(t, err)
		assert.Equal(t, test.want, got, test.name)
		m.Close()
	}
}
