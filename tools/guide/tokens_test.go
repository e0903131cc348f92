package guide

import (
	"encoding/json"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/puna-ai/puna/cgo/llama"
	"github.com/puna-ai/puna/models/builtin"
)

// The model was trained on the ids of another tokenizer; llama.cpp's must be the same.
func TestTokensAreThoseOfTheTraining(t *testing.T) {
	data, err := os.ReadFile("testdata/tokens.json")
	require.NoError(t, err)
	var samples []struct {
		Text string
		IDs  []llama.Token
	}
	require.NoError(t, json.Unmarshal(data, &samples))
	require.NotEmpty(t, samples)

	m, _ := builtin.Get("guide")
	path, err := m.File(t.TempDir())
	require.NoError(t, err)
	params := llama.ModelDefaultParams()
	params.VocabOnly = true
	model, err := llama.LoadModelFromFile(path, params)
	require.NoError(t, err)
	defer model.Close()
	for _, s := range samples {
		ids, err := model.Vocab().Tokenize(s.Text, true, true)
		require.NoError(t, err)
		assert.Equal(t, s.IDs, append([]llama.Token{}, ids...), "%q", s.Text)
	}
}
