package fit

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
)

var (
	// Llama 3.2 1B: 16 layers, 8 KV heads of 64
	llama1B = Model{Weights: 770 << 20, Embedding: 2048, FeedForward: 8192, Heads: 2048, Vocabulary: 128256, Cell: 16 * 2 * 8 * 64}
	half    = Type{Elements: 1, Bytes: 2}
	eighth  = Type{Elements: 32, Bytes: 34} // q8_0
)

func TestCells(t *testing.T) {
	c := Context{Cells: 8192, Batch: 512, Sequences: 64, CellType: half}
	assert.Equal(t, int64(256<<20), Of(llama1B, c).Cache, "32 KiB for each token")
	c.CellType = eighth
	assert.Equal(t, int64(136<<20), Of(llama1B, c).Cache)
	recurrent := Model{State: 1 << 20}
	assert.Equal(t, int64(64<<22), Of(recurrent, c).Cache, "a state for each sequence, none for cells")
}

func TestStatesNeedNoMask(t *testing.T) {
	recurrent := Model{State: 1 << 20, Embedding: 2048}
	few, many := Context{Cells: 4096, Batch: 512, Sequences: 8, CellType: half}, Context{Cells: 65536, Batch: 512, Sequences: 8, CellType: half}
	assert.Equal(t, Of(recurrent, few), Of(recurrent, many))
	recurrent.Cell = 1024 // a hybrid
	assert.Less(t, Of(recurrent, few).Compute, Of(recurrent, many).Compute)
}

func TestMoreTakesMore(t *testing.T) {
	small := Context{Cells: 4096, Batch: 128, Sequences: 8, CellType: half}
	least := Of(llama1B, small)
	for _, c := range []Context{
		{Cells: 8192, Batch: 128, Sequences: 8, CellType: half},
		{Cells: 4096, Batch: 512, Sequences: 8, CellType: half},
		{Cells: 4096, Batch: 128, Sequences: 64, CellType: half},
	} {
		assert.Greater(t, Of(llama1B, c).Total(), least.Total(), "%+v", c)
	}
	small.CellType = eighth
	assert.Less(t, Of(llama1B, small).Total(), least.Total())
}

func TestAbsurdNumbersDontOverflow(t *testing.T) {
	huge := int64(math.MaxInt64)
	e := Of(Model{Weights: 1, Vocabulary: 1 << 31, Cell: huge, State: huge}, Context{Cells: huge, Batch: 1 << 20, Sequences: 256, CellType: half})
	assert.Positive(t, e.Cache)
	assert.Positive(t, e.Compute)
	assert.Positive(t, 1000*e.Total())
}

func TestSplitKeepsTheSum(t *testing.T) {
	e := Estimate{Weights: 1000, Cache: 100, Compute: 11}
	for _, share := range []float64{0, 0.3, 1} {
		m := e.Split(share)
		assert.Equal(t, e.Total(), m.Host+m.Device)
	}
	assert.Zero(t, e.Split(0).Device)
	assert.Zero(t, e.Split(1).Host)
}

func TestWithin(t *testing.T) {
	m := Memory{Host: 5, Device: 3}
	assert.True(t, m.Within(Memory{}), "zero is unknown")
	assert.True(t, m.Within(Memory{Host: 5, Device: 3}))
	assert.False(t, m.Within(Memory{Host: 4}))
	assert.False(t, m.Within(Memory{Host: 5, Device: 2}))
	assert.Equal(t, Memory{Host: 6, Device: 3}, m.Add(Memory{Host: 1}))
}
