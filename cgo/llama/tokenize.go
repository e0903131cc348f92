package llama

// #include "shim.h"
import "C"

import (
	"fmt"
	"math"
	"runtime"
	"unsafe"
)

// maxText bounds what Tokenize takes, in bytes: llama.cpp aborts on more than 2^31
// tokens, and a text has no more tokens than bytes and specials.
const maxText = math.MaxInt32 - 16

// Tokenize wraps llama_tokenize. addSpecial adds BOS and EOS as the model is
// configured; parseSpecial turns the text of control tokens into those tokens
// instead of plain text. It runs in the caller's goroutine; text need not be UTF-8.
func (v *Vocab) Tokenize(text string, addSpecial, parseSpecial bool) ([]Token, error) {
	return v.AppendTokens(nil, text, addSpecial, parseSpecial)
}

// AppendTokens is [Vocab.Tokenize] that appends to dst.
func (v *Vocab) AppendTokens(dst []Token, text string, addSpecial, parseSpecial bool) ([]Token, error) {
	defer runtime.KeepAlive(v)
	if err := v.checkTokenize(text, addSpecial); err != nil {
		return dst, err
	}
	room, stack := len(text)/3+16, v.stack(text)
	for range 2 {
		dst = append(dst, make([]Token, room)...)
		out := dst[len(dst)-room:]
		var cerr *C.char
		n := C.puna_tokenize(v.ptr(), (*C.char)(unsafe.Pointer(unsafe.StringData(text))), C.int32_t(len(text)),
			(*C.llama_token)(unsafe.SliceData(out)), C.int32_t(room), C.bool(addSpecial), C.bool(parseSpecial), C.size_t(stack), &cerr)
		dst = dst[:len(dst)-room]
		if cerr != nil {
			return dst, failed("tokenize", cerr)
		}
		if n >= 0 {
			return dst[:len(dst)+int(n)], nil
		}
		room = -int(n)
	}
	return dst, fmt.Errorf("llama: tokenize: the number of tokens changed between two calls")
}

// checkTokenize refuses what llama.cpp would abort on.
func (v *Vocab) checkTokenize(text string, addSpecial bool) error {
	if v.typ == VocabNone {
		return fmt.Errorf("llama: tokenize: the model has no vocabulary")
	}
	if len(text) > maxText {
		return fmt.Errorf("llama: tokenize: a text of %d bytes: at most %d", len(text), maxText)
	}
	if n := longestWord(text); v.typ == VocabBPE && n > deepest {
		return fmt.Errorf("llama: tokenize: a word of %d bytes: at most %d without a space", n, deepest)
	}
	if !addSpecial {
		return nil
	}
	wpm := v.typ == VocabWPM
	if (v.GetAddBOS() || wpm) && v.BOS() == TokenNull {
		return fmt.Errorf("llama: tokenize: the model wants a BOS token added and has none")
	}
	if v.GetAddEOS() && v.EOS() == TokenNull {
		return fmt.Errorf("llama: tokenize: the model wants an EOS token added and has none")
	}
	if (v.GetAddSEP() || wpm) && v.SEP() == TokenNull {
		return fmt.Errorf("llama: tokenize: the model wants a SEP token added and has none")
	}
	return nil
}

// stack returns the size of the stack that text's longest word needs. Only byte-pair
// vocabularies split text by regular expressions.
func (v *Vocab) stack(text string) int {
	if v.typ != VocabBPE {
		return 0
	}
	return stackFor(longestWord(text))
}

// TokenToPiece wraps llama_token_to_piece: the bytes that t stands for, which may be
// a part of a UTF-8 character. special renders control tokens too. Up to lstrip
// leading spaces are dropped. No token: "".
func (v *Vocab) TokenToPiece(t Token, lstrip int, special bool) string {
	return string(v.AppendPiece(nil, t, lstrip, special))
}

// AppendPiece is [Vocab.TokenToPiece] that appends to dst; it doesn't allocate when
// dst has room.
func (v *Vocab) AppendPiece(dst []byte, t Token, lstrip int, special bool) []byte {
	defer runtime.KeepAlive(v)
	if !v.text(t) {
		return dst
	}
	room := max(cap(dst)-len(dst), 32)
	for range 2 {
		dst = extend(dst, room)
		out := dst[len(dst) : len(dst)+room]
		n := C.puna_token_to_piece(v.ptr(), C.llama_token(t), (*C.char)(unsafe.Pointer(unsafe.SliceData(out))),
			C.int32_t(room), C.int32_t(lstrip), C.bool(special))
		if n >= 0 {
			return dst[:len(dst)+int(n)]
		}
		room = -int(n)
	}
	return dst
}

// pieceLen is the length of t's piece. It works while the C model lives, even if the
// caller has closed the model.
func (v *Vocab) pieceLen(t Token) int {
	if !v.text(t) {
		return 0
	}
	n := int(C.puna_token_to_piece(v.p, C.llama_token(t), nil, 0, 0, true))
	return max(n, -n)
}

// extend makes room for n more bytes.
func extend(dst []byte, n int) []byte {
	if cap(dst)-len(dst) >= n {
		return dst
	}
	return append(dst, make([]byte, n)...)[:len(dst)]
}

// Detokenize wraps llama_detokenize: the text of tokens, the inverse of Tokenize.
// removeSpecial drops BOS and EOS as the model is configured; unparseSpecial renders
// control tokens. It may end within a UTF-8 character.
func (v *Vocab) Detokenize(tokens []Token, removeSpecial, unparseSpecial bool) (string, error) {
	defer runtime.KeepAlive(v)
	if v.typ == VocabNone {
		return "", fmt.Errorf("llama: detokenize: the model has no vocabulary")
	}
	for i, t := range tokens {
		if !v.Has(t) {
			return "", fmt.Errorf("llama: detokenize: token %d at %d: need 0 to %d", t, i, v.n-1)
		}
	}
	if len(tokens) == 0 {
		return "", nil
	}
	room := len(tokens)*8 + 32
	for range 2 {
		buf := make([]byte, room)
		var cerr *C.char
		n := C.puna_detokenize(v.ptr(), (*C.llama_token)(unsafe.SliceData(tokens)), C.int32_t(len(tokens)),
			(*C.char)(unsafe.Pointer(&buf[0])), C.int32_t(room), C.bool(removeSpecial), C.bool(unparseSpecial), &cerr)
		if cerr != nil {
			return "", failed("detokenize", cerr)
		}
		if n >= 0 {
			return unsafe.String(&buf[0], int(n)), nil
		}
		room = -int(n)
	}
	return "", fmt.Errorf("llama: detokenize: the length changed between two calls")
}
