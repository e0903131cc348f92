package gguf

import (
	"encoding/json"
	"math"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func inspect(t *testing.T, kvs []KV, tensors []TensorData) (*Inspection, string) {
	f, err := decode(encode(t, kvs, tensors))
	require.NoError(t, err)
	in := f.Inspect()
	var out strings.Builder
	require.NoError(t, in.Write(&out, true))
	return in, out.String()
}

func TestInspect(t *testing.T) {
	in, text := inspect(t, llamaKV()[:12], []TensorData{tensor("token_embd.weight", Q4_K, 256, 6), tensor("output_norm.weight", F32, 8)})
	assert.Equal(t, `test.gguf
GGUF version 3, 1600 bytes, 1544 parameters

METADATA                                TYPE      VALUE
general.architecture                    str       "llama"
general.name                            str       "tiny"
llama.context_length                    u32       128
llama.embedding_length                  u32       8
llama.block_count                       u32       2
llama.feed_forward_length               u32       16
llama.attention.head_count              u32       4
llama.attention.head_count_kv           u32       2
llama.attention.layer_norm_rms_epsilon  f32       1e-05
llama.rope.dimension_count              u32       2
tokenizer.ggml.model                    str       "llama"
tokenizer.ggml.tokens                   arr[str]  6: "<unk>", "<s>", "</s>", "a", "b", ""

TYPE  TENSORS  PARAMETERS  BYTES
Q4_K  1        1536        864
F32   1        8           32

TENSOR              TYPE  SHAPE  BYTES
token_embd.weight   Q4_K  256 6  864
output_norm.weight  F32   8      32
`, text)
	assert.Contains(t, in.Problem, "test.gguf")
	var short strings.Builder
	require.NoError(t, in.Write(&short, false))
	assert.Equal(t, text[:strings.Index(text, "\nTENSOR ")], short.String())

	in, _ = inspect(t, llamaKV(), llamaTensors())
	assert.Empty(t, in.Problem)
}

// TestInspectHostile: values can be long, no numbers, or meant for a terminal.
func TestInspectHostile(t *testing.T) {
	kvs := []KV{
		{Key: "esc\x1b[2J", Value: "a\x1b]0;title\a\nb\tc\xff"},
		{Key: "long", Value: strings.Repeat("x", 99) + "é and more"},
		{Key: "nan", Value: float32(math.NaN())}, {Key: "inf", Value: math.Inf(-1)},
		{Key: "many", Value: []float32{1, 2, 3, 4, 5, float32(math.NaN()), 7, 8}},
		{Key: "none", Value: []uint64{}},
	}
	in, text := inspect(t, kvs, []TensorData{tensor("t\x1b\n", F32, 1)})
	for _, c := range text {
		assert.True(t, c == '\n' || c >= ' ' && c != 0x7f, "%q", c)
	}
	for _, part := range []string{
		`"esc\x1b[2J"  str`, `"a\x1b]0;title\a\nb\tc\xff"`, strings.Repeat("x", 99) + `"... (110 bytes)`,
		"8: 1, 2, 3, 4, 5, NaN, ...\n", "f64       -Inf\n", `"t\x1b\n"`, "arr[u64]  0: \n",
	} {
		assert.Contains(t, text, part)
	}
	data, err := json.Marshal(in)
	require.NoError(t, err)
	assert.Contains(t, string(data), `{"key":"many","type":"arr[f32]","len":8,"value":[1,2,3,4,5,"NaN"]}`)
	assert.Contains(t, string(data), `{"key":"none","type":"arr[u64]","value":[]}`)
}

// TestOpenMemory: a file with 150,000 tokens takes less than 64 MB to open and check.
func TestOpenMemory(t *testing.T) {
	path := bigVocabulary(t)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f, err := Open(path)
	require.NoError(t, err)
	require.NoError(t, f.Validate())
	runtime.ReadMemStats(&after)
	require.Equal(t, 150_000, f.VocabSize())
	assert.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(64<<20))
}
