package testmodel

import "fmt"

// Token types of tokenizer.ggml.token_type.
const (
	typeNormal      = 1
	typeControl     = 3
	typeUserDefined = 4
)

// merges are the byte-pair merges beside the 256 bytes, in order.
var merges = []string{
	"Ġ t", "Ġ a", "h e", "i n", "r e", "Ġt he", "o n", "e r", "a t", "Ġ s",
	"l l", "o u", "Ġ w", "a n", "e n", "i s", "Ġ b", "o r", "e s", "in g",
}

// The tokens that no text merges to.
var (
	control     = []string{BOS, EOT, "<|start_header_id|>", "<|end_header_id|>", "<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"}
	userDefined = []string{"<think>", "</think>", "<tool_call>", "</tool_call>"}
)

// BOS begins a text; EOT ends a turn, and generation.
const (
	BOS = "<|begin_of_text|>"
	EOT = "<|eot_id|>"
)

// MinVocab is the smallest vocabulary: bytes, merges and special tokens.
var MinVocab = 256 + len(merges) + len(control) + len(userDefined)

const llama3Template = `{{ bos_token }}{% for m in messages %}{{ '<|start_header_id|>' + m['role'] + '<|end_header_id|>

' + m['content'] + '<|eot_id|>' }}{% endfor %}{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>

' }}{% endif %}`

// vocabulary returns the tokens as GGUF spells them, their types, and the index of
// the first control token. What is left of the size is filler that no text gives.
func (s Shape) vocabulary() (tokens []string, types []int32, special int) {
	tokens = byteTokens()
	for _, m := range merges {
		var a, b string
		fmt.Sscan(m, &a, &b)
		tokens = append(tokens, a+b)
	}
	special = len(tokens)
	types = make([]int32, s.Vocab)
	for i := range types {
		types[i] = typeNormal
	}
	for _, t := range control {
		types[len(tokens)] = typeControl
		tokens = append(tokens, t)
	}
	for _, t := range userDefined {
		types[len(tokens)] = typeUserDefined
		tokens = append(tokens, t)
	}
	for len(tokens) < s.Vocab {
		tokens = append(tokens, fmt.Sprintf("<fill%d>", len(tokens)))
	}
	return tokens, types, special
}

// byteTokens spells the 256 bytes as byte-level BPE does (OpenAI's GPT-2): printable
// ones as themselves, the others as characters from U+0100 on.
func byteTokens() []string {
	tokens := make([]string, 256)
	next := rune(0x100)
	for b := range rune(256) {
		if b >= '!' && b <= '~' || b >= 0xA1 && b <= 0xAC || b >= 0xAE {
			tokens[b] = string(b)
			continue
		}
		tokens[b] = string(next)
		next++
	}
	return tokens
}
