package llama

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A step of generation (batch, decode, logits, sample, piece) doesn't allocate in Go,
// whatever the size of the vocabulary.
func TestStepAllocatesNothing(t *testing.T) {
	m := loadTiny(t)
	v := m.Vocab()
	c, b := contextOf(t, m, nil), batchOf(t, 8)
	feed(t, c, b, 0, 0, prompt(8)...)
	cands := candidatesOf(t, v.NTokens())
	pen, err := SamplerInitPenalties(64, 1.1, 0, 0)
	require.NoError(t, err)
	chain := chainOf(t, pen, SamplerInitTopK(40), SamplerInitTopP(0.9, 1), SamplerInitTemp(0.8), SamplerInitDist(1))
	greedy := chainOf(t, SamplerInitGreedy())

	tok, pos := Token(50), Pos(8)
	seqs := []SeqID{0}
	piece := make([]byte, 0, 64)
	step := func() {
		b.Clear()
		assertNil(b.Add(tok, pos, seqs, true))
		assertNil(c.Decode(b))
		logits := c.GetLogitsIth(-1)
		tok = Argmax(logits)
		_, err := greedy.Sample(cands, logits, true)
		assertNil(err)
		assertNil(cands.FillTopK(logits, 40))
		assertNil(chain.Apply(cands))
		tok, err = chain.Sample(cands, logits, true)
		assertNil(err)
		piece = v.AppendPiece(piece[:0], tok, 0, true)
		if v.IsEOG(tok) || c.MemorySeqPosMax(0) != pos {
			tok = 50
		}
		pos++
	}
	assert.Zero(t, testing.AllocsPerRun(100, step))
}

// assertNil fails without allocating.
func assertNil(err error) {
	if err != nil {
		panic(err)
	}
}

func BenchmarkSample128k(b *testing.B) {
	const n = 128256
	logits := randomLogits(1, n)
	cands := candidatesOf(b, n)
	b.Run("argmax", func(b *testing.B) {
		for b.Loop() {
			Argmax(logits)
		}
	})
	b.Run("fill", func(b *testing.B) {
		for b.Loop() {
			assertNil(cands.Fill(logits))
		}
	})
	b.Run("top-k 40", func(b *testing.B) {
		for b.Loop() {
			assertNil(cands.FillTopK(logits, 40))
		}
	})
	chain := chainOf(b, SamplerInitTopK(40), SamplerInitTopP(0.9, 1), SamplerInitTemp(0.8), SamplerInitDist(1))
	b.Run("chain", func(b *testing.B) {
		for b.Loop() {
			_, err := chain.Sample(cands, logits, true)
			assertNil(err)
		}
	})
	tail := chainOf(b, SamplerInitTopP(0.9, 1), SamplerInitTemp(0.8), SamplerInitDist(1))
	b.Run("top-k 40 then chain", func(b *testing.B) {
		for b.Loop() {
			assertNil(cands.FillTopK(logits, 40))
			assertNil(tail.Apply(cands))
			assertNil(tail.Accept(cands.Selected()))
		}
	})
}

func BenchmarkTokenToPiece(b *testing.B) {
	v := loadTiny(b).Vocab()
	buf := make([]byte, 0, 64)
	for b.Loop() {
		buf = v.AppendPiece(buf[:0], 261, 0, false)
	}
}
