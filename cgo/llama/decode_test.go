package llama

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/puna-ai/puna/cgo/ggml"
	"github.com/puna-ai/puna/internal/testmodel"
)

func TestDecodeLogits(t *testing.T) {
	noLeaks(t)
	m := loadTiny(t)
	c, b := contextOf(t, m, nil), batchOf(t, 32)
	toks := prompt(10)
	b.Clear()
	for i, tok := range toks {
		require.NoError(t, b.Add(tok, Pos(i), []SeqID{0}, i >= 8))
	}
	require.NoError(t, c.Decode(b))
	for _, none := range []int{0, 7, 10, 127, 128, 1 << 20, -3, -1 << 30} {
		assert.Nil(t, c.GetLogitsIth(none), "row %d", none)
	}
	last := append([]float32(nil), c.GetLogitsIth(-1)...)
	require.Len(t, last, testmodel.Tiny.Vocab)
	assert.Equal(t, last, c.GetLogitsIth(9))
	assert.Equal(t, c.GetLogitsIth(8), c.GetLogitsIth(-2))
	assert.NotEqual(t, last, c.GetLogitsIth(8))

	// The same tokens one by one give the same logits, up to rounding.
	require.NoError(t, c.MemoryClear(true))
	for i, tok := range toks {
		feed(t, c, b, 1, Pos(i), tok)
	}
	assert.InDeltaSlice(t, last, c.GetLogitsIth(-1), 1e-3)
	assert.Nil(t, c.GetEmbeddingsIth(0), "embeddings are off")
	assert.Nil(t, c.GetEmbeddingsSeq(1))
}

func TestDecodeErrors(t *testing.T) {
	m := loadTiny(t)
	c := contextOf(t, m, func(p *ContextParams) { p.NCtx, p.NBatch, p.NUbatch, p.NSeqMax = 256, 128, 64, 2 })
	b := batchOf(t, 256)
	fill := func(n int, tok Token, pos Pos, id SeqID) *Batch {
		b.Clear()
		for i := range n {
			require.NoError(t, b.Add(tok, pos+Pos(i), []SeqID{id}, false))
		}
		return b
	}
	assert.ErrorIs(t, c.Decode(fill(0, 1, 0, 0)), ErrInvalidBatch)
	assert.ErrorIs(t, c.Decode(fill(129, 1, 0, 0)), ErrInvalidBatch, "over n_batch: llama.cpp would abort")
	assert.ErrorContains(t, c.Encode(fill(1, 1, 0, 0)), "no encoder", "llama.cpp would crash")
	assert.ErrorIs(t, c.Decode(fill(1, 1, -1, 0)), ErrInvalidBatch, "llama.cpp would abort")
	b.Clear()
	require.NoError(t, b.Add(1, 0, []SeqID{0, 0}, false))
	assert.ErrorContains(t, c.Decode(b), "twice in sequence 0", "llama.cpp would abort")
	assert.ErrorIs(t, c.Decode(fill(1, 1, 0, 2)), ErrInvalidBatch, "no such sequence")
	assert.ErrorIs(t, c.Decode(fill(1, 1, 0, -1)), ErrInvalidBatch)
	assert.ErrorContains(t, c.Decode(fill(1, -5, 0, 0)), "invalid token[0] = -5")
	assert.ErrorIs(t, c.Decode(fill(1, Token(m.Vocab().NTokens()), 0, 0)), ErrInvalidBatch)
	require.NoError(t, c.Decode(fill(4, 1, 0, 0)))
	assert.ErrorIs(t, c.Decode(fill(1, 1, 9, 0)), ErrInvalidBatch, "a gap in the positions")
	assert.Equal(t, Pos(3), c.MemorySeqPosMax(0))

	require.NoError(t, c.Decode(fill(124, 1, 4, 0)))
	require.NoError(t, c.Decode(fill(128, 1, 0, 1)))
	assert.ErrorIs(t, c.Decode(fill(1, 1, 128, 0)), ErrNoKVSlot)
	assert.Nil(t, c.GetLogitsIth(-1))
	ok, err := c.MemorySeqRm(1, -1, -1)
	require.NoError(t, err)
	require.True(t, ok)
	require.NoError(t, c.Decode(fill(1, 1, 128, 0)))

	c.SetCausalAttn(false)
	assert.ErrorIs(t, c.Decode(fill(65, 1, 129, 0)), ErrInvalidBatch, "over n_ubatch, not causal: llama.cpp would abort")
	c.SetCausalAttn(true)
}

