package gguf

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/puna-ai/puna"
)

func adapterKV() []KV {
	return []KV{{Key: "general.type", Value: "adapter"}, {Key: "general.architecture", Value: "llama"},
		{Key: "adapter.type", Value: "lora"}, {Key: "adapter.lora.alpha", Value: float32(16)}}
}

func projectorKV() []KV {
	return []KV{{Key: "general.architecture", Value: "clip"}, {Key: "clip.has_vision_encoder", Value: true},
		{Key: "clip.vision.embedding_length", Value: uint32(8)}, {Key: "clip.vision.block_count", Value: uint32(1)},
		{Key: "clip.vision.attention.head_count", Value: uint32(2)}, {Key: "clip.vision.patch_size", Value: uint32(14)},
		{Key: "clip.vision.image_size", Value: uint32(28)}, {Key: "clip.vision.image_mean", Value: []float32{0, 0, 0}},
		{Key: "clip.vision.image_std", Value: []float32{1, 1, 1}}}
}

// arch renames the architecture of the llama model.
func arch(name string) []KV {
	kvs := llamaKV()
	for i, kv := range kvs {
		kvs[i].Key = strings.Replace(kv.Key, "llama.", name+".", 1)
	}
	return with(kvs, "general.architecture", name)
}

func TestValidateNamesWhatIsWrong(t *testing.T) {
	cases := []struct {
		key   string
		value any
		text  string
	}{
		{"llama.block_count", uint32(0), "llama.block_count is 0 (u32): it must be a whole number from 1 to 512"},
		{"llama.block_count", nil, "llama.block_count is missing"},
		{"llama.block_count", "many", `llama.block_count is "many"`},
		{"llama.block_count", uint32(1), `tensor "blk.1.attn_norm.weight" is beyond the 1 layers`},
		{"llama.embedding_length", uint32(16), "rope.dimension_count"},
		{"llama.context_length", uint32(math.MaxUint32), "llama.context_length is 4294967295"},
		{"llama.attention.head_count", uint32(0), "layer 0 must have at least one head"},
		{"llama.attention.head_count", uint32(3), "2 heads of keys don't divide the 3 heads"},
		{"llama.attention.head_count", []float32{4, 4}, "its items must be u32"},
		{"llama.attention.head_count", []uint32{4, 4, 4}, "one for each of 2 layers"},
		{"llama.attention.head_count", []int32{4, -4}, "one for each of 2 layers"},
		{"llama.attention.head_count_kv", uint32(0), "layer 0 must have at least one head"},
		{"llama.attention.head_count_kv", uint32(1), `tensor "blk.0.attn_`},
		{"llama.attention.key_length", uint32(0), "attention.key_length is 0"},
		{"llama.attention.value_length", uint32(4), "keys (2) and values (4)"},
		{"llama.attention.layer_norm_rms_epsilon", float32(-1), "it must not be negative"},
		{"llama.attention.layer_norm_rms_epsilon", float32(math.NaN()), "it must be a finite number"},
		{"llama.rope.dimension_count", uint32(3), "even number up to the head's length 2"},
		{"llama.rope.dimension_count", uint32(0), "turn whole heads"},
		{"llama.rope.scaling.type", "warp", "llama.cpp knows none, linear"},
		{"llama.rope.freq_base", float32(0), "more than 0"},
		{"llama.rope.dimension_sections", []int32{0, 0, 0, 0}, "the sections must sum up"},
		{"llama.expert_count", uint32(600), "from 0 to 512"},
		{"llama.expert_count", uint32(4), "expert_used_count is missing"},
		{"llama.expert_used_count", uint32(2), "from 0 to 0"},
		{"llama.ssm.group_count", uint32(0), "from 1 to"},
		{"tokenizer.ggml.model", "abacus", "llama.cpp knows llama, gpt2"},
		{"tokenizer.ggml.model", "gpt2", "tokenizer.ggml.merges is missing"},
		{"tokenizer.ggml.tokens", nil, "tokenizer.ggml.tokens is missing"},
		{"tokenizer.ggml.tokens", []int32{1}, "array of 1 to"},
		{"tokenizer.ggml.tokens", []string{"a", "b", "a", "c", "d", "e"}, `tokens 0 and 2 are both "a"`},
		{"tokenizer.ggml.tokens", []string{"[EMPTY_5]", "b", "a", "c", "d", ""}, `tokens 0 and 5 are both "[EMPTY_5]"`},
		{"tokenizer.ggml.scores", []float32{1}, "one item for each of 6 tokens"},
		{"tokenizer.ggml.token_type", []float32{1, 1, 1, 1, 1, 1}, "array of i32"},
		{"tokenizer.ggml.bos_token_id", uint32(6), "the vocabulary has 6 tokens"},
		{"tokenizer.ggml.fim_pre_token_id", uint32(99), "the vocabulary has 6 tokens"},
		{"tokenizer.ggml.merges", []string{"a b", "ab"}, `merge 1 is "ab"`},
		{"tokenizer.ggml.merges", []string{" "}, `merge 0 is " "`},
		{"general.architecture", uint32(1), "no model"},
	}
	for _, c := range cases {
		if otherLlama && strings.HasPrefix(c.text, "llama.cpp knows") {
			continue // it decides for itself
		}
		f, err := decode(encode(t, with(llamaKV(), c.key, c.value), llamaTensors()))
		require.NoError(t, err)
		err = f.Validate()
		assert.ErrorContains(t, err, c.text, "%s = %v", c.key, c.value)
		assert.Equal(t, puna.Invalid, puna.KindOf(err))
	}
}

