package gguf

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// llamaKV is the metadata of a llama model with 2 layers, 8 wide, and 6 tokens.
func llamaKV() []KV {
	return []KV{
		{Key: "general.architecture", Value: "llama"},
		{Key: "general.name", Value: "tiny"},
		{Key: "llama.context_length", Value: uint32(128)},
		{Key: "llama.embedding_length", Value: uint32(8)},
		{Key: "llama.block_count", Value: uint32(2)},
		{Key: "llama.feed_forward_length", Value: uint32(16)},
		{Key: "llama.attention.head_count", Value: uint32(4)},
		{Key: "llama.attention.head_count_kv", Value: uint32(2)},
		{Key: "llama.attention.layer_norm_rms_epsilon", Value: float32(1e-5)},
		{Key: "llama.rope.dimension_count", Value: uint32(2)},
		{Key: "tokenizer.ggml.model", Value: "llama"},
		{Key: "tokenizer.ggml.tokens", Value: []string{"<unk>", "<s>", "</s>", "a", "b", ""}},
		{Key: "tokenizer.ggml.scores", Value: []float32{0, 0, 0, -1, -2, -3}},
		{Key: "tokenizer.ggml.token_type", Value: []int32{2, 3, 3, 1, 1, 1}},
		{Key: "tokenizer.ggml.bos_token_id", Value: uint32(1)},
		{Key: "tokenizer.ggml.padding_token_id", Value: uint32(noToken)},
		{Key: "tokenizer.chat_template", Value: "{{ messages }}"},
	}
}

func llamaTensors() []TensorData {
	tensors := []TensorData{tensor("token_embd.weight", F16, 8, 6), tensor("output_norm.weight", F32, 8)}
	for i := range 2 {
		name := func(s string) string { return fmt.Sprintf("blk.%d.%s.weight", i, s) }
		tensors = append(tensors, tensor(name("attn_norm"), F32, 8), tensor(name("ffn_norm"), F32, 8),
			tensor(name("attn_q"), F16, 8, 8), tensor(name("attn_k"), F16, 8, 4), tensor(name("attn_v"), F16, 8, 4),
			tensor(name("attn_output"), F16, 8, 8), tensor(name("ffn_gate"), F16, 8, 16),
			tensor(name("ffn_up"), F16, 8, 16), tensor(name("ffn_down"), F16, 16, 8))
	}
	return tensors
}

// tensor makes a tensor whose bytes all hold its name's length.
func tensor(name string, t TensorType, shape ...uint64) TensorData {
	d := TensorData{Tensor: Tensor{Name: name, Type: t, Shape: shape}}
	d.Data = bytes.NewReader(bytes.Repeat([]byte{byte(len(name))}, int(d.Bytes())))
	return d
}

// with replaces, adds or (value nil) removes metadata.
func with(kvs []KV, key string, value any) []KV {
	i := slices.IndexFunc(kvs, func(kv KV) bool { return kv.Key == key })
	switch {
	case value == nil:
		return slices.Delete(slices.Clone(kvs), i, i+1)
	case i < 0:
		return append(slices.Clone(kvs), KV{Key: key, Value: value})
	}
	kvs = slices.Clone(kvs)
	kvs[i].Value = value
	return kvs
}

func encode(t testing.TB, kvs []KV, tensors []TensorData) []byte {
	var buf bytes.Buffer
	require.NoError(t, Write(&buf, kvs, tensors))
	return buf.Bytes()
}

func decode(data []byte) (*File, error) {
	return Read(bytes.NewReader(data), int64(len(data)), "test.gguf", Options{})
}

func writeFile(t testing.TB, name string, data []byte) string {
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, data, 0o644))
	return path
}
