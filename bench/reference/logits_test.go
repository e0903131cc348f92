package reference_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/puna-ai/puna/cgo/kernels"
	"github.com/puna-ai/puna/cgo/llama"
	"github.com/puna-ai/puna/internal/testmodel"
)

// TestLogitsTogether measures how far the logits of eight sequences in one batch
// lie from those of each alone: what the rounding of kernels for more rows makes.
func TestLogitsTogether(t *testing.T) {
	_, err := kernels.Load(kernels.Options{})
	require.NoError(t, err)
	m, err := llama.LoadModelFromFile(testmodel.Path(t), llama.ModelDefaultParams())
	require.NoError(t, err)
	defer m.Close()
	const n = 8
	prompts := make([][]llama.Token, n)
	for i := range prompts {
		prompts[i], err = m.Vocab().Tokenize(text(uint64(i), 30+5*i), true, false)
		require.NoError(t, err)
	}
	together := lastLogits(t, m, prompts)
	var largest, spread float64
	for i, prompt := range prompts {
		alone := lastLogits(t, m, [][]llama.Token{prompt})[0]
		for k, v := range alone {
			largest = max(largest, math.Abs(float64(v-together[i][k])))
			spread = max(spread, math.Abs(float64(v)))
		}
	}
	t.Logf("largest difference %g of logits up to %g", largest, spread)
	assert.Less(t, largest, spread/100)
}

// lastLogits decodes prompts in one batch and copies the logits of each one's last
// token.
func lastLogits(t *testing.T, m *llama.Model, prompts [][]llama.Token) [][]float32 {
	params := llama.ContextDefaultParams()
	params.NCtx, params.NBatch, params.NUbatch, params.NSeqMax = 2048, 1024, 1024, uint32(len(prompts))
	params.NThreads, params.NThreadsBatch, params.KVUnified = threads, threads, true
	c, err := m.InitFromModel(params)
	require.NoError(t, err)
	defer c.Close()
	b, err := llama.NewBatch(1024, 0, 1)
	require.NoError(t, err)
	defer b.Close()
	var rows []int
	for id, prompt := range prompts {
		for pos, token := range prompt {
			last := pos == len(prompt)-1
			if last {
				rows = append(rows, b.Len())
			}
			require.NoError(t, b.Add(token, llama.Pos(pos), []llama.SeqID{llama.SeqID(id)}, last))
		}
	}
	require.NoError(t, c.Decode(b))
	logits := make([][]float32, len(rows))
	for i, row := range rows {
		logits[i] = append([]float32(nil), c.GetLogitsIth(row)...)
	}
	return logits
}
