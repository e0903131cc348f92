package engine

import (
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/puna-ai/puna/cgo/llama"
	"github.com/puna-ai/puna/engine/embedding"
)

// meanRows bounds a step in which every row has an output: a row of logits for each.
const meanRows = 128

// embedCore is what both kinds of backend are made of.
type embedCore struct {
	c       *llama.Context
	batch   *llama.Batch
	turn    sync.Locker
	pooling llama.PoolingType
	id      [1]llama.SeqID
}

func (b *embedCore) SetAbort(on bool) { b.c.SetAbort(on) }

func (b *embedCore) Close() {
	b.c.Close()
	b.batch.Close()
}

func (b *embedCore) add(t llama.Token, pos, seq int, output bool) error {
	b.id[0] = llama.SeqID(seq)
	return b.batch.Add(t, llama.Pos(pos), b.id[:], output)
}

// decode computes the batch, in turn with others.
func (b *embedCore) decode() error {
	b.turn.Lock()
	defer b.turn.Unlock()
	err := b.c.Decode(b.batch)
	if errors.Is(err, llama.ErrAborted) {
		return embedding.ErrAborted
	}
	return err
}

// pooled is a copy of the vector that llama.cpp made of a sequence.
func (b *embedCore) pooled(seq int) ([]float32, error) {
	v := b.c.GetEmbeddingsSeq(llama.SeqID(seq))
	if v == nil {
		return nil, fmt.Errorf("sequence %d has no embedding", seq)
	}
	return slices.Clone(v), nil
}

// wholeBackend computes inputs of which each must be in one ubatch: encoders, and
// decoders whose tokens attend to those after them. llama.cpp pools.
type wholeBackend struct{ embedCore }

// Compute implements [embedding.Backend]; a batch is one step.
func (b *wholeBackend) Compute(inputs [][]embedding.Token, _ int) ([][]float32, error) {
	if err := b.c.MemoryClear(false); err != nil {
		return nil, err
	}
	b.batch.Clear()
	for seq, tokens := range inputs {
		for pos, t := range tokens {
			if err := b.add(t, pos, seq, true); err != nil {
				return nil, err
			}
		}
	}
	if err := b.decode(); err != nil {
		return nil, err
	}
	vectors := make([][]float32, len(inputs))
	for seq := range inputs {
		var err error
		if vectors[seq], err = b.pooled(seq); err != nil {
			return nil, err
		}
	}
	return vectors, nil
}

// causalBackend computes inputs of decoders in steps of any size.
type causalBackend struct{ embedCore }

// Compute implements [embedding.Backend].
func (b *causalBackend) Compute(inputs [][]embedding.Token, step int) ([][]float32, error) {
	if err := b.c.MemoryClear(false); err != nil {
		return nil, err
	}
	step = min(step, b.c.NBatch())
	p := &pooler{core: &b.embedCore, inputs: inputs, vectors: make([][]float32, len(inputs))}
	if b.pooling != llama.PoolingRank {
		if b.pooling == llama.PoolingMean {
			step = min(step, meanRows)
		}
		return p.vectors, p.steps(p.rows(0, 0), step, p.takeRow)
	}
	// The head takes the last token's vector, and pooling needs every row of a ubatch
	// to have an output. So the others are computed without pooling.
	b.c.SetEmbeddings(false)
	err := p.steps(p.rows(0, 1), step, nil)
	b.c.SetEmbeddings(true)
	if err != nil {
		return nil, err
	}
	return p.vectors, p.steps(p.rows(1, 0), step, p.takeHead)
}

// pooler computes the rows of some inputs and pools what comes out.
type pooler struct {
	core    *embedCore
	inputs  [][]embedding.Token
	vectors [][]float32
}

// row is a token in a batch.
type row struct{ seq, pos int }

// rows lists the tokens of all inputs: the last so many of each (0: all), without
// the last so many.
func (p *pooler) rows(last, without int) []row {
	var all []row
	for seq, tokens := range p.inputs {
		from := 0
		if last > 0 {
			from = len(tokens) - last
		}
		for pos := from; pos < len(tokens)-without; pos++ {
			all = append(all, row{seq, pos})
		}
	}
	return all
}

// steps decodes rows, so many at a time, and takes the outputs of each step; a nil
// take means that no row has one.
func (p *pooler) steps(rows []row, step int, take func(i int, r row) error) error {
	for chunk := range slices.Chunk(rows, step) {
		p.core.batch.Clear()
		for _, r := range chunk {
			if err := p.core.add(p.inputs[r.seq][r.pos], r.pos, r.seq, take != nil && p.wanted(r)); err != nil {
				return err
			}
		}
		if err := p.core.decode(); err != nil {
			return err
		}
		for i, r := range chunk {
			if take == nil || !p.wanted(r) {
				continue
			}
			if err := take(i, r); err != nil {
				return err
			}
		}
	}
	return nil
}

// wanted reports whether pooling needs a row.
func (p *pooler) wanted(r row) bool {
	switch p.core.pooling {
	case llama.PoolingMean:
		return true
	case llama.PoolingCLS:
		return r.pos == 0
	}
	return r.pos == len(p.inputs[r.seq])-1
}

// takeRow adds row i of the last step to its input's vector.
func (p *pooler) takeRow(i int, r row) error {
	v := p.core.c.GetEmbeddingsIth(i)
	if v == nil {
		return fmt.Errorf("token %d of input %d has no embedding", r.pos, r.seq)
	}
	if p.core.pooling != llama.PoolingMean {
		p.vectors[r.seq] = slices.Clone(v)
		return nil
	}
	if p.vectors[r.seq] == nil {
		p.vectors[r.seq] = make([]float32, len(v))
	}
	n := float32(len(p.inputs[r.seq]))
	for k, x := range v {
		p.vectors[r.seq][k] += x / n
	}
	return nil
}

// takeHead takes what the classification head made of the last token.
func (p *pooler) takeHead(_ int, r row) (err error) {
	p.vectors[r.seq], err = p.core.pooled(r.seq)
	return err
}
