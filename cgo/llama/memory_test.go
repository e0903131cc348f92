package llama

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func logitsCopy(c *Context) []float32 { return append([]float32(nil), c.GetLogitsIth(-1)...) }

func TestMemorySeqs(t *testing.T) {
	m := loadTiny(t)
	c, b := contextOf(t, m, nil), batchOf(t, 64)
	toks := prompt(12)
	feed(t, c, b, 0, 0, toks...)
	want := logitsCopy(c)
	assert.Equal(t, Pos(0), c.MemorySeqPosMin(0))
	assert.Equal(t, Pos(11), c.MemorySeqPosMax(0))

	// A shared prefix and the rest computed give what the whole gives.
	require.NoError(t, c.MemorySeqCp(0, 2, 0, 8))
	assert.Equal(t, Pos(7), c.MemorySeqPosMax(2))
	feed(t, c, b, 2, 8, toks[8:]...)
	assert.InDeltaSlice(t, want, logitsCopy(c), 1e-3)

	ok, err := c.MemorySeqRm(2, 5, -1)
	require.NoError(t, err)
	require.True(t, ok)
	assert.Equal(t, Pos(4), c.MemorySeqPosMax(2))
	assert.Equal(t, Pos(11), c.MemorySeqPosMax(0), "the other owner keeps its cells")

	require.NoError(t, c.MemorySeqKeep(2))
	assert.Equal(t, Pos(-1), c.MemorySeqPosMax(0))
	assert.Equal(t, Pos(4), c.MemorySeqPosMax(2))
	ok, err = c.MemorySeqRm(-1, -1, -1)
	require.NoError(t, err)
	assert.True(t, ok)
	assert.Equal(t, Pos(-1), c.MemorySeqPosMin(2))
}

func TestMemoryShift(t *testing.T) {
	m := loadTiny(t)
	c, b := contextOf(t, m, nil), batchOf(t, 64)
	require.True(t, c.MemoryCanShift())
	feed(t, c, b, 0, 0, prompt(10)...)
	ok, err := c.MemorySeqRm(0, 2, 5)
	require.NoError(t, err)
	require.True(t, ok)
	require.NoError(t, c.MemorySeqAdd(0, 5, -1, -3))
	assert.Equal(t, Pos(6), c.MemorySeqPosMax(0))
	feed(t, c, b, 0, 7, 50)
	require.NoError(t, c.MemorySeqDiv(0, 0, -1, 2))
	assert.Equal(t, Pos(3), c.MemorySeqPosMax(0))
	assert.Error(t, c.MemorySeqDiv(0, 0, -1, 0))
}

// llama.cpp aborts on each of these.
func TestMemoryOutOfRange(t *testing.T) {
	m := loadTiny(t)
	c := contextOf(t, m, nil)
	for _, id := range []SeqID{-1, 4, 256, 1 << 30} {
		assert.Error(t, c.MemorySeqCp(0, id, -1, -1))
		assert.Error(t, c.MemorySeqCp(id, 0, -1, -1))
		assert.Error(t, c.MemorySeqKeep(id))
		assert.Error(t, c.MemorySeqAdd(id, 0, 1, 1))
		assert.Error(t, c.MemorySeqDiv(id, 0, 1, 2))
		assert.Equal(t, Pos(-1), c.MemorySeqPosMin(id))
		assert.Equal(t, Pos(-1), c.MemorySeqPosMax(id))
		_, err := c.StateSeqGetSize(id, 0)
		assert.Error(t, err)
		_, err = c.StateSeqSetData(make([]byte, 100), id, 0)
		assert.Error(t, err)
	}
	_, err := c.MemorySeqRm(4, 0, 1)
	assert.Error(t, err)

	split := contextOf(t, m, func(p *ContextParams) { p.KVUnified = false; p.NCtx = 1024 })
	b := batchOf(t, 8)
	feed(t, split, b, 0, 0, prompt(4)...)
	assert.Error(t, split.MemorySeqCp(0, 1, 0, 2), "a part, in memory that isn't unified")
	require.NoError(t, split.MemorySeqCp(0, 1, -1, -1))
	assert.Equal(t, Pos(3), split.MemorySeqPosMax(1))
}

func TestStateSeq(t *testing.T) {
	m := loadTiny(t)
	c, b := contextOf(t, m, nil), batchOf(t, 64)
	toks := prompt(12)
	feed(t, c, b, 1, 0, toks[:11]...)
	size, err := c.StateSeqGetSize(1, 0)
	require.NoError(t, err)
	state := make([]byte, size)
	n, err := c.StateSeqGetData(state, 1, 0)
	require.NoError(t, err)
	assert.Equal(t, size, n)
	feed(t, c, b, 1, 11, toks[11])
	want := logitsCopy(c)

	other := contextOf(t, m, nil)
	n, err = other.StateSeqSetData(state, 3, 0)
	require.NoError(t, err)
	assert.Equal(t, size, n)
	assert.Equal(t, Pos(10), other.MemorySeqPosMax(3))
	feed(t, other, b, 3, 11, toks[11])
	assert.InDeltaSlice(t, want, logitsCopy(other), 1e-3)

	_, err = c.StateSeqGetData(state[:size-1], 1, 0)
	assert.Error(t, err, "too short")
	_, err = other.StateSeqSetData(state[:size/2], 2, 0)
	assert.Error(t, err, "truncated")
	_, err = other.StateSeqSetData(nil, 2, 0)
	assert.Error(t, err, "empty")
}

