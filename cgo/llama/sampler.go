package llama

// #include "shim.h"
import "C"

import (
	"errors"
	"fmt"
	"runtime"
	"unsafe"
)

// Sampler changes or selects candidates, and may remember accepted tokens. It wraps
// struct llama_sampler. Not safe for concurrent use; different samplers may be used
// by different goroutines.
//
// After Accept or Apply has failed, the sampler answers with that error until Reset.
type Sampler struct {
	h      handle[*C.struct_llama_sampler]
	models []*Model // retained: the vocabularies that it points to
	parent *Sampler // the chain that owns it, for ChainGet
	chain  bool
	lazy   *lazy // of the sampler, or of one in the chain
	err    error
}

// lazy counts the text that a lazy grammar matches its patterns with, in bytes.
type lazy struct {
	vocab *Vocab
	bytes int
}

// newSampler takes ownership of p, and of one reference to each model.
func newSampler(p *C.struct_llama_sampler, models ...*Model) *Sampler {
	for _, m := range models {
		m.retain()
	}
	s := &Sampler{models: models}
	s.h.open(kindSampler, p)
	return s
}

func (s *Sampler) ptr() *C.struct_llama_sampler {
	if s.parent != nil {
		s.parent.ptr()
	}
	return s.h.ptr()
}

// Close wraps llama_sampler_free: of a chain, with its samplers. Idempotent; on a
// sampler that a chain owns it does nothing.
func (s *Sampler) Close() {
	if s.parent != nil {
		return
	}
	if p, ok := s.h.close(); ok {
		C.llama_sampler_free(p)
		s.releaseModels()
	}
}

func (s *Sampler) releaseModels() {
	for _, m := range s.models {
		m.release()
	}
	s.models = nil
}

// Name wraps llama_sampler_name.
func (s *Sampler) Name() string {
	defer runtime.KeepAlive(s)
	return C.GoString(C.llama_sampler_name(s.ptr()))
}

// Accept wraps llama_sampler_accept: the token becomes part of the text. A token that
// a grammar forbids is an error that wraps [ErrGrammar], and nothing is accepted.
func (s *Sampler) Accept(t Token) error {
	defer runtime.KeepAlive(s)
	p := s.ptr()
	if s.err != nil {
		return s.err
	}
	var text *C.char
	var ok C.bool
	if s.lazy != nil {
		s.lazy.bytes += s.lazy.vocab.pieceLen(t)
		if s.lazy.bytes > deepest {
			s.err = fmt.Errorf("%w: a lazy grammar sleeps for more than %d bytes", ErrGrammar, deepest)
			return s.err
		}
		ok = C.puna_sampler_accept_deep(p, C.llama_token(t), C.size_t(stackFor(s.lazy.bytes)), &text)
	} else {
		ok = C.puna_sampler_accept(p, C.llama_token(t), &text)
	}
	if !ok {
		s.err = fmt.Errorf("%w: accept token %d: %s", ErrGrammar, t, take(text))
	}
	return s.err
}

// Apply wraps llama_sampler_apply: changes cands, and a final sampler selects one.
// It is an error when every token is forbidden (by a grammar, or a logit bias) before
// the last sampler, or a temperature makes infinite logits: llama.cpp would abort.
func (s *Sampler) Apply(cands *Candidates) error {
	defer runtime.KeepAlive(s)
	p, c := s.ptr(), cands.h.ptr()
	if s.err != nil {
		return s.err
	}
	if c.array.size == 0 {
		return errors.New("llama: apply a sampler to no candidates")
	}
	if !C.puna_sampler_apply(p, &c.array, &c.err) {
		s.err = failed("apply the sampler", c.take())
	}
	return s.err
}

// Sample fills cands from logits, applies s, which must end with a sampler that
// selects, and returns the selected token; accept accepts it too. It is one C call
// without a Go allocation, what llama_sampler_sample does with memory of its own.
// Errors are those of [Candidates.Fill], Apply and Accept.
func (s *Sampler) Sample(cands *Candidates, logits []float32, accept bool) (Token, error) {
	defer runtime.KeepAlive(s)
	p := s.ptr()
	if s.err != nil {
		return TokenNull, s.err
	}
	c, err := cands.reset(len(logits))
	if err != nil {
		return TokenNull, err
	}
	t := Token(C.puna_sampler_sample(p, &c.array, (*C.float)(unsafe.SliceData(logits)), C.int32_t(len(logits)), C.bool(accept && s.lazy == nil), &c.err))
	if c.err != nil {
		s.err = failed("sample", c.take())
		return TokenNull, s.err
	}
	if accept && s.lazy != nil {
		return t, s.Accept(t)
	}
	return t, nil
}

// take gives up the error text.
func (c *candidates) take() *C.char {
	text := c.err
	c.err = nil
	return text
}

