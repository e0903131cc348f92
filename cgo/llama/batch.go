package llama

// #include <stdlib.h>
// #include "shim.h"
import "C"

import (
	"fmt"
	"runtime"
	"unsafe"
)

// nPosPerEmbd is how many positions M-RoPE gives to an embedding.
const nPosPerEmbd = 4

// Batch is the input of Decode and Encode: tokens, or embeddings, each with a
// position, its sequences, and whether its output is wanted. It wraps struct
// llama_batch, in C memory that is allocated once: filling it anew each step doesn't
// allocate. Not safe for concurrent use.
type Batch struct {
	h       handle[*C.struct_llama_batch]
	cap     int
	embd    int
	nSeqMax int
}

// maxBatch bounds NewBatch, so that sizes can't overflow.
const maxBatch = 1 << 24

// NewBatch wraps llama_batch_init: room for nTokens tokens, each in at most nSeqMax
// sequences. With embd > 0 it takes embeddings of that width instead of tokens. The
// caller closes it.
func NewBatch(nTokens, embd, nSeqMax int) (*Batch, error) {
	if nTokens < 1 || nTokens > maxBatch || embd < 0 || embd > maxBatch || nSeqMax < 1 || nSeqMax > MaxParallelSequences() {
		return nil, fmt.Errorf("llama: a batch of %d tokens, width %d, %d sequences each: out of range", nTokens, embd, nSeqMax)
	}
	c := (*C.struct_llama_batch)(C.malloc(C.size_t(unsafe.Sizeof(C.struct_llama_batch{}))))
	*c = C.llama_batch_init(C.int32_t(nTokens), C.int32_t(embd), C.int32_t(nSeqMax))
	if embd > 0 { // llama_batch_init has no room for M-RoPE's positions
		C.free(unsafe.Pointer(c.pos))
		c.pos = (*C.llama_pos)(C.calloc(C.size_t(nTokens*nPosPerEmbd), C.size_t(unsafe.Sizeof(C.llama_pos(0)))))
	}
	b := &Batch{cap: nTokens, embd: embd, nSeqMax: nSeqMax}
	b.h.open(kindBatch, c)
	return b, nil
}

// Close wraps llama_batch_free. Idempotent.
func (b *Batch) Close() {
	if c, ok := b.h.close(); ok {
		C.llama_batch_free(*c)
		C.free(unsafe.Pointer(c))
	}
}

// Pointer returns the struct llama_batch *, for other packages under cgo.
func (b *Batch) Pointer() unsafe.Pointer { return unsafe.Pointer(b.h.ptr()) }

// Len is the number of tokens, or embeddings, in the batch.
func (b *Batch) Len() int { return int(b.h.ptr().n_tokens) }

// Cap is how many the batch has room for.
func (b *Batch) Cap() int { return b.cap }

// Clear empties the batch.
func (b *Batch) Clear() { b.h.ptr().n_tokens = 0 }

// SetLen sets the length after filling the raw slices, which then cover it.
func (b *Batch) SetLen(n int) error {
	if n < 0 || n > b.cap {
		return fmt.Errorf("%w: length %d: need 0 to %d", ErrBatchFull, n, b.cap)
	}
	b.h.ptr().n_tokens = C.int32_t(n)
	return nil
}

// Add appends a token at position pos of each sequence in seqs; output keeps its
// logits (and embedding). It fails with [ErrBatchFull] or [ErrTooManySeqs], and the
// batch is as before. For a batch of embeddings use AddEmbd.
func (b *Batch) Add(t Token, pos Pos, seqs []SeqID, output bool) error {
	c := b.h.ptr()
	if c.token == nil {
		return fmt.Errorf("%w: a token added to a batch of embeddings", ErrInvalidBatch)
	}
	i := int(c.n_tokens)
	if err := b.add(c, i, pos, seqs, output); err != nil {
		return err
	}
	unsafe.Slice((*Token)(c.token), b.cap)[i] = t
	return nil
}

// AddEmbd appends an embedding of the batch's width, which is copied; see Add. For
// M-RoPE the other three positions are in Positions.
func (b *Batch) AddEmbd(embd []float32, pos Pos, seqs []SeqID, output bool) error {
	c := b.h.ptr()
	if b.embd == 0 || len(embd) != b.embd {
		return fmt.Errorf("%w: an embedding of width %d added to a batch of width %d", ErrInvalidBatch, len(embd), b.embd)
	}
	i := int(c.n_tokens)
	if err := b.add(c, i, pos, seqs, output); err != nil {
		return err
	}
	copy(unsafe.Slice((*float32)(c.embd), b.cap*b.embd)[i*b.embd:], embd)
	return nil
}

func (b *Batch) add(c *C.struct_llama_batch, i int, pos Pos, seqs []SeqID, output bool) error {
	if i >= b.cap {
		return ErrBatchFull
	}
	if len(seqs) == 0 || len(seqs) > b.nSeqMax {
		return ErrTooManySeqs
	}
	unsafe.Slice((*Pos)(c.pos), b.cap)[i] = pos
	unsafe.Slice((*int32)(c.n_seq_id), b.cap)[i] = int32(len(seqs))
	copy(unsafe.Slice((*SeqID)(unsafe.Slice(c.seq_id, b.cap)[i]), b.nSeqMax), seqs)
	var flag int8
	if output {
		flag = 1
	}
	unsafe.Slice((*int8)(c.logits), b.cap)[i] = flag
	c.n_tokens = C.int32_t(i + 1)
	return nil
}

// Tokens is a view of the tokens (Len,) in the batch; nil for embeddings. Like every
// raw slice it is valid until Close, and grows with Len up to Cap.
func (b *Batch) Tokens() []Token {
	defer runtime.KeepAlive(b)
	c := b.h.ptr()
	if c.token == nil {
		return nil
	}
	return unsafe.Slice((*Token)(c.token), b.cap)[:c.n_tokens]
}

// Embd is a view of the embeddings (Len, width); nil for tokens.
func (b *Batch) Embd() []float32 {
	c := b.h.ptr()
	if c.embd == nil {
		return nil
	}
	return unsafe.Slice((*float32)(c.embd), b.cap*b.embd)[:int(c.n_tokens)*b.embd]
}

// Pos is a view of the positions (Len,).
func (b *Batch) Pos() []Pos {
	c := b.h.ptr()
	return unsafe.Slice((*Pos)(c.pos), b.cap)[:c.n_tokens]
}

// Positions is a view of the positions of embeddings under M-RoPE, (4, Len): all
// first ones, then all second ones, and so on, as the batch is now. Nil for tokens.
func (b *Batch) Positions() []Pos {
	c := b.h.ptr()
	if c.embd == nil {
		return nil
	}
	return unsafe.Slice((*Pos)(c.pos), b.cap*nPosPerEmbd)[:int(c.n_tokens)*nPosPerEmbd]
}

// SeqIDs is a view of the sequences of token i.
func (b *Batch) SeqIDs(i int) []SeqID {
	c := b.h.ptr()
	n := unsafe.Slice((*int32)(c.n_seq_id), b.cap)[:c.n_tokens][i]
	return unsafe.Slice((*SeqID)(unsafe.Slice(c.seq_id, b.cap)[i]), b.nSeqMax)[:n]
}

// Logits is a view of the output flags (Len,), nonzero for an output.
func (b *Batch) Logits() []int8 {
	c := b.h.ptr()
	return unsafe.Slice((*int8)(c.logits), b.cap)[:c.n_tokens]
}