func TestAModelWithoutWeightsComputesNothing(t *testing.T) {
	p := ModelDefaultParams()
	p.NoAlloc, p.UseMmap = true, false
	m, err := LoadModelFromFile(testmodel.Path(t), p)
	require.NoError(t, err)
	defer m.Close()
	b := batchOf(t, 1)
	require.NoError(t, b.Add(1, 0, []SeqID{0}, true))
	assert.ErrorContains(t, contextOf(t, m, nil).Decode(b), "NoAlloc")

	p = ModelDefaultParams()
	p.VocabOnly = true
	v, err := LoadModelFromFile(testmodel.Path(t), p)
	require.NoError(t, err)
	defer v.Close()
	_, err = v.InitFromModel(ContextDefaultParams())
	assert.ErrorContains(t, err, "VocabOnly")
}

func TestAbort(t *testing.T) {
	m := loadTiny(t)
	c, b := contextOf(t, m, nil), batchOf(t, 32)
	assert.False(t, c.Aborted())
	c.SetAbort(true)
	assert.True(t, c.Aborted())
	require.NoError(t, b.Add(1, 0, []SeqID{0}, true))
	assert.ErrorIs(t, c.Decode(b), ErrAborted)
	assert.Nil(t, c.GetLogitsIth(-1))
	c.SetAbort(false)
	require.NoError(t, c.MemoryClear(true))
	assert.NoError(t, c.Decode(b))
}

func TestSequencesShareABatch(t *testing.T) {
	m := loadTiny(t)
	c, b := contextOf(t, m, nil), batchOf(t, 64)
	toks := prompt(6)
	feed(t, c, b, 0, 0, toks...)
	alone := append([]float32(nil), c.GetLogitsIth(-1)...)
	require.NoError(t, c.MemoryClear(true))
	for i, tok := range toks {
		require.NoError(t, b.Add(tok, Pos(i), []SeqID{1, 3}, i == 5))
	}
	b.Clear()
	for i, tok := range toks {
		require.NoError(t, b.Add(tok, Pos(i), []SeqID{1, 3}, i == 5))
	}
	require.NoError(t, c.Decode(b))
	assert.InDeltaSlice(t, alone, c.GetLogitsIth(-1), 1e-3)
	assert.Equal(t, Pos(5), c.MemorySeqPosMax(1))
	assert.Equal(t, Pos(5), c.MemorySeqPosMax(3))
	assert.Equal(t, Pos(-1), c.MemorySeqPosMax(2))
}

func TestEmbeddings(t *testing.T) {
	m := loadTiny(t)
	toks := prompt(5)
	pooled := func(p PoolingType) *Context {
		return contextOf(t, m, func(cp *ContextParams) { cp.Embeddings, cp.PoolingType = true, p })
	}
	b := batchOf(t, 8)
	for i, tok := range toks {
		require.NoError(t, b.Add(tok, Pos(i), []SeqID{2}, true))
	}

	none := pooled(PoolingNone)
	assert.Equal(t, PoolingNone, none.PoolingType())
	require.NoError(t, none.Decode(b))
	rows := make([][]float32, len(toks))
	for i := range rows {
		rows[i] = none.GetEmbeddingsIth(i)
		require.Len(t, rows[i], m.NEmbd())
	}
	assert.Nil(t, none.GetEmbeddingsSeq(2))

	mean := pooled(PoolingMean)
	require.NoError(t, mean.Decode(b))
	assert.Nil(t, mean.GetEmbeddingsIth(0), "only sequences have embeddings")
	got := mean.GetEmbeddingsSeq(2)
	require.Len(t, got, m.NEmbd())
	want := make([]float32, m.NEmbd())
	for _, row := range rows {
		for i, x := range row {
			want[i] += x / float32(len(rows))
		}
	}
	assert.InDeltaSlice(t, want, got, 1e-3)
	assert.Nil(t, mean.GetEmbeddingsSeq(0))

	last := pooled(PoolingLast)
	require.NoError(t, last.Decode(b))
	assert.InDeltaSlice(t, rows[4], last.GetEmbeddingsSeq(2), 1e-3)

	b.Logits()[0] = 0
	assert.ErrorContains(t, mean.Decode(b), "token 0 has none", "llama.cpp would abort")
	mean.SetEmbeddings(false)
	require.NoError(t, mean.MemoryClear(true))
	require.NoError(t, mean.Decode(b))
	assert.NotNil(t, mean.GetLogitsIth(-1))
}

