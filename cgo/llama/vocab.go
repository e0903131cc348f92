package llama

// #include "shim.h"
import "C"

import (
	"runtime"
	"unsafe"
)

// Token is llama_token, an index into the vocabulary; Pos is llama_pos, a position in
// a sequence; SeqID is llama_seq_id, a sequence of a context. They are aliases, so
// that slices of them need no conversion.
type (
	Token = int32
	Pos   = int32
	SeqID = int32
)

// TokenNull is LLAMA_TOKEN_NULL: no token.
const TokenNull Token = C.LLAMA_TOKEN_NULL

// VocabType mirrors enum llama_vocab_type.
type VocabType int32

const (
	VocabNone   VocabType = C.LLAMA_VOCAB_TYPE_NONE
	VocabSPM    VocabType = C.LLAMA_VOCAB_TYPE_SPM
	VocabBPE    VocabType = C.LLAMA_VOCAB_TYPE_BPE
	VocabWPM    VocabType = C.LLAMA_VOCAB_TYPE_WPM
	VocabUGM    VocabType = C.LLAMA_VOCAB_TYPE_UGM
	VocabRWKV   VocabType = C.LLAMA_VOCAB_TYPE_RWKV
	VocabPLaMo2 VocabType = C.LLAMA_VOCAB_TYPE_PLAMO2
)

// TokenAttr mirrors enum llama_token_attr, a set of bits.
type TokenAttr int32

const (
	TokenAttrUnknown     TokenAttr = C.LLAMA_TOKEN_ATTR_UNKNOWN
	TokenAttrUnused      TokenAttr = C.LLAMA_TOKEN_ATTR_UNUSED
	TokenAttrNormal      TokenAttr = C.LLAMA_TOKEN_ATTR_NORMAL
	TokenAttrControl     TokenAttr = C.LLAMA_TOKEN_ATTR_CONTROL
	TokenAttrUserDefined TokenAttr = C.LLAMA_TOKEN_ATTR_USER_DEFINED
	TokenAttrByte        TokenAttr = C.LLAMA_TOKEN_ATTR_BYTE
	TokenAttrNormalized  TokenAttr = C.LLAMA_TOKEN_ATTR_NORMALIZED
	TokenAttrLstrip      TokenAttr = C.LLAMA_TOKEN_ATTR_LSTRIP
	TokenAttrRstrip      TokenAttr = C.LLAMA_TOKEN_ATTR_RSTRIP
	TokenAttrSingleWord  TokenAttr = C.LLAMA_TOKEN_ATTR_SINGLE_WORD
)

// Vocab is a model's vocabulary. It wraps struct llama_vocab, owned by the model:
// using it after the model was closed panics. Safe for concurrent use.
type Vocab struct {
	model *Model
	p     *C.struct_llama_vocab
	typ   VocabType
	n     int
}

func newVocab(m *Model, c *C.struct_llama_vocab) *Vocab {
	return &Vocab{
		model: m,
		p:     c,
		typ:   VocabType(C.llama_vocab_type(c)),
		n:     int(C.llama_vocab_n_tokens(c)),
	}
}

func (v *Vocab) ptr() *C.struct_llama_vocab {
	v.model.ptr()
	return v.p
}

// Pointer returns the struct llama_vocab *, for other packages under cgo.
func (v *Vocab) Pointer() unsafe.Pointer { return unsafe.Pointer(v.ptr()) }

// Type wraps llama_vocab_type.
func (v *Vocab) Type() VocabType { return v.typ }

// NTokens wraps llama_vocab_n_tokens.
func (v *Vocab) NTokens() int { return v.n }

// Has reports whether t is a token of the vocabulary.
func (v *Vocab) Has(t Token) bool { return t >= 0 && int(t) < v.n }

// text reports whether t can be looked up: llama.cpp aborts otherwise.
func (v *Vocab) text(t Token) bool { return v.typ != VocabNone && v.Has(t) }

// GetText wraps llama_vocab_get_text: the token as the file spells it ("Ġhello"),
// or "" for no token.
func (v *Vocab) GetText(t Token) string {
	defer runtime.KeepAlive(v)
	if !v.text(t) {
		return ""
	}
	return C.GoString(C.llama_vocab_get_text(v.ptr(), C.llama_token(t)))
}

// GetScore wraps llama_vocab_get_score, or 0 for no token.
func (v *Vocab) GetScore(t Token) float32 {
	defer runtime.KeepAlive(v)
	if !v.text(t) {
		return 0
	}
	return float32(C.llama_vocab_get_score(v.ptr(), C.llama_token(t)))
}

