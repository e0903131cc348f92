package llama

// #include "shim.h"
import "C"

import (
	"fmt"
	"math"
	"runtime"
	"slices"
	"unsafe"
)

// outputs remembers which rows of the last batch have outputs: llama.cpp aborts on a
// request for another.
type outputs struct {
	causal     bool   // attention of the next batch
	embeddings bool   // of the next batch
	embd       bool   // the last batch gave embeddings
	computed   bool   // there was a batch
	rows       []bool // (nBatch,), true: that row of the last batch has outputs
	n          int    // rows with outputs
}

func newOutputs(nBatch int, causal, embeddings bool) outputs {
	return outputs{causal: causal, embeddings: embeddings, rows: make([]bool, nBatch)}
}

// none forgets the outputs.
func (o *outputs) none() {
	clear(o.rows)
	o.n, o.embd = 0, false
}

// take records those of b. all: every row has outputs, whatever b asks for.
func (o *outputs) take(b *Batch, all bool) {
	o.none()
	for i, flag := range b.Logits() {
		if flag != 0 || all {
			o.rows[i] = true
			o.n++
		}
	}
	o.embd = o.embeddings
}

// has reports whether there are outputs for i, a row of the batch, or from the last
// output with outputs backwards for -1, -2 and so on.
func (o *outputs) has(i int) bool {
	if i < 0 {
		return -i <= o.n
	}
	return i < len(o.rows) && o.rows[i]
}

// Encode wraps llama_encode: the encoder's pass, without memory. The batch has at
// most NUbatch tokens. Errors are those of Decode.
func (c *Context) Encode(b *Batch) error {
	defer runtime.KeepAlive(c)
	defer runtime.KeepAlive(b)
	p := c.use()
	if c.mem != nil && !c.model.encoder {
		return fmt.Errorf("%w: encode: the model has no encoder", ErrInvalidBatch)
	}
	if err := c.checkBatch(b, c.shape.nUbatch); err != nil {
		return err
	}
	c.out.none()
	c.out.computed = true
	code := C.puna_encode(p, *b.h.ptr(), &c.cells.err)
	if code != 0 {
		return c.decodeError("encode", int(code))
	}
	c.encoded = true
	c.out.take(b, true)
	return nil
}

// Decode wraps llama_decode: computes b and appends it to the memory. The batch has
// at most NBatch tokens. Errors are, or wrap, [ErrNoKVSlot], [ErrAborted],
// [ErrInvalidBatch] or [ErrFatal]. On success it doesn't allocate.
func (c *Context) Decode(b *Batch) error {
	defer runtime.KeepAlive(c)
	defer runtime.KeepAlive(b)
	p := c.use()
	limit := c.shape.nBatch
	if !c.out.causal || c.mem == nil {
		limit = c.shape.nUbatch
	}
	if c.mem != nil && c.model.encoder && !c.encoded {
		return fmt.Errorf("%w: decode: the model has an encoder, which comes first: call Encode", ErrInvalidBatch)
	}
	if err := c.checkBatch(b, limit); err != nil {
		return err
	}
	c.out.none()
	c.out.computed = true
	code := C.puna_decode(p, *b.h.ptr(), &c.cells.err)
	if code != 0 {
		return c.decodeError("decode", int(code))
	}
	c.out.take(b, c.mem == nil)
	return nil
}

// checkBatch refuses what llama.cpp would abort on.
func (c *Context) checkBatch(b *Batch, limit int) error {
	n := b.Len()
	if n == 0 {
		return fmt.Errorf("%w: it is empty", ErrInvalidBatch)
	}
	if n > limit {
		return fmt.Errorf("%w: %d tokens: at most %d in one pass", ErrInvalidBatch, n, limit)
	}
	if c.model.noAlloc {
		return fmt.Errorf("%w: the model was loaded without its weights (NoAlloc)", ErrInvalidBatch)
	}
	if b.embd > 0 && b.embd != c.model.nEmbdInp {
		return fmt.Errorf("%w: embeddings of width %d: the model takes %d", ErrInvalidBatch, b.embd, c.model.nEmbdInp)
	}
	if b.embd == 0 && c.shape.nVocab == 0 {
		return fmt.Errorf("%w: tokens for a model without a vocabulary", ErrInvalidBatch)
	}
	if c.out.embeddings && c.shape.pooling != PoolingNone {
		for i, flag := range b.Logits() {
			if flag == 0 {
				return fmt.Errorf("%w: pooling needs an output of every token; token %d has none", ErrInvalidBatch, i)
			}
		}
	}
	return c.checkSeqs(b)
}