func TestValidateTakesVariants(t *testing.T) {
	for key, value := range map[string]any{
		"llama.attention.head_count":    []int32{4, 4},
		"llama.attention.head_count_kv": []uint32{2, 2},
		"llama.rope.scaling.type":       "yarn",
		"general.alignment":             uint32(64),
		"tokenizer.ggml.token_type":     []uint32{2, 3, 3, 1, 1, 1},
		"tokenizer.ggml.merges":         []string{"a b", "  "[:1] + "b c"},
		"tokenizer.ggml.eot_token_id":   uint32(2),
	} {
		f, err := decode(encode(t, with(llamaKV(), key, value), llamaTensors()))
		require.NoError(t, err)
		assert.NoError(t, f.Validate(), key)
	}
	f, err := decode(encode(t, with(llamaKV(), "tokenizer.ggml.model", "none"), llamaTensors()))
	require.NoError(t, err)
	assert.NoError(t, f.Validate())
}

func TestValidateDefaultsOfTokenizers(t *testing.T) {
	kvs := with(with(llamaKV(), "tokenizer.ggml.model", "gpt2"), "tokenizer.ggml.merges", []string{"a b"})
	f, err := decode(encode(t, kvs, llamaTensors()))
	require.NoError(t, err)
	assert.ErrorContains(t, f.Validate(), "tokenizer.ggml.eos_token_id is missing: the file has to name it, since llama.cpp assumes 11")
	kvs = with(with(kvs, "tokenizer.ggml.eos_token_id", uint32(2)), "tokenizer.ggml.pre", "glm4")
	f, err = decode(encode(t, with(kvs, "tokenizer.ggml.add_bos_token", true), llamaTensors()))
	require.NoError(t, err)
	require.NoError(t, f.Validate())
	kvs = with(with(kvs, "tokenizer.ggml.bos_token_id", nil), "tokenizer.ggml.add_bos_token", true)
	f, err = decode(encode(t, kvs, llamaTensors()))
	require.NoError(t, err)
	assert.ErrorContains(t, f.Validate(), "tokenizer.ggml.bos_token_id is missing: the tokenizer adds it")
}

func TestValidateTensors(t *testing.T) {
	change := func(name string, to TensorData) []TensorData {
		tensors := llamaTensors()
		i := slices.IndexFunc(tensors, func(d TensorData) bool { return d.Name == name })
		tensors[i] = to
		return tensors
	}
	cases := []struct {
		tensors []TensorData
		text    string
	}{
		{change("token_embd.weight", tensor("token_embd.weight", F16, 8, 7)), "the shape [8 7], but an embedding length of 8 and 6 tokens need [8 6]"},
		{change("token_embd.weight", tensor("token_embd.weight", F16, 8, 3, 2)), "more than 2 dimensions"},
		{change("token_embd.weight", tensor("token_embd.weight", F64, 8, 6)), "F64, which ggml can't multiply with"},
		{change("output_norm.weight", tensor("output_norm.weight", F16, 8)), "ggml needs it in F32"},
		{append(llamaTensors(), tensor("token_types.weight", F16, 8, 2)), "ggml needs it in F32"},
		{change("blk.1.attn_q.weight", tensor("blk.1.attn_q.weight", F16, 8, 4)), "need 8 rows"},
		{append(llamaTensors(), tensor("blk.0.ffn_up_exps.weight", F16, 8, 8, 2)), "expert_count is missing: the model has experts"},
	}
	for _, c := range cases {
		f, err := decode(encode(t, llamaKV(), c.tensors))
		require.NoError(t, err)
		assert.ErrorContains(t, f.Validate(), c.text)
	}
}

