package engine_test

import (
	"bytes"
	"context"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/puna-ai/puna"
	"github.com/puna-ai/puna/cgo/ggml"
	"github.com/puna-ai/puna/engine"
	"github.com/puna-ai/puna/internal/testmodel"
	"github.com/puna-ai/puna/models/builtin"
	"github.com/puna-ai/puna/models/gguf"
)

// CPU KV buffer size = 4.00 MiB
var bufferSize = regexp.MustCompile(`(model|KV|RS|LoRA|compute|output) buffer size *= *([0-9.]+) MiB`)

// allocated loads and uses a model, and sums what llama.cpp says that it allocated, in
// bytes; size is what the model says.
func allocated(t *testing.T, o engine.LoadOptions, use func(*engine.Model)) (sum, size int64) {
	t.Helper()
	var log bytes.Buffer
	ggml.SetLogger(slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	defer ggml.SetLogger(slog.New(slog.DiscardHandler))
	m, err := shared.Load(t.Context(), o)
	require.NoError(t, err)
	use(m)
	size = m.Info().Size
	require.NoError(t, m.Close(context.Background()))
	found := bufferSize.FindAllStringSubmatch(log.String(), -1)
	require.GreaterOrEqual(t, len(found), 3, log.String())
	for _, f := range found {
		mib, err := strconv.ParseFloat(f[2], 64)
		require.NoError(t, err)
		sum += int64(mib * (1 << 20))
		t.Log(f[0])
	}
	return sum, size
}

// An estimate, and the size of a loaded model, hold what a load really takes, and not much
// more.
func TestEstimate(t *testing.T) {
	guide, ok := builtin.Get("guide")
	require.True(t, ok)
	guidePath, err := guide.File("")
	require.NoError(t, err)
	wide := testmodel.PathOf(t, testmodel.Shape{Name: "wide", Embd: 64, Layers: 1, Heads: 2, KVHeads: 1, FF: 8192, Vocab: 2048, Ctx: 4096})
	words := testmodel.PathOf(t, testmodel.Shape{Name: "words", Embd: 64, Layers: 1, Heads: 2, KVHeads: 2, FF: 128, Vocab: 65536, Ctx: 65536})
	tiny := testmodel.Path(t)
	for name, o := range map[string]engine.LoadOptions{
		"guide":            {Path: guidePath},
		"tiny":             {Path: tiny},
		"q8_0":             {Path: tiny, KVType: "q8_0"},
		"many cells":       {Path: tiny, PoolTokens: 65536},
		"small batch":      {Path: tiny, Options: puna.Options{NumBatch: new(64)}},
		"few sequences":    {Path: tiny, NumParallel: 1},
		"wide":             {Path: wide},
		"large vocabulary": {Path: words, Options: puna.Options{NumCtx: new(32768)}},
	} {
		t.Run(name, func(t *testing.T) {
			o.Repack = engine.RepackOff
			o.Options.NumThread = new(1)
			estimate, err := shared.Estimate(o)
			require.NoError(t, err)
			real, size := allocated(t, o, func(*engine.Model) {})
			t.Logf("estimate %.1f MiB, real %.1f MiB", float64(estimate.Host)/(1<<20), float64(real)/(1<<20))
			assert.GreaterOrEqual(t, estimate.Host, real-1<<20)
			assert.Less(t, estimate.Host, real*3/2+8<<20)
			assert.GreaterOrEqual(t, size, real-1<<20)
			assert.Less(t, size, real*3/2+8<<20)
		})
	}
}

// The size of a model has every context in it, and adapters.
func TestSize(t *testing.T) {
	lora := filepath.Join(t.TempDir(), "lora.gguf")
	require.NoError(t, testmodel.WriteLora(lora, testmodel.Tiny, 64))
	encoder, decoder := testmodel.Encoder, testmodel.Tiny
	encoder.Embd, encoder.FF, encoder.Pooling = 256, 2048, 1
	decoder.Name, decoder.Pooling = "tiny-pooled", 3
	embed := func(m *engine.Model) {
		_, err := m.Embed(t.Context(), &puna.EmbedRequest{Input: []string{"some words"}})
		require.NoError(t, err)
	}
	for name, c := range map[string]struct {
		load engine.LoadOptions
		use  func(*engine.Model)
	}{
		"encoder":  {engine.LoadOptions{Path: testmodel.PathOf(t, encoder)}, embed},
		"decoder":  {engine.LoadOptions{Path: testmodel.PathOf(t, decoder)}, embed},
		"state":    {engine.LoadOptions{Path: testmodel.PathOf(t, testmodel.Mamba2)}, func(*engine.Model) {}},
		"adapters": {engine.LoadOptions{Path: testmodel.Path(t), Adapters: []engine.Adapter{{Path: lora}}}, func(*engine.Model) {}},
		"two contexts": {engine.LoadOptions{Path: testmodel.Path(t)}, func(m *engine.Model) {
			embed(m)
			req := raw("x", 1)
			req.Options.KVCacheType = "q8_0"
			_, _, err := collect(t, m, req)
			require.NoError(t, err)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			c.load.Repack, c.load.Options.NumThread = engine.RepackOff, new(1)
			real, size := allocated(t, c.load, c.use)
			t.Logf("size %.2f MiB, real %.2f MiB", float64(size)/(1<<20), float64(real)/(1<<20))
			assert.GreaterOrEqual(t, size, real-1<<20)
			assert.Less(t, size, real*3/2+8<<20)
		})
	}
}

func TestEstimateOfBrokenFiles(t *testing.T) {
	_, err := shared.Estimate(engine.LoadOptions{Path: filepath.Join(t.TempDir(), "none.gguf")})
	assert.Equal(t, puna.NotFound, puna.KindOf(err))
	_, err = shared.Estimate(engine.LoadOptions{Path: testmodel.Path(t), KVType: "q9"})
	assert.Equal(t, puna.Invalid, puna.KindOf(err))

	absurd := filepath.Join(t.TempDir(), "absurd.gguf")
	var b bytes.Buffer
	kvs := []gguf.KV{{Key: "general.architecture", Type: gguf.String, Value: "llama"}}
	for _, key := range []string{"block_count", "embedding_length", "attention.head_count", "attention.key_length", "context_length",
		"feed_forward_length", "ssm.inner_size", "ssm.state_size", "ssm.group_count", "ssm.conv_kernel", "vocab_size"} {
		kvs = append(kvs, gguf.KV{Key: "llama." + key, Type: gguf.Uint64, Value: uint64(math.MaxInt64)})
	}
	require.NoError(t, gguf.Write(&b, kvs, nil))
	require.NoError(t, os.WriteFile(absurd, b.Bytes(), 0o600))
	m, err := shared.Estimate(engine.LoadOptions{Path: absurd})
	require.NoError(t, err)
	assert.Positive(t, m.Host)
}
