package llama

// #include "shim.h"
import "C"

import (
	"errors"
	"fmt"
	"math"
	"runtime"
	"unsafe"
)

// DefaultSeed is LLAMA_DEFAULT_SEED: samplers draw a random seed for it.
const DefaultSeed uint32 = C.LLAMA_DEFAULT_SEED

// The samplers. Each is closed by the caller, unless a chain takes it.

// SamplerInitGreedy wraps llama_sampler_init_greedy: selects the highest logit.
func SamplerInitGreedy() *Sampler { return newSampler(C.llama_sampler_init_greedy()) }

// SamplerInitDist wraps llama_sampler_init_dist: draws by probability.
func SamplerInitDist(seed uint32) *Sampler {
	return newSampler(C.llama_sampler_init_dist(C.uint32_t(seed)))
}

// SamplerInitTopK wraps llama_sampler_init_top_k; k <= 0 keeps all.
func SamplerInitTopK(k int32) *Sampler {
	return newSampler(C.llama_sampler_init_top_k(C.int32_t(k)))
}

// SamplerInitTopP wraps llama_sampler_init_top_p (nucleus sampling); 1 keeps all.
func SamplerInitTopP(p float32, minKeep int) *Sampler {
	return newSampler(C.llama_sampler_init_top_p(C.float(p), C.size_t(max(minKeep, 0))))
}

// SamplerInitMinP wraps llama_sampler_init_min_p: keeps what has at least p times the
// highest probability.
func SamplerInitMinP(p float32, minKeep int) *Sampler {
	return newSampler(C.llama_sampler_init_min_p(C.float(p), C.size_t(max(minKeep, 0))))
}

// SamplerInitTypical wraps llama_sampler_init_typical (locally typical sampling,
// arXiv:2202.00666); 1 keeps all.
func SamplerInitTypical(p float32, minKeep int) *Sampler {
	return newSampler(C.llama_sampler_init_typical(C.float(p), C.size_t(max(minKeep, 0))))
}

// SamplerInitTemp wraps llama_sampler_init_temp: divides logits by t; t <= 0 keeps
// only the highest.
func SamplerInitTemp(t float32) *Sampler {
	return newSampler(C.llama_sampler_init_temp(C.float(t)))
}

// SamplerInitTempExt wraps llama_sampler_init_temp_ext: a temperature of t plus or
// minus delta by entropy (arXiv:2309.02772).
func SamplerInitTempExt(t, delta, exponent float32) *Sampler {
	return newSampler(C.llama_sampler_init_temp_ext(C.float(t), C.float(delta), C.float(exponent)))
}

// SamplerInitXTC wraps llama_sampler_init_xtc: with probability p drops all above t
// but the least of them.
func SamplerInitXTC(p, t float32, minKeep int, seed uint32) *Sampler {
	return newSampler(C.llama_sampler_init_xtc(C.float(p), C.float(t), C.size_t(max(minKeep, 0)), C.uint32_t(seed)))
}

// SamplerInitTopNSigma wraps llama_sampler_init_top_n_sigma: keeps logits within n
// standard deviations of the highest (arXiv:2411.07641); n <= 0 keeps all.
func SamplerInitTopNSigma(n float32) *Sampler {
	return newSampler(C.llama_sampler_init_top_n_sigma(C.float(n)))
}

// SamplerInitMirostat wraps llama_sampler_init_mirostat (arXiv:2007.14966): selects,
// aiming at the surprise tau with learning rate eta; m tokens estimate the slope.
func SamplerInitMirostat(nVocab int32, seed uint32, tau, eta float32, m int32) *Sampler {
	return newSampler(C.llama_sampler_init_mirostat(C.int32_t(nVocab), C.uint32_t(seed), C.float(tau), C.float(eta), C.int32_t(m)))
}

// SamplerInitMirostatV2 wraps llama_sampler_init_mirostat_v2: selects.
func SamplerInitMirostatV2(seed uint32, tau, eta float32) *Sampler {
	return newSampler(C.llama_sampler_init_mirostat_v2(C.uint32_t(seed), C.float(tau), C.float(eta)))
}

// SamplerInitGrammar wraps llama_sampler_init_grammar: keeps what the GBNF grammar
// allows next, from the rule root, which llama.cpp wants to exist under the name
// "root" too. An empty grammar allows everything. Errors wrap [ErrGrammar] and name
// the line. A grammar that would take too much time or memory is refused.
func (v *Vocab) SamplerInitGrammar(grammar, root string) (*Sampler, error) {
	return v.grammar(grammar, root, false, nil, nil)
}

// SamplerInitGrammarLazyPatterns wraps llama_sampler_init_grammar_lazy_patterns: a
// grammar that sleeps until the text accepted so far matches one of patterns (regular
// expressions, ECMAScript, from the start to the end; the grammar is fed from the
// first group that matched), or one of triggers is accepted.
//
// The match is tried on the whole text at every token, in time and stack that grow
// with it, up to a mebibyte: for long texts look for the trigger in Go and start a
// plain grammar there.
func (v *Vocab) SamplerInitGrammarLazyPatterns(grammar, root string, patterns []string, triggers []Token) (*Sampler, error) {
	for _, t := range triggers {
		if !v.Has(t) {
			return nil, fmt.Errorf("%w: trigger token %d: need 0 to %d", ErrGrammar, t, v.n-1)
		}
	}
	return v.grammar(grammar, root, true, patterns, triggers)
}