func TestValidateExpertsAndStates(t *testing.T) {
	moe := with(with(llamaKV(), "llama.expert_count", uint32(4)), "llama.expert_used_count", uint32(2))
	cases := []struct {
		kvs  []KV
		text string
	}{
		{moe, ""},
		{with(moe, "llama.expert_used_count", uint32(5)), "from 1 to 4"},
		{with(moe, "llama.expert_group_count", uint32(3)), "it must divide the 4 experts"},
		{with(moe, "llama.expert_group_count", uint32(2)), "expert_group_used_count is missing"},
		{with(with(moe, "llama.expert_group_count", uint32(2)), "llama.expert_group_used_count", uint32(1)), ""},
		{with(arch("mamba2"), "mamba2.ssm.inner_size", uint32(8)), "twice the embedding length 8"},
		{with(with(arch("nemotron_h"), "nemotron_h.ssm.group_count", uint32(2)), "nemotron_h.ssm.time_step_rank", uint32(3)), "divide the 3 heads"},
		{with(arch("rwkv6"), "rwkv6.wkv.head_size", uint32(3)), "divide the embedding length 8"},
		{arch("rwkv6qwen2"), "token_shift_count is missing"},
		{arch("lfm2"), "lfm2.shortconv.l_cache is missing"},
		{arch("baichuan"), "32 or 40 layers"},
		{arch("dream"), `"blk.0.attn_q.bias" is missing, which dream models need`},
		{arch("solar"), `"output.weight" is missing`},
		{arch("phi2"), ""},
		{arch("grovemoe"), "grovemoe.expert_count is missing"},
		{arch("ernie4_5-moe"), "interleave_moe_layer_step is missing"},
		{with(arch("gemma-embedding"), "gemma-embedding.dense_2_feat_in", uint32(9)), "from 8 to 8"},
		{with(arch("apertus"), "apertus.xielu.eps", []int32{1, 1}), "its items must be f32"},
		{with(arch("solar"), "solar.attention.block_skip_connection.0", []float32{1, 1}), "its items must be u32"},
	}
	for _, c := range cases {
		f, err := decode(encode(t, c.kvs, llamaTensors()))
		require.NoError(t, err)
		if c.text == "" {
			assert.NoError(t, f.Validate())
		} else {
			assert.ErrorContains(t, f.Validate(), c.text)
		}
	}
}

func TestUnknownArchitectures(t *testing.T) {
	if otherLlama {
		t.Skip("the linked llama.cpp decides what it knows: run without the tag llama_system")
	}
	cases := []struct {
		kvs     []KV
		tensors []TensorData
		ollama  bool
	}{
		{arch("llama9"), llamaTensors(), false},
		{arch("gptoss"), llamaTensors(), true},
		{arch("gemma3"), append(llamaTensors(), tensor("v.blk.0.attn_q.weight", F16, 8, 8)), true},
	}
	for _, c := range cases {
		f, err := decode(encode(t, c.kvs, c.tensors))
		require.NoError(t, err)
		err = f.Validate()
		assert.Equal(t, puna.Unsupported, puna.KindOf(err))
		var archErr *ArchError
		require.ErrorAs(t, err, &archErr)
		assert.Equal(t, ArchError{Arch: f.Arch(), Ollama: c.ollama}, *archErr)
		assert.ErrorContains(t, err, f.Arch())
		if !c.ollama {
			assert.ErrorContains(t, err, LlamaCommit)
		}
	}
	assert.False(t, errors.As(puna.Errorf(puna.Invalid, "x"), new(*ArchError)))
}

