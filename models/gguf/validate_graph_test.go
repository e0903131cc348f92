package gguf

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestValidateGraph(t *testing.T) {
	experts := func(name string) []KV {
		return with(with(arch(name), name+".expert_count", uint32(4)), name+".expert_used_count", uint32(2))
	}
	lfm := with(arch("lfm2"), "lfm2.shortconv.l_cache", uint32(3))
	sound := arch("wavtokenizer-dec")
	for key, n := range map[string]uint32{"posnet.block_count": 2, "convnext.block_count": 2,
		"posnet.embedding_length": 8, "convnext.embedding_length": 8, "attention.group_norm_groups": 4} {
		sound = with(sound, "wavtokenizer-dec."+key, n)
	}
	for _, c := range []struct {
		kvs  []KV
		text string
	}{
		{with(llamaKV(), "llama.pooling_type", uint32(4)), ""},
		{with(llamaKV(), "llama.pooling_type", uint32(5)), "from 0 to 4"},
		{with(llamaKV(), "llama.expert_gating_func", uint32(9)), "from 0 to 3"},
		{with(llamaKV(), "llama.nextn_predict_layers", uint32(1)), ""},
		{with(llamaKV(), "llama.nextn_predict_layers", uint32(2)), "from 0 to 1"},
		{with(llamaKV(), "llama.decoder_block_count", uint32(3)), "from 0 to 2"},
		{with(llamaKV(), "llama.n_deepstack_layers", uint32(1<<31)), "from 0 to 2"},
		{arch("t5encoder"), "relative_buckets_count is missing"},
		{with(arch("t5"), "t5.attention.relative_buckets_count", uint32(1)), "from 4 to"},
		{with(arch("deepseek2"), "deepseek2.attention.temperature_scale", float32(0.1)), "temperature_length is missing"},
		{arch("qwen3next"), "expert_used_count is missing"},
		{arch("dots1"), "expert_gating_func is missing"},
		{with(experts("dots1"), "dots1.expert_gating_func", uint32(2)), ""},
		{with(arch("lfm2moe"), "lfm2moe.shortconv.l_cache", uint32(3)), "expert_count is missing"},
		{with(with(lfm, "lfm2.attention.key_length", uint32(4)), "lfm2.attention.value_length", uint32(2)), "keys (4) and values (2)"},
		{arch("rwkv6"), `"blk.0.time_mix_lerp_w.weight" is missing`},
		{sound, ""},
		{with(sound, "wavtokenizer-dec.posnet.block_count", uint32(3)), "from 0 to 2"},
		{with(sound, "wavtokenizer-dec.convnext.block_count", uint32(600)), "from 0 to 2"},
		{with(sound, "wavtokenizer-dec.convnext.embedding_length", uint32(16)), "from 8 to 8"},
		{with(sound, "wavtokenizer-dec.attention.group_norm_groups", uint32(0)), "from 1 to 8"},
	} {
		f, err := decode(encode(t, c.kvs, llamaTensors()))
		require.NoError(t, err)
		switch {
		case c.text == "":
			assert.NoError(t, f.Validate())
		case otherLlama && f.Arch() == "llama": // it may know more values
		default:
			assert.ErrorContains(t, f.Validate(), c.text)
		}
	}
}

func TestValidateCharsmap(t *testing.T) {
	kvs := with(with(llamaKV(), "tokenizer.ggml.model", "t5"), "tokenizer.ggml.unknown_token_id", uint32(0))
	for _, c := range []struct {
		data []byte
		ok   bool
	}{
		{[]byte{4, 0, 0, 0, 1, 2, 3, 4, 'a', 0}, true},
		{[]byte{}, true},
		{[]byte{4, 0, 0, 0, 1, 2, 3, 4, 'a', 'b'}, false}, // a text without an end
		{[]byte{6, 0, 0, 0, 1, 2, 3, 4, 'a', 0}, false},   // a table that isn't there
		{[]byte{255, 255, 255, 255, 1, 0}, false},
		{[]byte{0, 0, 0}, false},
	} {
		f, err := decode(encode(t, with(kvs, "tokenizer.ggml.precompiled_charsmap", c.data), llamaTensors()))
		require.NoError(t, err)
		if c.ok {
			assert.NoError(t, f.Validate())
		} else {
			assert.ErrorContains(t, f.Validate(), "precompiled_charsmap")
		}
	}
}

func TestWordPiecesAreNoBytes(t *testing.T) {
	kvs := with(with(llamaKV(), "tokenizer.ggml.model", "bert"), "tokenizer.ggml.token_type", []int32{-1, 3, 3, 1, 1, 6})
	for _, id := range []string{"unknown", "bos", "seperator", "mask"} {
		kvs = with(kvs, "tokenizer.ggml."+id+"_token_id", uint32(1))
	}
	f, err := decode(encode(t, kvs, llamaTensors()))
	require.NoError(t, err)
	assert.ErrorContains(t, f.Validate(), "token 5 is a byte")
}

func TestValidateRWKV(t *testing.T) {
	for tokens, text := range map[[6]string]string{
		{"a", "ab", `\n`, `\x0ab`, `\\`, `\\\t`}: "",
		{"a", "b", "ab", "c", "d", "e"}:          "no newline token",
		{"a", `\n`, "bc", "c", "d", "e"}:         "begin with the byte 0x62",
		{"a", `\n`, `\xe4\xb8`, "c", "d", ""}:    "begin with the byte",
	} {
		f, err := decode(encode(t, with(with(llamaKV(), "tokenizer.ggml.model", "rwkv"), "tokenizer.ggml.tokens", tokens[:]), llamaTensors()))
		require.NoError(t, err)
		if text == "" {
			assert.NoError(t, f.Validate())
		} else {
			assert.ErrorContains(t, f.Validate(), text)
		}
	}
	assert.Equal(t, "a\t\n\r\\q\x0a\xfe", string(unescape([]byte(`a\t\n\r\\\q\x0a\xfe\x1`))))
}
