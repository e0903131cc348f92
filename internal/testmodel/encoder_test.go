package testmodel_test

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/puna-ai/puna/internal/testmodel"
	"github.com/puna-ai/puna/models/gguf"
)

// Every architecture passes the checks that files go through before llama.cpp.
func TestArchitecturesAreValid(t *testing.T) {
	for pooling := range 5 {
		encoder, decoder := testmodel.Encoder, testmodel.Tiny
		decoder.Arch = "qwen3"
		shapes := []testmodel.Shape{encoder, decoder}
		if pooling == 0 {
			shapes = append(shapes, testmodel.Gemma3, testmodel.Mamba2, testmodel.Granite)
		}
		for _, s := range shapes {
			s.Pooling = pooling
			path := filepath.Join(t.TempDir(), "m.gguf")
			require.NoError(t, testmodel.Write(path, s))
			f, err := gguf.Open(path)
			require.NoError(t, err)
			require.NoError(t, f.Validate())
			require.Equal(t, s.Arch, f.Arch())
			got, _ := f.Uint(".pooling_type")
			require.EqualValues(t, pooling, got)
		}
	}
	for name, s := range map[string]testmodel.Shape{
		"architecture":       {Arch: "gpt5"},
		"pooling":            {Pooling: 5},
		"bert with KV heads": {Arch: "bert"},
		"llama that ranks":   {Pooling: 4},
	} {
		wrong := testmodel.Tiny
		wrong.Arch, wrong.Pooling = s.Arch, s.Pooling
		require.Error(t, testmodel.Write(filepath.Join(t.TempDir(), "m.gguf"), wrong), name)
	}
}
