package llama

// #include <stdlib.h>
// #include "shim.h"
import "C"

import (
	"errors"
	"fmt"
	"math"
	"unsafe"
)

// TokenData mirrors struct llama_token_data: a candidate, its logit, and its
// probability once a sampler has computed it.
type TokenData struct {
	ID    Token
	Logit float32
	P     float32
}

// candidates is the C memory behind Candidates.
type candidates struct {
	array C.struct_llama_token_data_array
	err   *C.char
	data  *C.struct_llama_token_data // the allocation; samplers may move array.data
}

// Candidates is what samplers work on: tokens with logits. It wraps struct
// llama_token_data_array with room for a vocabulary in C memory, reused from token to
// token. Use one per goroutine that samples.
type Candidates struct {
	h   handle[*candidates]
	cap int
}

// NewCandidates makes room for a vocabulary of n tokens, 12 bytes each. The caller
// closes it.
func NewCandidates(n int) (*Candidates, error) {
	if n < 1 || n > math.MaxInt32 {
		return nil, fmt.Errorf("llama: room for %d candidates: need at least 1", n)
	}
	p := (*candidates)(C.calloc(1, C.size_t(unsafe.Sizeof(candidates{}))))
	p.data = (*C.struct_llama_token_data)(C.calloc(C.size_t(n), C.size_t(unsafe.Sizeof(TokenData{}))))
	p.array.data = p.data
	c := &Candidates{cap: n}
	c.h.open(kindCandidates, p)
	return c, nil
}

// Close frees the memory. Idempotent.
func (c *Candidates) Close() {
	if p, ok := c.h.close(); ok {
		C.free(unsafe.Pointer(p.data))
		C.free(unsafe.Pointer(p))
	}
}

// reset gives the array its own memory back.
func (c *Candidates) reset(n int) (*candidates, error) {
	p := c.h.ptr()
	if n < 1 || n > c.cap {
		return nil, fmt.Errorf("llama: %d logits for candidates with room for %d", n, c.cap)
	}
	p.array.data = p.data
	return p, nil
}

var errNaN = errors.New("llama: the logits hold NaN or infinity: the model computes nonsense")

// Fill makes every token a candidate, in the order of the vocabulary, with its logit.
// Logits with NaN or infinity are an error: samplers abort on them.
func (c *Candidates) Fill(logits []float32) error {
	p, err := c.reset(len(logits))
	if err != nil {
		return err
	}
	if !C.puna_candidates_fill(&p.array, (*C.float)(unsafe.SliceData(logits)), C.int32_t(len(logits))) {
		return errNaN
	}
	return nil
}

// FillTopK makes the k tokens with the highest logits candidates, sorted, in one
// pass. Among equal logits the lower token wins, while llama.cpp's top-k sampler
// leaves that open. k is at least 1.
func (c *Candidates) FillTopK(logits []float32, k int) error {
	p, err := c.reset(len(logits))
	if err != nil {
		return err
	}
	k = min(max(k, 1), len(logits))
	if !C.puna_candidates_top_k(&p.array, (*C.float)(unsafe.SliceData(logits)), C.int32_t(len(logits)), C.int32_t(k)) {
		return errNaN
	}
	return nil
}

// Data is a view of the candidates, valid until the next call with them.
func (c *Candidates) Data() []TokenData {
	p := c.h.ptr()
	return unsafe.Slice((*TokenData)(unsafe.Pointer(p.array.data)), int(p.array.size))
}

// Sorted reports whether the candidates are in order of falling logits.
func (c *Candidates) Sorted() bool { return bool(c.h.ptr().array.sorted) }

// SetLen keeps the first n candidates, no more than there are.
func (c *Candidates) SetLen(n int) {
	p := c.h.ptr()
	p.array.size = C.size_t(min(max(n, 0), int(p.array.size)))
}

// Selected returns the token that a sampler has selected, or TokenNull.
func (c *Candidates) Selected() Token {
	p := c.h.ptr()
	i := int64(p.array.selected)
	if i < 0 || i >= int64(p.array.size) {
		return TokenNull
	}
	return c.Data()[i].ID
}
