package gguf

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/maphash"
	"math"
	"math/bits"
	"slices"
)

// tokenizer is what llama.cpp assumes of a vocabulary type unless the file says
// otherwise. Ids that it would use but that the vocabulary doesn't have are read
// out of bounds.
type tokenizer struct {
	bos, eos, unk, sep, pad, mask int64 // -1: none
	addBOS, addEOS                bool
}

// tokenizers lists the vocabulary types of llama_vocab::impl::load.
var tokenizers = map[string]tokenizer{
	"llama":  {1, 2, 0, -1, -1, -1, true, false},
	"bert":   {101, -1, 100, 102, 0, 103, true, false},
	"gpt2":   {11, 11, -1, -1, -1, -1, false, false},
	"t5":     {-1, 1, 2, -1, 0, -1, false, true},
	"rwkv":   {-1, -1, -1, -1, -1, -1, false, false},
	"plamo2": {1, 2, 0, -1, 3, -1, false, false},
}

// byteToken is the type of tokens that stand for one byte.
const byteToken = 6

// noToken is how files write that there is no such token: -1 as a u32.
const noToken = math.MaxUint32

func (f *File) checkVocab() error {
	model := f.String("tokenizer.ggml.model")
	if model == "none" || model == "no_vocab" {
		return f.betweenIf(".vocab_size", 0, maxWidth)
	}
	defaults, ok := tokenizers[model]
	if !ok && !otherLlama {
		return f.failf("tokenizer.ggml.model", "llama.cpp knows llama, gpt2, bert, t5, rwkv, plamo2 and none")
	}
	tokens := f.Array("tokenizer.ggml.tokens")
	if tokens == nil || tokens.Type != String || tokens.Len == 0 || tokens.Len > maxWidth {
		return f.failf("tokenizer.ggml.tokens", "it must be an array of 1 to %d strings", maxWidth)
	}
	if err := f.checkTokens(model, tokens); err != nil {
		return err
	}
	if err := f.checkTokenData(model, tokens.Len); err != nil {
		return err
	}
	if err := f.checkMerges(model); err != nil {
		return err
	}
	if err := f.checkCharsmap(model); err != nil {
		return err
	}
	return f.checkTokenIDs(defaults, tokens.Len)
}

// checkTokens checks that no token is there twice, which llama.cpp asserts.
func (f *File) checkTokens(model string, tokens *Array) error {
	texts := make([][]byte, 0, tokens.Len)
	for i, text := range tokens.texts() {
		if len(text) == 0 { // what llama.cpp makes of it
			text = fmt.Appendf(nil, "[EMPTY_%d]", i)
		}
		texts = append(texts, text)
	}
	if i, j := twins(texts); j > 0 {
		return f.failf("tokenizer.ggml.tokens", "tokens %d and %d are both %q", i, j, texts[i])
	}
	if model == "rwkv" {
		return f.checkRWKV(texts)
	}
	return nil
}

// twins returns the first two equal texts, or zeros. It is an open hash table of
// indexes, several times faster than a map for vocabularies.
func twins(texts [][]byte) (i, j int) {
	table := make([]int32, 1<<bits.Len(uint(2*len(texts)))) // index + 1; 0: free
	mask := uint64(len(table) - 1)
	seed := maphash.MakeSeed()
	for j, text := range texts {
		at := maphash.Bytes(seed, text) & mask
		for ; table[at] != 0; at = (at + 1) & mask {
			if i := int(table[at] - 1); bytes.Equal(texts[i], text) {
				return i, j
			}
		}
		table[at] = int32(j + 1)
	}
	return 0, 0
}