// Reset wraps llama_sampler_reset: forgets accepted tokens; random numbers start over.
func (s *Sampler) Reset() error {
	defer runtime.KeepAlive(s)
	var text *C.char
	if !C.puna_sampler_reset(s.ptr(), &text) {
		s.err = failed("reset the sampler", text)
		return s.err
	}
	s.err = nil
	if s.lazy != nil {
		s.lazy.bytes = 0
	}
	return nil
}

// Clone wraps llama_sampler_clone: a copy with its state. The caller closes it.
func (s *Sampler) Clone() (*Sampler, error) {
	defer runtime.KeepAlive(s)
	p := s.ptr()
	if s.err != nil {
		return nil, s.err
	}
	var text *C.char
	c := C.puna_sampler_clone(p, &text)
	if c == nil {
		return nil, failed("clone the sampler", text)
	}
	clone := newSampler(c, s.models...)
	clone.chain = s.chain
	if s.lazy != nil {
		clone.lazy = &lazy{vocab: s.lazy.vocab, bytes: s.lazy.bytes}
	}
	return clone, nil
}

// GetSeed wraps llama_sampler_get_seed: of a chain, the last sampler's that has one;
// [DefaultSeed] if none has.
func (s *Sampler) GetSeed() uint32 {
	defer runtime.KeepAlive(s)
	return uint32(C.llama_sampler_get_seed(s.ptr()))
}

// SamplerChainInit wraps llama_sampler_chain_init: samplers applied one after the
// other. noPerf skips measuring times. The caller closes it.
func SamplerChainInit(noPerf bool) *Sampler {
	params := C.llama_sampler_chain_default_params()
	params.no_perf = C.bool(noPerf)
	s := newSampler(C.llama_sampler_chain_init(params))
	s.chain = true
	return s
}

// chainPtr panics unless s is a chain: llama.cpp would treat any sampler as one.
func (s *Sampler) chainPtr() *C.struct_llama_sampler {
	if !s.chain {
		panic("llama: a " + s.Name() + " sampler is not a chain")
	}
	return s.ptr()
}

// ChainAdd wraps llama_sampler_chain_add: the chain owns each sampler from then on,
// and using one by its old handle panics.
func (s *Sampler) ChainAdd(samplers ...*Sampler) {
	defer runtime.KeepAlive(s)
	for _, add := range samplers {
		if add == s || add.parent != nil {
			panic("llama: a sampler added to a chain twice")
		}
		add.ptr()
		p, _ := add.h.close()
		C.llama_sampler_chain_add(s.chainPtr(), p)
		s.models = append(s.models, add.models...)
		add.models = nil
		if add.lazy != nil {
			s.lazy = add.lazy
		}
	}
}

// ChainGet wraps llama_sampler_chain_get: sampler i, which the chain still owns, or
// nil if there is none.
func (s *Sampler) ChainGet(i int) *Sampler {
	defer runtime.KeepAlive(s)
	if i < 0 || i >= s.ChainN() {
		return nil
	}
	get := &Sampler{parent: s, lazy: s.lazy}
	get.h.p, get.h.kind = C.llama_sampler_chain_get(s.chainPtr(), C.int32_t(i)), kindSampler
	return get
}

// ChainN wraps llama_sampler_chain_n.
func (s *Sampler) ChainN() int {
	defer runtime.KeepAlive(s)
	return int(C.llama_sampler_chain_n(s.chainPtr()))
}

// ChainRemove wraps llama_sampler_chain_remove: takes sampler i out; the caller
// closes it. Nil if there is none. What ChainGet returned for it must not be used.
func (s *Sampler) ChainRemove(i int) *Sampler {
	defer runtime.KeepAlive(s)
	if i < 0 || i >= s.ChainN() {
		return nil
	}
	removed := newSampler(C.llama_sampler_chain_remove(s.chainPtr(), C.int32_t(i)), s.models...)
	removed.lazy = s.lazy
	return removed
}

// PerfSamplerData mirrors struct llama_perf_sampler_data.
type PerfSamplerData struct {
	TSample float64 // milliseconds
	NSample int
}

// PerfSampler wraps llama_perf_sampler, of a chain. TSample is only the time of
// Accept: Apply and Sample run the chain's samplers one by one.
func (s *Sampler) PerfSampler() PerfSamplerData {
	defer runtime.KeepAlive(s)
	p := C.llama_perf_sampler(s.chainPtr())
	return PerfSamplerData{TSample: float64(p.t_sample_ms), NSample: int(p.n_sample)}
}

// PerfSamplerReset wraps llama_perf_sampler_reset, of a chain.
func (s *Sampler) PerfSamplerReset() {
	defer runtime.KeepAlive(s)
	C.llama_perf_sampler_reset(s.chainPtr())
}
