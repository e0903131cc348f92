package testmodel

import "fmt"

// The special tokens of an encoder's vocabulary, which begins with them.
var wordpieceSpecial = []string{"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"}

// wordpieces are the words beside single characters.
var wordpieces = []string{"the", "llama", "plain", "lives", "on", "high", "is", "of", "a", "what"}

// encoderMetadata is BERT's.
func (s Shape) encoderMetadata(h *header) {
	tokens, types := s.wordpieceVocabulary()
	h.f32("bert.attention.layer_norm_epsilon", 1e-12)
	if s.Attention == "" { // required
		h.bool("bert.attention.causal", false)
	}
	h.str("tokenizer.ggml.model", "bert")
	h.strs("tokenizer.ggml.tokens", tokens)
	h.i32s("tokenizer.ggml.token_type", types)
	h.u32("tokenizer.ggml.token_type_count", 2)
	for id, name := range []string{"padding", "unknown", "bos", "seperator", "mask"} { // as GGUF spells it
		h.u32("tokenizer.ggml."+name+"_token_id", id)
	}
}

// wordpieceVocabulary returns the tokens as GGUF spells them: a word's beginning has
// a mark, so that every text of printable ASCII has tokens.
func (s Shape) wordpieceVocabulary() (tokens []string, types []int32) {
	tokens = append(tokens, wordpieceSpecial...)
	for c := '!'; c <= '~'; c++ {
		tokens = append(tokens, string(c), "\u2581"+string(c))
	}
	for _, w := range wordpieces {
		if len(w) > 1 {
			tokens = append(tokens, "\u2581"+w)
		}
	}
	for len(tokens) < s.Vocab {
		tokens = append(tokens, fmt.Sprintf("<fill%d>", len(tokens)))
	}
	types = make([]int32, len(tokens))
	for i := range types {
		types[i] = typeNormal
		if i < len(wordpieceSpecial) {
			types[i] = typeControl
		}
	}
	return tokens, types
}

// encoder lists the weights of architecture bert.
func (s Shape) encoder() []tensor {
	all := []tensor{
		matrix("token_embd.weight", s.Embd, s.Vocab),
		{name: "token_types.weight", dims: []int{s.Embd, 2}, f32: true},
		matrix("position_embd.weight", s.Embd, s.Ctx),
	}
	all = append(all, biased(norm("token_embd_norm.weight", s.Embd))...)
	for i := range s.Layers {
		blk := fmt.Sprintf("blk.%d.", i)
		for _, t := range []tensor{
			matrix(blk+"attn_q.weight", s.Embd, s.Embd),
			matrix(blk+"attn_k.weight", s.Embd, s.Embd),
			matrix(blk+"attn_v.weight", s.Embd, s.Embd),
			matrix(blk+"attn_output.weight", s.Embd, s.Embd),
			norm(blk+"attn_output_norm.weight", s.Embd),
			matrix(blk+"ffn_up.weight", s.Embd, s.FF),
			matrix(blk+"ffn_down.weight", s.FF, s.Embd),
			norm(blk+"layer_output_norm.weight", s.Embd),
		} {
			all = append(all, biased(t)...)
		}
	}
	return all
}

// biased adds a bias of zeros to a weight.
func biased(t tensor) []tensor {
	name := t.name[:len(t.name)-len("weight")] + "bias"
	return []tensor{t, {name: name, dims: t.dims[len(t.dims)-1:], f32: true}}
}