func TestEmbeddingInput(t *testing.T) {
	m := loadTiny(t)
	c := contextOf(t, m, nil)
	b, err := NewBatch(4, m.NEmbdInp(), 2)
	require.NoError(t, err)
	defer b.Close()
	vec := make([]float32, m.NEmbdInp())
	for i := range vec {
		vec[i] = float32(i%7) - 3
	}
	require.NoError(t, b.AddEmbd(vec, 0, []SeqID{0}, true))
	assert.ErrorIs(t, b.AddEmbd(vec[1:], 1, []SeqID{0}, true), ErrInvalidBatch)
	assert.ErrorIs(t, b.Add(1, 1, []SeqID{0}, true), ErrInvalidBatch)
	require.NoError(t, c.Decode(b))
	assert.NotNil(t, c.GetLogitsIth(0))

	wrong, err := NewBatch(1, m.NEmbdInp()*2, 1)
	require.NoError(t, err)
	defer wrong.Close()
	require.NoError(t, wrong.AddEmbd(make([]float32, 2*len(vec)), 1, []SeqID{0}, true))
	assert.ErrorContains(t, c.Decode(wrong), "width")
}

func TestBatch(t *testing.T) {
	noLeaks(t)
	b, err := NewBatch(2, 0, 2)
	require.NoError(t, err)
	assert.Equal(t, 2, b.Cap())
	require.NoError(t, b.Add(5, 9, []SeqID{3, 4}, true))
	assert.ErrorIs(t, b.Add(5, 9, []SeqID{1, 2, 3}, true), ErrTooManySeqs)
	assert.ErrorIs(t, b.Add(5, 9, nil, true), ErrTooManySeqs)
	require.NoError(t, b.Add(6, 10, []SeqID{1}, false))
	assert.ErrorIs(t, b.Add(7, 11, []SeqID{1}, false), ErrBatchFull)
	assert.Equal(t, 2, b.Len())
	assert.Equal(t, []Token{5, 6}, b.Tokens())
	assert.Equal(t, []Pos{9, 10}, b.Pos())
	assert.Equal(t, []int8{1, 0}, b.Logits())
	assert.Equal(t, []SeqID{3, 4}, b.SeqIDs(0))
	assert.Equal(t, []SeqID{1}, b.SeqIDs(1))
	assert.Nil(t, b.Embd())
	b.Clear()
	assert.Zero(t, b.Len())
	require.NoError(t, b.SetLen(2))
	assert.ErrorIs(t, b.SetLen(3), ErrBatchFull)
	assert.ErrorIs(t, b.SetLen(-1), ErrBatchFull)
	b.Close()
	b.Close()
	assert.PanicsWithValue(t, "llama: use of a closed Batch", func() { b.Len() })
	for _, bad := range [][3]int{{0, 0, 1}, {1, -1, 1}, {1, 0, 0}, {1, 0, 1 << 20}, {1 << 30, 0, 1}} {
		_, err := NewBatch(bad[0], bad[1], bad[2])
		assert.Error(t, err)
	}
}

