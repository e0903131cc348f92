package llama

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/puna-ai/puna/internal/testmodel"
)

func TestModelInfo(t *testing.T) {
	noLeaks(t)
	m := loadTiny(t)
	s := testmodel.Tiny
	assert.Equal(t, s.Ctx, m.NCtxTrain())
	assert.Equal(t, s.Embd, m.NEmbd())
	assert.Equal(t, s.Embd, m.NEmbdInp())
	assert.Equal(t, s.Layers, m.NLayer())
	assert.Equal(t, s.Heads, m.NHead())
	assert.Equal(t, s.KVHeads, m.NHeadKV())
	assert.Equal(t, 0, m.NSWA())
	assert.Equal(t, RopeNorm, m.RopeType())
	assert.InDelta(t, 1, m.RopeFreqScaleTrain(), 0)
	assert.Equal(t, "llama ?B F16", m.Desc())
	assert.EqualValues(t, 3_672_320, m.NParams())
	assert.True(t, m.HasDecoder())
	assert.False(t, m.HasEncoder() || m.IsRecurrent() || m.IsHybrid() || m.IsDiffusion())
	assert.Equal(t, TokenNull, m.DecoderStartToken())
	_, ok := m.ClsLabel(-1)
	assert.False(t, ok)
}

func TestModelMeta(t *testing.T) {
	m := loadTiny(t)
	name, ok := m.MetaValStr("general.name")
	assert.True(t, ok)
	assert.Equal(t, "synth-tiny", name)
	_, ok = m.MetaValStr("no.such.key")
	assert.False(t, ok)

	seen := map[string]string{}
	for i := range m.MetaCount() {
		k, ok := m.MetaKeyByIndex(i)
		require.True(t, ok)
		v, ok := m.MetaValStrByIndex(i)
		require.True(t, ok)
		seen[k] = v
	}
	assert.Equal(t, "llama", seen["general.architecture"])
	_, ok = m.MetaKeyByIndex(m.MetaCount())
	assert.False(t, ok)
	_, ok = m.MetaKeyByIndex(-1)
	assert.False(t, ok)

	tmpl, ok := m.ChatTemplate("")
	assert.True(t, ok)
	assert.Contains(t, tmpl, "add_generation_prompt")
	assert.Equal(t, seen["tokenizer.chat_template"], tmpl, "values longer than the first buffer come whole")
	_, ok = m.ChatTemplate("rag")
	assert.False(t, ok)
	assert.Equal(t, "general.sampling.top_k", MetaKeySamplingTopK.String())
}

func TestKVOverrides(t *testing.T) {
	p := ModelDefaultParams()
	p.KVOverrides = []KVOverride{
		{"llama.context_length", int64(777)},
		{"tokenizer.ggml.add_bos_token", false},
		{"llama.rope.freq_base", 12345.0},
		{"general.name", "renamed"},
	}
	m, err := LoadModelFromFile(testmodel.Path(t), p)
	require.NoError(t, err)
	defer m.Close()
	assert.Equal(t, 777, m.NCtxTrain())
	assert.False(t, m.Vocab().GetAddBOS())

	for _, bad := range []KVOverride{{"", 1.0}, {strings.Repeat("k", 128), 1.0}, {"k", 1}, {"k", strings.Repeat("v", 128)}} {
		p.KVOverrides = []KVOverride{bad}
		_, err := LoadModelFromFile(testmodel.Path(t), p)
		assert.ErrorContains(t, err, "override")
	}
}

func TestLoadProgress(t *testing.T) {
	noLeaks(t)
	var seen []float32
	p := ModelDefaultParams()
	p.Progress = func(f float32) bool { seen = append(seen, f); return true }
	m, err := LoadModelFromFile(testmodel.Path(t), p)
	require.NoError(t, err)
	m.Close()
	require.NotEmpty(t, seen)
	assert.IsNonDecreasing(t, seen)
	assert.EqualValues(t, 1, seen[len(seen)-1])

	p.Progress = func(float32) bool { return false }
	_, err = LoadModelFromFile(testmodel.Path(t), p)
	require.ErrorIs(t, err, ErrCancelled)

	p.Progress = func(float32) bool { panic("boom") }
	require.PanicsWithValue(t, "boom", func() { LoadModelFromFile(testmodel.Path(t), p) })
}

func TestLoadErrors(t *testing.T) {
	noLeaks(t)
	dir := t.TempDir()
	whole, err := os.ReadFile(testmodel.Path(t))
	require.NoError(t, err)
	file := func(name string, b []byte) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, b, 0o600))
		return path
	}
	unknown := []byte(strings.Replace(string(whole), "general.architecture\x08\x00\x00\x00\x05\x00\x00\x00\x00\x00\x00\x00llama",
		"general.architecture\x08\x00\x00\x00\x05\x00\x00\x00\x00\x00\x00\x00llamx", 1))
	for _, tt := range []struct{ name, path, want string }{
		{"missing", filepath.Join(dir, "missing.gguf"), "missing.gguf"},
		{"empty", file("empty.gguf", nil), "failed to load model"},
		{"not GGUF", file("text.gguf", []byte("hello, this is no model")), "invalid magic"},
		{"truncated", file("short.gguf", whole[:len(whole)/2]), "not within the file bounds"},
		{"zero byte", "a\x00b.gguf", "zero byte"},
		{"unknown architecture", file("arch.gguf", unknown), "llamx"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := LoadModelFromFile(tt.path, ModelDefaultParams())
			require.ErrorContains(t, err, tt.want)
			assert.Equal(t, tt.name == "unknown architecture", errors.Is(err, ErrUnknownArchitecture), "%v", err)
		})
	}
	_, err = LoadModelFromSplits(nil, ModelDefaultParams())
	require.Error(t, err)
}

func TestLoadRefusesParams(t *testing.T) {
	for _, change := range []func(*ModelParams){
		func(p *ModelParams) { p.SplitMode = 9 },
		func(p *ModelParams) { p.TensorSplit = make([]float32, MaxDevices()+1) },
		func(p *ModelParams) { p.NoAlloc = true },
		func(p *ModelParams) { p.TensorBuftOverrides = []TensorBuftOverride{{Pattern: "x"}} },
	} {
		p := ModelDefaultParams()
		change(&p)
		_, err := LoadModelFromFile(testmodel.Path(t), p)
		require.Error(t, err)
	}
}

func TestModelOutlivesClose(t *testing.T) {
	noLeaks(t)
	m, err := LoadModelFromFile(testmodel.Path(t), ModelDefaultParams())
	require.NoError(t, err)
	v := m.Vocab()
	c := contextOf(t, m, nil)
	g, err := v.SamplerInitGrammar(`root ::= "a"`, "root")
	require.NoError(t, err)
	m.Close()
	m.Close()
	assert.EqualValues(t, 1, Live()["Model"], "the context and the sampler keep it")
	assert.PanicsWithValue(t, "llama: use of a closed Model", func() { m.NEmbd() })
	assert.PanicsWithValue(t, "llama: use of a closed Model", func() { v.BOS() })

	feed(t, c, batchOf(t, 8), 0, 0, prompt(8)...)
	assert.Len(t, c.GetLogitsIth(-1), testmodel.Tiny.Vocab)
	c.Close()
	c.Close()
	assert.EqualValues(t, 1, Live()["Model"])
	assert.PanicsWithValue(t, "llama: use of a closed Context", func() { c.NCtx() })
	require.NoError(t, g.Accept('a'))
	g.Close()
	assert.Zero(t, Live()["Model"])
}