// GetAttr wraps llama_vocab_get_attr, or 0 for no token.
func (v *Vocab) GetAttr(t Token) TokenAttr {
	defer runtime.KeepAlive(v)
	if !v.text(t) {
		return 0
	}
	return TokenAttr(C.llama_vocab_get_attr(v.ptr(), C.llama_token(t)))
}

// IsEOG wraps llama_vocab_is_eog: t ends a generation (EOS, EOT and the like).
func (v *Vocab) IsEOG(t Token) bool {
	defer runtime.KeepAlive(v)
	return v.text(t) && bool(C.llama_vocab_is_eog(v.ptr(), C.llama_token(t)))
}

// IsControl wraps llama_vocab_is_control.
func (v *Vocab) IsControl(t Token) bool {
	defer runtime.KeepAlive(v)
	return v.text(t) && bool(C.llama_vocab_is_control(v.ptr(), C.llama_token(t)))
}

// BOS wraps llama_vocab_bos: beginning of text, and CLS. Like every special token,
// TokenNull if the vocabulary has none.
func (v *Vocab) BOS() Token { defer runtime.KeepAlive(v); return Token(C.llama_vocab_bos(v.ptr())) }

// EOS wraps llama_vocab_eos: end of text.
func (v *Vocab) EOS() Token { defer runtime.KeepAlive(v); return Token(C.llama_vocab_eos(v.ptr())) }

// EOT wraps llama_vocab_eot: end of turn.
func (v *Vocab) EOT() Token { defer runtime.KeepAlive(v); return Token(C.llama_vocab_eot(v.ptr())) }

// SEP wraps llama_vocab_sep: sentence separator.
func (v *Vocab) SEP() Token { defer runtime.KeepAlive(v); return Token(C.llama_vocab_sep(v.ptr())) }

// NL wraps llama_vocab_nl: newline.
func (v *Vocab) NL() Token { defer runtime.KeepAlive(v); return Token(C.llama_vocab_nl(v.ptr())) }

// PAD wraps llama_vocab_pad: padding.
func (v *Vocab) PAD() Token { defer runtime.KeepAlive(v); return Token(C.llama_vocab_pad(v.ptr())) }

// MASK wraps llama_vocab_mask.
func (v *Vocab) MASK() Token { defer runtime.KeepAlive(v); return Token(C.llama_vocab_mask(v.ptr())) }

// GetAddBOS wraps llama_vocab_get_add_bos: special tokens include BOS.
func (v *Vocab) GetAddBOS() bool {
	defer runtime.KeepAlive(v)
	return bool(C.llama_vocab_get_add_bos(v.ptr()))
}

// GetAddEOS wraps llama_vocab_get_add_eos.
func (v *Vocab) GetAddEOS() bool {
	defer runtime.KeepAlive(v)
	return bool(C.llama_vocab_get_add_eos(v.ptr()))
}

// GetAddSEP wraps llama_vocab_get_add_sep.
func (v *Vocab) GetAddSEP() bool {
	defer runtime.KeepAlive(v)
	return bool(C.llama_vocab_get_add_sep(v.ptr()))
}

// FIMPre wraps llama_vocab_fim_pre: fill in the middle, before the prefix.
func (v *Vocab) FIMPre() Token {
	defer runtime.KeepAlive(v)
	return Token(C.llama_vocab_fim_pre(v.ptr()))
}

// FIMSuf wraps llama_vocab_fim_suf: before the suffix.
func (v *Vocab) FIMSuf() Token {
	defer runtime.KeepAlive(v)
	return Token(C.llama_vocab_fim_suf(v.ptr()))
}

// FIMMid wraps llama_vocab_fim_mid: before the middle, which the model writes.
func (v *Vocab) FIMMid() Token {
	defer runtime.KeepAlive(v)
	return Token(C.llama_vocab_fim_mid(v.ptr()))
}

// FIMPad wraps llama_vocab_fim_pad.
func (v *Vocab) FIMPad() Token {
	defer runtime.KeepAlive(v)
	return Token(C.llama_vocab_fim_pad(v.ptr()))
}

// FIMRep wraps llama_vocab_fim_rep: before a repository's name.
func (v *Vocab) FIMRep() Token {
	defer runtime.KeepAlive(v)
	return Token(C.llama_vocab_fim_rep(v.ptr()))
}

// FIMSep wraps llama_vocab_fim_sep: between files.
func (v *Vocab) FIMSep() Token {
	defer runtime.KeepAlive(v)
	return Token(C.llama_vocab_fim_sep(v.ptr()))
}
