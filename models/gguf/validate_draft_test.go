package gguf

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestDraftsHaveTheSameVocabulary(t *testing.T) {
	model, err := decode(encode(t, llamaKV(), llamaTensors()))
	require.NoError(t, err)
	tokens := model.Array("tokenizer.ggml.tokens").Strings()
	changed := append([]string{}, tokens...)
	changed[1] = "other"
	cases := []struct {
		key   string
		value any
		text  string
	}{
		{"general.name", "small", ""},
		{"tokenizer.ggml.tokens", append(tokens[:len(tokens):len(tokens)], "<pad>"), ""},
		{"tokenizer.ggml.tokens", changed, "since their tokens 1 are \"other\" and"},
		{"tokenizer.ggml.tokens", make([]string, len(tokens)+maxPadding+1), "tokens: take a model of the same family"},
		{"tokenizer.ggml.model", "gpt2", "their tokenizers are \"gpt2\" and"},
		{"tokenizer.ggml.eos_token_id", uint32(5), "eos_token_ids are 5 and"},
		{"general.type", "adapter", "is no model that could draft"},
	}
	for _, c := range cases {
		f, err := decode(encode(t, with(llamaKV(), c.key, c.value), llamaTensors()))
		require.NoError(t, err)
		if err := f.ValidateDraft(model); c.text == "" {
			assert.NoError(t, err)
		} else {
			assert.ErrorContains(t, err, c.text)
		}
	}
}