func TestAdapters(t *testing.T) {
	model, err := decode(encode(t, llamaKV(), llamaTensors()))
	require.NoError(t, err)
	a := func(shape ...uint64) TensorData { return tensor("blk.0.attn_k.weight.lora_a", F32, shape...) }
	b := func(shape ...uint64) TensorData { return tensor("blk.0.attn_k.weight.lora_b", F16, shape...) }
	cases := []struct {
		kvs     []KV
		tensors []TensorData
		text    string
	}{
		{adapterKV(), []TensorData{a(8, 2), b(2, 4)}, ""},
		{adapterKV(), []TensorData{a(8, 2), b(2, 5)}, "don't fit the tensor"},
		{adapterKV(), []TensorData{a(8, 2), b(3, 4)}, "don't fit the tensor"},
		{adapterKV(), []TensorData{a(8, 2, 2), b(2, 4, 2)}, "don't fit the tensor"},
		{adapterKV(), []TensorData{a(8, 2)}, "no counterpart"},
		{adapterKV(), []TensorData{tensor("x.lora_a", F32, 8, 2), tensor("x.lora_b", F32, 2, 8)}, `the tensor "x", which test.gguf doesn't have`},
		{adapterKV(), []TensorData{tensor("token_embd.weight.lora_a", F32, 2, 6), tensor("token_embd.weight.lora_b", F32, 2, 8)}, ""},
		{adapterKV(), []TensorData{tensor("stray.weight", F32, 2, 6)}, "no counterpart"},
		{with(adapterKV(), "adapter.lora.alpha", uint32(1)), []TensorData{a(8, 2), b(2, 4)}, "a finite f32"},
		{with(adapterKV(), "adapter.type", "alien"), []TensorData{a(8, 2), b(2, 4)}, "only takes lora"},
		{with(adapterKV(), "general.architecture", "gemma"), []TensorData{a(8, 2), b(2, 4)}, "for gemma models"},
	}
	for _, c := range cases {
		f, err := decode(encode(t, c.kvs, c.tensors))
		require.NoError(t, err)
		assert.Equal(t, Adapter, f.Kind())
		if err := f.ValidateAdapter(model); c.text == "" {
			assert.NoError(t, err)
		} else {
			assert.ErrorContains(t, err, c.text)
		}
	}
	assert.ErrorContains(t, model.ValidateAdapter(model), "is no adapter")
}

func TestProjectors(t *testing.T) {
	tensors := func() []TensorData { return []TensorData{tensor("v.patch_embd.weight", F16, 14, 14, 3)} }
	f, err := decode(encode(t, projectorKV(), tensors()))
	require.NoError(t, err)
	assert.Equal(t, Projector, f.Kind())
	require.NoError(t, f.Validate())
	for key, value := range map[string]any{
		"clip.vision.patch_size": uint32(0), "clip.vision.image_size": uint32(7), "clip.vision.attention.head_count": uint32(3),
		"clip.vision.image_mean": []float32{1}, "clip.has_vision_encoder": false, "clip.vision.block_count": nil,
	} {
		f, err := decode(encode(t, with(projectorKV(), key, value), tensors()))
		require.NoError(t, err)
		assert.ErrorContains(t, f.Validate(), key)
	}
}

func TestOtherFiles(t *testing.T) {
	f, err := decode(encode(t, []KV{{Key: "general.type", Value: "imatrix"}}, nil))
	require.NoError(t, err)
	assert.Equal(t, Other, f.Kind())
	assert.ErrorContains(t, f.Validate(), "holds no model")
}

// bigVocabulary writes a model with 150,000 tokens.
func bigVocabulary(t testing.TB) (path string) {
	kvs := with(with(llamaKV(), "tokenizer.ggml.tokens", nil), "tokenizer.ggml.scores", nil)
	tokens, scores, types := make([]string, 150_000), make([]float32, 150_000), make([]int32, 150_000)
	var merges []string
	for i := range tokens {
		tokens[i], types[i] = fmt.Sprintf("token%d", i), 1
		merges = append(merges, fmt.Sprintf("left%d right%d", i, i))
	}
	for key, v := range map[string]any{"tokenizer.ggml.tokens": tokens, "tokenizer.ggml.scores": scores,
		"tokenizer.ggml.token_type": types, "tokenizer.ggml.merges": merges} {
		kvs = with(kvs, key, v)
	}
	tensors := llamaTensors()
	tensors[0] = tensor("token_embd.weight", F16, 8, uint64(len(tokens)))
	return writeFile(t, "big.gguf", encode(t, kvs, tensors))
}

func BenchmarkOpen(b *testing.B) {
	path := bigVocabulary(b)
	for _, o := range []Options{{}, {MaxArray: 64}} {
		b.Run(fmt.Sprintf("MaxArray=%d", o.MaxArray), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				f, err := OpenWith(path, o)
				require.NoError(b, err)
				if o.MaxArray == 0 {
					require.NoError(b, f.Validate())
				}
			}
		})
	}
}

func ExampleWrite() {
	var file bytes.Buffer
	weights := make([]byte, 4*2*3)
	err := Write(&file, []KV{{Key: "general.architecture", Value: "demo"}}, []TensorData{
		{Tensor: Tensor{Name: "w", Type: F32, Shape: []uint64{2, 3}}, Data: bytes.NewReader(weights)},
	})
	if err != nil {
		panic(err)
	}
	f, err := Read(bytes.NewReader(file.Bytes()), int64(file.Len()), "demo.gguf", Options{})
	if err != nil {
		panic(err)
	}
	fmt.Println(f.Arch(), f.Tensor("w").Shape, f.ParameterCount())
	// Output: demo [2 3] 6
}