// checkTokenData checks the arrays that run beside the tokens; llama.cpp indexes
// them without looking at their length.
func (f *File) checkTokenData(model string, tokens int) error {
	for key, items := range map[string][]ValueType{
		"tokenizer.ggml.scores":     {Float32},
		"tokenizer.ggml.token_type": {Int32, Uint32},
	} {
		if _, ok := f.Get(key); !ok {
			continue
		}
		if a := f.Array(key); a == nil || a.Len != tokens || !slices.Contains(items, a.Type) {
			return f.failf(key, "it must be an array of %v with one item for each of %d tokens", items[0], tokens)
		}
	}
	types := f.Array("tokenizer.ggml.token_type")
	if model != "bert" || types == nil {
		return nil
	}
	for i, t := range types.All() {
		if n, ok := toUint(t); ok && n == byteToken { // token_to_byte aborts
			return f.failf("tokenizer.ggml.token_type", "token %d is a byte, which WordPiece vocabularies don't have", i)
		}
	}
	return nil
}

// checkMerges checks the merges of byte-pair encodings: two parts with a space between.
func (f *File) checkMerges(model string) error {
	const key = "tokenizer.ggml.merges"
	if _, ok := f.Get(key); !ok && model != "gpt2" {
		return nil
	}
	merges := f.Array(key)
	if merges == nil || merges.Type != String {
		return f.failf(key, "it must be an array of strings")
	}
	for i, m := range merges.texts() {
		if space := bytes.IndexByte(m[min(1, len(m)):], ' '); space < 0 || space+2 >= len(m) {
			return f.failf(key, "merge %d is %q, not two parts with a space between", i, m)
		}
	}
	return nil
}

// charsmap reports whether llama.cpp stays inside data: it looks for the zero byte at
// the end of a text without a limit.
func charsmap(data []byte) bool {
	return len(data) > 5 && uint64(binary.LittleEndian.Uint32(data))+4 < uint64(len(data)) && data[len(data)-1] == 0
}

func (f *File) checkCharsmap(model string) error {
	const key = "tokenizer.ggml.precompiled_charsmap"
	if _, ok := f.Get(key); !ok || model != "t5" {
		return nil
	}
	if a := f.Array(key); a == nil || a.Type != Uint8 && a.Type != Int8 {
		return f.failf(key, "it must be an array of bytes")
	} else if a.Len > 0 && !charsmap(a.data) {
		return f.failf(key, "it must be the size of a table, the table, and texts that each end in a zero byte")
	}
	return nil
}

// checkTokenIDs checks special tokens: those that the file names, and those that
// llama.cpp assumes where it names none.
func (f *File) checkTokenIDs(t tokenizer, tokens int) error {
	pre := f.String("tokenizer.ggml.pre")
	if pre == "glm4" || pre == "chatglm-bpe" {
		t.bos = -1
	}
	named := map[string]*int64{"bos": &t.bos, "eos": &t.eos, "unknown": &t.unk, "seperator": &t.sep, "padding": &t.pad, "mask": &t.mask}
	for _, name := range []string{"eot", "eom", "fim_pre", "fim_suf", "fim_mid", "fim_pad", "fim_rep", "fim_sep", "prefix", "suffix", "middle"} {
		named[name] = new(int64(-1))
	}
	for name, id := range named {
		key := "tokenizer.ggml." + name + "_token_id"
		kv, ok := f.Get(key)
		if n, isID := toUint(kv.Value); ok && isID && n < uint64(tokens) {
			*id = int64(n)
		} else if ok && n != noToken {
			return f.failf(key, "the vocabulary has %d tokens", tokens)
		}
		if *id >= int64(tokens) {
			return f.failf(key, "the file has to name it, since llama.cpp assumes %d, and the vocabulary has %d tokens", *id, tokens)
		}
	}
	if add, ok := f.Bool("tokenizer.ggml.add_bos_token"); (ok && add || !ok && t.addBOS) && t.bos < 0 {
		return f.failf("tokenizer.ggml.bos_token_id", "the tokenizer adds it to prompts, so the file must name it")
	}
	if add, ok := f.Bool("tokenizer.ggml.add_eos_token"); (ok && add || !ok && t.addEOS) && t.eos < 0 {
		return f.failf("tokenizer.ggml.eos_token_id", "the tokenizer adds it to prompts, so the file must name it")
	}
	return nil
}
