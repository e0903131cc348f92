package llama

import (
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/puna-ai/puna/cgo/ggml"
	"github.com/puna-ai/puna/internal/testmodel"
)

func TestQuantize(t *testing.T) {
	noLeaks(t)
	in := testmodel.Path(t)
	full := loadPath(t, in)
	c, b := contextOf(t, full, nil), batchOf(t, 16)
	feed(t, c, b, 0, 0, prompt(8)...)
	want := logitsCopy(c)
	for _, ftype := range []string{"Q8_0", "Q4_K_M", "q4_0", "BF16"} {
		t.Run(ftype, func(t *testing.T) {
			p := QuantizeDefaultParams()
			var err error
			p.FType, err = ParseFType(ftype)
			require.NoError(t, err)
			p.NThread = 2
			p.KVOverrides = []KVOverride{{"general.name", "quantized"}}
			out := filepath.Join(t.TempDir(), "q.gguf")
			require.NoError(t, Quantize(in, out, p))
			m := loadPath(t, out)
			if ftype != "BF16" {
				assert.Less(t, m.Size(), full.Size())
			}
			name, _ := m.MetaValStr("general.name")
			assert.Equal(t, "quantized", name)
			c := contextOf(t, m, nil)
			feed(t, c, b, 0, 0, prompt(8)...)
			assert.InDelta(t, 1, correlation(want, logitsCopy(c)), 0.2)
		})
	}
}

// correlation is the cosine of two vectors.
func correlation(a, b []float32) float64 {
	var ab, aa, bb float64
	for i := range a {
		ab += float64(a[i]) * float64(b[i])
		aa += float64(a[i]) * float64(a[i])
		bb += float64(b[i]) * float64(b[i])
	}
	return ab * ab / (aa * bb)
}

func TestQuantizeOptions(t *testing.T) {
	in := testmodel.Path(t)
	dir := t.TempDir()
	size := func(name string, change func(*QuantizeParams)) int64 {
		p := QuantizeDefaultParams()
		p.FType, _ = ParseFType("Q8_0")
		change(&p)
		out := filepath.Join(dir, name)
		require.NoError(t, Quantize(in, out, p))
		info, err := os.Stat(out)
		require.NoError(t, err)
		return info.Size()
	}
	plain := size("plain", func(*QuantizeParams) {})
	assert.Greater(t, size("embd", func(p *QuantizeParams) { p.TokenEmbeddingType = ggml.F16 }), plain)
	assert.Greater(t, size("types", func(p *QuantizeParams) { p.TensorTypes = []TensorType{{`ffn_up`, ggml.F16}} }), plain)
	assert.Greater(t, size("copy", func(p *QuantizeParams) { p.OnlyCopy = true }), plain)
	assert.Less(t, size("prune", func(p *QuantizeParams) { p.PruneLayers = []int32{1, 2} }), plain)
	m := loadPath(t, filepath.Join(dir, "prune"))
	assert.Equal(t, 2, m.NLayer())

	imatrix := map[string][]float32{}
	for _, name := range []string{"attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up"} {
		for _, blk := range []string{"0", "1", "2", "3"} {
			imatrix["blk."+blk+"."+name+".weight"] = ones(testmodel.Tiny.Embd)
		}
	}
	for _, blk := range []string{"0", "1", "2", "3"} {
		imatrix["blk."+blk+".ffn_down.weight"] = ones(testmodel.Tiny.FF)
	}
	assert.Less(t, size("imatrix", func(p *QuantizeParams) {
		p.FType, _ = ParseFType("IQ4_XS")
		p.IMatrix = imatrix
	}), plain)
}

func ones(n int) []float32 {
	all := make([]float32, n)
	for i := range all {
		all[i] = 1
	}
	return all
}

func TestQuantizeErrors(t *testing.T) {
	in := testmodel.Path(t)
	dir := t.TempDir()
	out := filepath.Join(dir, "q.gguf")
	q8 := QuantizeDefaultParams()
	q8.FType, _ = ParseFType("Q8_0")
	require.NoError(t, Quantize(in, out, q8))

	link := filepath.Join(dir, "link.gguf")
	require.NoError(t, os.Symlink(in, link))
	assert.ErrorContains(t, Quantize(in, link, q8), "to itself")
	assert.ErrorContains(t, Quantize(filepath.Join(dir, "none"), out+"2", q8), "none")
	assert.Error(t, Quantize(in, filepath.Join(dir, "no", "folder"), q8))
	assert.ErrorContains(t, Quantize(in, "a\x00b", q8), "zero byte")
	for name, change := range map[string]func(*QuantizeParams){
		"ftype":               func(p *QuantizeParams) { p.FType = 99 },
		"removed ftype":       func(p *QuantizeParams) { p.FType = 4 },
		"no type for weights": func(p *QuantizeParams) { p.OutputTensorType = ggml.I32 },
		"type out of range":   func(p *QuantizeParams) { p.TokenEmbeddingType = -1 },
		"no type":             func(p *QuantizeParams) { p.TensorTypes = []TensorType{{"x", typeCount}} },
		"pattern":             func(p *QuantizeParams) { p.TensorTypes = []TensorType{{"(", ggml.F16}} },
		"needs an imatrix":    func(p *QuantizeParams) { p.FType, _ = ParseFType("IQ2_XXS") },
		"imatrix of NaN":      func(p *QuantizeParams) { p.IMatrix = map[string][]float32{"x": {float32(math.NaN())}} },
		"threads":             func(p *QuantizeParams) { p.NThread = 1 << 20 },
		"alignment":           func(p *QuantizeParams) { p.KVOverrides = []KVOverride{{"general.alignment", int64(3)}} },
		"override":            func(p *QuantizeParams) { p.KVOverrides = []KVOverride{{"k", 1}} },
	} {
		p := q8
		change(&p)
		assert.Error(t, Quantize(in, filepath.Join(dir, "bad.gguf"), p), name)
	}
	assert.Error(t, Quantize(out, filepath.Join(dir, "re.gguf"), q4k()), "requantizing isn't allowed")
	again := q4k()
	again.AllowRequantize = true
	assert.NoError(t, Quantize(out, filepath.Join(dir, "re.gguf"), again))
}

func q4k() QuantizeParams {
	p := QuantizeDefaultParams()
	p.FType, _ = ParseFType("Q4_K_M")
	return p
}

func TestFTypes(t *testing.T) {
	for _, f := range FTypes() {
		got, err := ParseFType(f.String())
		require.NoError(t, err)
		assert.Equal(t, f, got)
	}
	_, err := ParseFType("Q9")
	assert.ErrorContains(t, err, "Q4_K_M")
	assert.Equal(t, "FType(4)", FType(4).String())
}