// A state cut anywhere is an error, and leaves nothing behind that fails.
func TestStateSeqTruncated(t *testing.T) {
	m := loadPath(t, smallPath(t))
	c, b := contextOf(t, m, nil), batchOf(t, 64)
	feed(t, c, b, 1, 0, prompt(8)...)
	size, err := c.StateSeqGetSize(1, 0)
	require.NoError(t, err)
	state := make([]byte, size)
	_, err = c.StateSeqGetData(state, 1, 0)
	require.NoError(t, err)
	for n := 0; n < size; n += 1 + n/16 {
		_, err := c.StateSeqSetData(state[:n], 2, 0)
		assert.Error(t, err, "%d of %d bytes", n, size)
	}
	feed(t, c, b, 1, 8, 50)
}

func TestStateFiles(t *testing.T) {
	m := loadTiny(t)
	c, b := contextOf(t, m, nil), batchOf(t, 64)
	toks := prompt(12)
	feed(t, c, b, 0, 0, toks[:11]...)
	dir := t.TempDir()
	whole, seq := filepath.Join(dir, "whole"), filepath.Join(dir, "seq")
	require.NoError(t, c.StateSaveFile(whole, toks[:11]))
	n, err := c.StateSeqSaveFile(seq, 0, toks[:11])
	require.NoError(t, err)
	info, err := os.Stat(seq)
	require.NoError(t, err)
	assert.EqualValues(t, info.Size(), n)
	feed(t, c, b, 0, 11, toks[11])
	want := logitsCopy(c)

	other := contextOf(t, m, nil)
	got, err := other.StateLoadFile(whole, 100)
	require.NoError(t, err)
	assert.Equal(t, toks[:11], got)
	assert.Nil(t, other.GetLogitsIth(-1))
	feed(t, other, b, 0, 11, toks[11])
	assert.InDeltaSlice(t, want, logitsCopy(other), 1e-3)

	got, err = other.StateSeqLoadFile(seq, 2, 100)
	require.NoError(t, err)
	assert.Equal(t, toks[:11], got)
	feed(t, other, b, 2, 11, toks[11])
	assert.InDeltaSlice(t, want, logitsCopy(other), 1e-3)

	_, err = other.StateSeqLoadFile(seq, 2, 3)
	assert.ErrorContains(t, err, "exceeded capacity")
	_, err = other.StateLoadFile(seq, 100)
	assert.ErrorContains(t, err, "magic")
	_, err = other.StateLoadFile(filepath.Join(dir, "none"), 100)
	assert.ErrorContains(t, err, "none")
	_, err = c.StateSeqSaveFile(filepath.Join(dir, "no", "folder"), 0, nil)
	assert.Error(t, err)
	assert.Error(t, c.StateSaveFile(filepath.Join(dir, "no", "folder"), nil))
}

func TestState(t *testing.T) {
	m := loadTiny(t)
	c, b := contextOf(t, m, nil), batchOf(t, 64)
	toks := prompt(6)
	feed(t, c, b, 0, 0, toks[:5]...)
	size, err := c.StateGetSize()
	require.NoError(t, err)
	state := make([]byte, size)
	n, err := c.StateGetData(state)
	require.NoError(t, err)
	assert.LessOrEqual(t, n, size)
	feed(t, c, b, 0, 5, toks[5])
	want := logitsCopy(c)
	other := contextOf(t, m, nil)
	_, err = other.StateSetData(state[:n])
	require.NoError(t, err)
	feed(t, other, b, 0, 5, toks[5])
	assert.InDeltaSlice(t, want, logitsCopy(other), 1e-3)
	_, err = other.StateSetData(state[:20])
	assert.Error(t, err)
	_, err = c.StateGetData(nil)
	assert.Error(t, err)
}

// What PartialOnly leaves out of a model with plain attention is everything.
func TestStateSeqPartial(t *testing.T) {
	m := loadTiny(t)
	c, b := contextOf(t, m, nil), batchOf(t, 64)
	feed(t, c, b, 0, 0, prompt(10)...)
	whole, err := c.StateSeqGetSize(0, 0)
	require.NoError(t, err)
	part, err := c.StateSeqGetSize(0, StateSeqPartialOnly)
	require.NoError(t, err)
	t.Logf("whole %d, partial %d", whole, part)
	assert.LessOrEqual(t, part, whole)
}
