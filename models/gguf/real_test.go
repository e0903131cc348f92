package gguf_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/puna-ai/puna/internal/testmodel"
	"github.com/puna-ai/puna/models/gguf"
)

// TestRealFiles reads the built-in model, which was trained and exported by another
// writer, and a synthetic one.
func TestRealFiles(t *testing.T) {
	for _, path := range []string{"../builtin/guide.gguf", testmodel.Path(t)} {
		f, err := gguf.Open(path)
		require.NoError(t, err)
		assert.NoError(t, f.Validate())
		assert.Equal(t, "llama", f.Arch())
		assert.Positive(t, f.ContextLength())
		assert.Len(t, f.Array("tokenizer.ggml.tokens").Strings(), f.VocabSize())
		assert.NotEmpty(t, f.ChatTemplate(""))
	}
}
