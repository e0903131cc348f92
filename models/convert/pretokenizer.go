package convert

import (
	"crypto/sha256"
	"encoding/hex"

	"github.com/puna-ai/puna"
)

// The patterns that llama.cpp's sources give for some of its pre-tokenizers.
const (
	tekkenPattern = `[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|` +
		`[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|` +
		`\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+`
	gpt4oPattern = `[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|` +
		`[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|` +
		`\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+`
)

// preTokenizers are llama.cpp's names of pre-tokenizers, by the digest of the patterns
// that split texts.
var preTokenizers = map[string]string{
	"d98f9631be1e9607a9848c26c1f9eac1aa9fc21ac6ba82a2fc0741af9780a48f": "llama-bpe",
	"03df5c5863ad70781dcfdef491ead25140f895fe8010964be0daefe27be32b02": "deepseek-llm",
	"21cde974d587f0d54dc8d56b183cc1e6239600172035c68fbd6d4b9f8da0576e": "deepseek-coder",
	"1ff7f41064896984db5d1bb6ff64fa4bc29007d08c1b439e505b7392777a319e": "qwen2",
	digest(tekkenPattern): "tekken",
	digest(gpt4oPattern):  "gpt-4o",
}

func digest(patterns ...string) string {
	h := sha256.New()
	for _, p := range patterns {
		h.Write([]byte(p))
	}
	return hex.EncodeToString(h.Sum(nil))
}

// preTokenizer returns llama.cpp's name of what splits texts before byte pairs are
// merged. One that llama.cpp doesn't have would go unseen and make answers worse, so it
// is an error.
func preTokenizer(t *tokenizerFile) (string, error) {
	var patterns []string
	var digits, words bool
	for _, s := range t.PreTokenizer.all() {
		switch s.Type {
		case "Split":
			patterns = append(patterns, s.Pattern.Regex)
		case "Digits":
			digits = digits || s.IndividualDigits
		case "ByteLevel":
			words = s.UseRegex == nil || *s.UseRegex
		}
	}
	name := preTokenizers[digest(patterns...)]
	switch {
	case len(patterns) == 0 && words && digits:
		name = "smollm"
	case len(patterns) == 0 && words:
		name = "gpt-2"
	case name == "llama-bpe" && !t.Model.IgnoreMerges: // the same pattern
		name = "dbrx"
	}
	if name == "" {
		return "", puna.Errorf(puna.Unsupported, "tokenizer.json splits texts in a way that isn't known here (patterns %q, digest %.12s): "+
			"use a GGUF of the model that llama.cpp's own converter made", patterns, digest(patterns...))
	}
	return name, nil
}
