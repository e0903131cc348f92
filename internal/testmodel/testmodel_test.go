package testmodel_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/puna-ai/puna/internal/testmodel"
)

func TestWriteIsDeterministic(t *testing.T) {
	small := testmodel.Shape{Name: "small", Embd: 64, Layers: 1, Heads: 4, KVHeads: 2, FF: 128, Vocab: testmodel.MinVocab, Ctx: 512}
	write := func(s testmodel.Shape) []byte {
		path := filepath.Join(t.TempDir(), "m.gguf")
		require.NoError(t, testmodel.Write(path, s))
		b, err := os.ReadFile(path)
		require.NoError(t, err)
		return b
	}
	a, b := write(small), write(small)
	require.True(t, bytes.Equal(a, b), "the same shape gives other bytes")
	require.Equal(t, "GGUF", string(a[:4]))
	require.Zero(t, len(a)%32, "the last tensor is padded")

	small.Seed = 1
	require.False(t, bytes.Equal(a, write(small)), "another seed gives the same bytes")
}

func TestWriteRefuses(t *testing.T) {
	ok := testmodel.Tiny
	for name, change := range map[string]func(*testmodel.Shape){
		"no layers":          func(s *testmodel.Shape) { s.Layers = 0 },
		"heads don't divide": func(s *testmodel.Shape) { s.Heads = 7 },
		"KV heads":           func(s *testmodel.Shape) { s.KVHeads = 3 },
		"small vocabulary":   func(s *testmodel.Shape) { s.Vocab = 10 },
	} {
		t.Run(name, func(t *testing.T) {
			s := ok
			change(&s)
			dir := t.TempDir()
			require.Error(t, testmodel.Write(filepath.Join(dir, "m.gguf"), s))
			left, err := os.ReadDir(dir)
			require.NoError(t, err)
			require.Empty(t, left)
		})
	}
}

func TestByName(t *testing.T) {
	s, err := testmodel.ByName("llama1b")
	require.NoError(t, err)
	require.Equal(t, testmodel.Llama1B, s)
	_, err = testmodel.ByName("llama2b")
	require.ErrorContains(t, err, "llama2b")
}