func TestContextParams(t *testing.T) {
	noLeaks(t)
	m := loadTiny(t)
	c := contextOf(t, m, func(p *ContextParams) {
		p.TypeK, p.TypeV, p.FlashAttnType = ggml.Q8_0, ggml.Q8_0, FlashAttnEnabled
	})
	assert.Equal(t, 512, c.NCtx())
	assert.Equal(t, 512, c.NCtxSeq())
	assert.Equal(t, 128, c.NBatch())
	assert.Equal(t, 64, c.NUbatch())
	assert.Equal(t, 4, c.NSeqMax())
	assert.True(t, c.HasMemory())
	assert.Same(t, m, c.GetModel())
	require.NoError(t, c.SetNThreads(2, 1))
	assert.Equal(t, int32(2), c.NThreads())
	assert.Equal(t, int32(1), c.NThreadsBatch())
	assert.Error(t, c.SetNThreads(0, 1))
	feed(t, c, batchOf(t, 8), 0, 0, prompt(4)...)

	for name, change := range map[string]func(*ContextParams){
		"n_seq_max 0":           func(p *ContextParams) { p.NSeqMax = 0 },
		"n_seq_max":             func(p *ContextParams) { p.NSeqMax = 257 },
		"n_batch 0":             func(p *ContextParams) { p.NBatch = 0 },
		"n_ctx":                 func(p *ContextParams) { p.NCtx = 1 << 31 },
		"threads":               func(p *ContextParams) { p.NThreads = 0 },
		"too many threads":      func(p *ContextParams) { p.NThreadsBatch = 513 },
		"pooling":               func(p *ContextParams) { p.PoolingType = 77 },
		"attention":             func(p *ContextParams) { p.AttentionType = 2 },
		"rope":                  func(p *ContextParams) { p.RopeScalingType = 4 },
		"flash attention":       func(p *ContextParams) { p.FlashAttnType = 2 },
		"type of K":             func(p *ContextParams) { p.TypeK = ggml.Q4K },
		"type of V":             func(p *ContextParams) { p.TypeV = 999 },
		"quantized V, no flash": func(p *ContextParams) { p.TypeV, p.FlashAttnType = ggml.Q8_0, FlashAttnDisabled },
	} {
		p := ContextDefaultParams()
		change(&p)
		_, err := m.InitFromModel(p)
		assert.Error(t, err, name)
	}
	assert.Equal(t, "auto", FlashAttnAuto.String())
}

func TestThreadpool(t *testing.T) {
	m := loadTiny(t)
	c, b := contextOf(t, m, func(p *ContextParams) { p.NThreads, p.NThreadsBatch = 2, 2 }), batchOf(t, 16)
	feed(t, c, b, 0, 0, prompt(5)...)
	want := append([]float32(nil), c.GetLogitsIth(-1)...)

	cpu, ok := ggml.DeviceByType(ggml.CPU)
	require.True(t, ok)
	pool, err := ggml.NewThreadpool(cpu.Reg(), ggml.ThreadpoolParams{Threads: 2})
	require.NoError(t, err)
	defer pool.Close()
	c.AttachThreadpool(pool, nil)
	require.NoError(t, c.MemoryClear(true))
	feed(t, c, b, 0, 0, prompt(5)...)
	assert.Equal(t, want, c.GetLogitsIth(-1))
	c.DetachThreadpool()
	require.NoError(t, c.MemoryClear(true))
	feed(t, c, b, 0, 0, prompt(5)...)
	assert.Equal(t, want, c.GetLogitsIth(-1))
}

func TestPerf(t *testing.T) {
	m := loadTiny(t)
	c, b := contextOf(t, m, func(p *ContextParams) { p.NoPerf = false }), batchOf(t, 16)
	feed(t, c, b, 0, 0, prompt(5)...)
	c.Synchronize()
	p := c.PerfContext()
	assert.Equal(t, 5, p.NPEval)
	assert.Positive(t, p.TPEval)
	c.PerfContextReset()
	assert.Zero(t, c.PerfContext().TPEval)
	c.SetWarmup(true)
	c.SetWarmup(false)
	c.MemoryBreakdownPrint()
}

func TestArgmax(t *testing.T) {
	assert.Equal(t, TokenNull, Argmax(nil))
	for n := 1; n < 70; n++ {
		logits := make([]float32, n)
		for i := range logits {
			logits[i] = -float32(n)
		}
		for i := range logits {
			logits[i] = float32(i)
			assert.Equal(t, Token(i), Argmax(logits))
		}
		logits[0] = logits[n-1]
		assert.Equal(t, Token(0), Argmax(logits), "the first of equals")
	}
}