func (v *Vocab) grammar(grammar, root string, isLazy bool, patterns []string, triggers []Token) (*Sampler, error) {
	defer runtime.KeepAlive(v)
	if v.typ == VocabNone {
		return nil, fmt.Errorf("%w: the model has no vocabulary", ErrGrammar)
	}
	if err := errors.Join(noNUL("grammar", grammar, root), noNUL("trigger pattern", patterns...), checkGrammar(grammar, root)); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrGrammar, err)
	}
	var a arena
	defer a.free()
	var text *C.char
	p := C.puna_sampler_init_grammar(v.ptr(), a.str(grammar), a.str(root), C.bool(isLazy),
		a.strs(patterns), C.size_t(len(patterns)), tokens(triggers), C.size_t(len(triggers)), &text)
	if p == nil {
		return nil, fmt.Errorf("%w: llama.cpp refuses it: %s", ErrGrammar, take(text))
	}
	s := newSampler(p, v.model)
	if isLazy {
		s.lazy = &lazy{vocab: v}
	}
	return s, nil
}

const (
	maxLastN  = 1 << 24 // tokens that a penalty looks back on
	minRepeat = 1e-3    // logits are divided by it
	maxFactor = 1e6     // of anything added to a logit
)

// finite reports whether adding x to a logit, or multiplying by it, can't overflow.
func finite(x float32) bool { return x >= -maxFactor && x <= maxFactor }

// SamplerInitPenalties wraps llama_sampler_init_penalties, over the last lastN
// accepted tokens; 0 is off, below zero too: there is no context to ask for its size.
// repeat 1, freq 0 and present 0 are off.
func SamplerInitPenalties(lastN int32, repeat, freq, present float32) (*Sampler, error) {
	if lastN > maxLastN {
		return nil, fmt.Errorf("llama: penalties over the last %d tokens: at most %d", lastN, maxLastN)
	}
	if !(repeat >= minRepeat) || !finite(repeat) || !finite(freq) || !finite(present) {
		return nil, fmt.Errorf("llama: penalties repeat %v, freq %v, present %v: need numbers, and repeat at least %v", repeat, freq, present, minRepeat)
	}
	var text *C.char
	p := C.puna_sampler_init_penalties(C.int32_t(lastN), C.float(repeat), C.float(freq), C.float(present), &text)
	if p == nil {
		return nil, failed("penalties", text)
	}
	return newSampler(p), nil
}

// SamplerInitDRY wraps llama_sampler_init_dry: a penalty of multiplier *
// base^(length-allowedLength) on tokens that would go on repeating the last lastN
// tokens (-1: nCtxTrain of them), except across a breaker.
func (v *Vocab) SamplerInitDRY(nCtxTrain int32, multiplier, base float32, allowedLength, lastN int32, breakers []string) (*Sampler, error) {
	defer runtime.KeepAlive(v)
	if lastN > maxLastN || nCtxTrain > maxLastN || nCtxTrain < 0 {
		return nil, fmt.Errorf("llama: DRY over the last %d tokens of %d: at most %d", lastN, nCtxTrain, maxLastN)
	}
	if !(multiplier >= 0) || !finite(multiplier) || !finite(base) {
		return nil, fmt.Errorf("llama: DRY multiplier %v, base %v: need numbers, and no negative multiplier", multiplier, base)
	}
	if v.typ == VocabNone {
		return nil, errors.New("llama: DRY: the model has no vocabulary")
	}
	if err := noNUL("DRY breaker", breakers...); err != nil {
		return nil, err
	}
	var a arena
	defer a.free()
	var text *C.char
	p := C.puna_sampler_init_dry(v.ptr(), C.int32_t(nCtxTrain), C.float(multiplier), C.float(base),
		C.int32_t(allowedLength), C.int32_t(lastN), a.strs(breakers), C.size_t(len(breakers)), &text)
	if p == nil {
		return nil, failed("DRY", text)
	}
	return newSampler(p, v.model), nil
}

// LogitBias mirrors struct llama_logit_bias: Bias is added to Token's logit.
type LogitBias struct {
	Token Token
	Bias  float32
}

// SamplerInitLogitBias wraps llama_sampler_init_logit_bias. A bias of -infinity
// forbids a token.
func SamplerInitLogitBias(nVocab int32, bias []LogitBias) (*Sampler, error) {
	for _, b := range bias {
		if !finite(b.Bias) && !math.IsInf(float64(b.Bias), -1) {
			return nil, fmt.Errorf("llama: logit bias %v of token %d: need -infinity, or %v to %v", b.Bias, b.Token, -maxFactor, maxFactor)
		}
		if b.Token < 0 || b.Token >= nVocab {
			return nil, fmt.Errorf("llama: logit bias of token %d: need 0 to %d", b.Token, nVocab-1)
		}
	}
	p := C.llama_sampler_init_logit_bias(C.int32_t(nVocab), C.int32_t(len(bias)),
		(*C.llama_logit_bias)(unsafe.Pointer(unsafe.SliceData(bias))))
	return newSampler(p), nil
}

// SamplerInitInfill wraps llama_sampler_init_infill: for fill in the middle, after
// top-k and top-p: prefers the end, and joins tokens with a common prefix.
func (v *Vocab) SamplerInitInfill() (*Sampler, error) {
	defer runtime.KeepAlive(v)
	if v.typ == VocabNone || (v.EOT() == TokenNull && v.EOS() == TokenNull) {
		return nil, errors.New("llama: infill needs a vocabulary with an end token")
	}
	return newSampler(C.llama_sampler_init_infill(v.ptr()), v.model), nil
}