// checkSeqs refuses positions and sequence ids that aren't any: with a unified memory
// llama.cpp itself accepts ids up to its own maximum.
func (c *Context) checkSeqs(b *Batch) error {
	for i, pos := range b.Pos() {
		if pos < 0 {
			return fmt.Errorf("%w: position %d of token %d: need at least 0", ErrInvalidBatch, pos, i)
		}
		ids := b.SeqIDs(i)
		for n, id := range ids {
			if id < 0 || int(id) >= c.shape.nSeqMax {
				return fmt.Errorf("%w: sequence id %d of token %d: need 0 to %d", ErrInvalidBatch, id, i, c.shape.nSeqMax-1)
			}
			if slices.Contains(ids[:n], id) {
				return fmt.Errorf("%w: token %d is twice in sequence %d", ErrInvalidBatch, i, id)
			}
		}
	}
	return nil
}

// decodeError maps a code and the text that came with it.
func (c *Context) decodeError(what string, code int) error {
	text := c.cells.err
	c.cells.err = nil
	switch {
	case code == 1:
		return ErrNoKVSlot
	case code == 2:
		return ErrAborted
	case code == -1:
		return fmt.Errorf("%w: %s", ErrInvalidBatch, take(text))
	case code == C.PUNA_EXCEPTION:
		return fmt.Errorf("%w: %s: exception: %s", ErrFatal, what, take(text))
	default:
		return fmt.Errorf("%w: %s: code %d: %s", ErrFatal, what, code, take(text))
	}
}

// GetLogitsIth wraps llama_get_logits_ith: the logits (nVocab,) after row i of the
// last batch, or the last output for -1, the one before for -2. Nil if row i has no
// output. It is a view of the context's memory, valid until the next call of Decode,
// Encode or a state setter, or Close; llama.cpp reorders rows on the first call after
// a Decode, so take all views after that Decode on the owning goroutine. Views may be
// read, and written, by other goroutines.
func (c *Context) GetLogitsIth(i int) []float32 {
	defer runtime.KeepAlive(c)
	p := c.use()
	if !c.out.has(i) {
		return nil
	}
	return view(C.llama_get_logits_ith(p, C.int32_t(i)), c.shape.nVocab)
}

// GetEmbeddingsIth wraps llama_get_embeddings_ith: the embedding (nEmbd,) of row i
// of the last batch, with PoolingNone. Nil if there is none. A view, as of GetLogitsIth.
func (c *Context) GetEmbeddingsIth(i int) []float32 {
	defer runtime.KeepAlive(c)
	p := c.use()
	if !c.out.has(i) || !c.out.embd || c.shape.pooling != PoolingNone {
		return nil
	}
	return view(C.llama_get_embeddings_ith(p, C.int32_t(i)), c.shape.nEmbd)
}

// GetEmbeddingsSeq wraps llama_get_embeddings_seq: the pooled embedding (nEmbd,) of a
// sequence of the last batch, or with PoolingRank its scores (nClsOut,). Nil if
// there is none. A view, as of GetLogitsIth.
func (c *Context) GetEmbeddingsSeq(id SeqID) []float32 {
	defer runtime.KeepAlive(c)
	p := c.use()
	n := c.shape.nEmbd
	if c.shape.pooling == PoolingRank {
		n = c.shape.nClsOut
	}
	return view(C.llama_get_embeddings_seq(p, C.llama_seq_id(id)), n)
}

func view(p *C.float, n int) []float32 {
	if p == nil {
		return nil
	}
	return unsafe.Slice((*float32)(p), n)
}

// Argmax returns the first token with the highest logit, in one pass over them: what
// a greedy sampler selects. It returns TokenNull when a logit is NaN or infinity, or
// all are -infinity.
func Argmax(logits []float32) Token {
	if len(logits) == 0 || len(logits) > math.MaxInt32 {
		return TokenNull
	}
	return Token(C.puna_argmax((*C.float)(unsafe.SliceData(logits)), C.int32_t(len(logits))))
}
