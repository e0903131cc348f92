package convert

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ollama/ollama/convert/sentencepiece"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/puna-ai/puna"
)

// readSentencePiece reads a tokenizer.model. Ollama's package makes normal tokens of those
// that texts are searched for first (Gemma's runs of spaces), and doesn't write whether
// texts get a space in front (Gemma's don't).
func (v *vocabulary) readSentencePiece(f files) error {
	b, err := f.read("tokenizer.model", maxTokenizer)
	if err != nil {
		return err
	}
	if n := countPieces(b); n > maxTokens {
		return puna.Errorf(puna.Invalid, "tokenizer.model has %d tokens, more than %d: it is broken", n, maxTokens)
	}
	var m sentencepiece.ModelProto
	if err := proto.Unmarshal(b, &m); err != nil || len(m.GetPieces()) == 0 {
		return puna.Errorf(puna.Invalid, "tokenizer.model is no SentencePiece model (%d tokens, %w): get the file again, or add tokenizer.json", len(m.GetPieces()), err)
	}
	if kind := m.GetTrainerSpec().GetModelType(); m.GetTrainerSpec() != nil && kind != sentencepiece.TrainerSpec_BPE {
		return puna.Errorf(puna.Unsupported, "tokenizer.model is a %v tokenizer: only BPE ones work with these models", kind)
	}
	v.model, v.pre = "llama", "default"
	for _, p := range m.GetPieces() {
		kind := int32(p.GetType()) // llama.h numbers them the same way
		if kind < normalToken || kind > byteToken || slices.Contains(turns, p.GetPiece()) {
			kind = controlToken
		}
		v.tokens = append(v.tokens, p.GetPiece())
		v.scores = append(v.scores, p.GetScore())
		v.types = append(v.types, kind)
	}
	if n := m.GetNormalizerSpec(); n != nil {
		prefix := n.GetAddDummyPrefix()
		v.spacePrefix = &prefix
	}
	return nil
}

// countPieces counts the tokens of a tokenizer.model: two bytes in the file are hundreds in
// memory.
func countPieces(b []byte) (count int) {
	for len(b) > 0 {
		number, _, n := protowire.ConsumeField(b)
		if n < 0 {
			break // the decoder says what is wrong
		}
		if number == 1 {
			count++
		}
		b = b[n:]
	}
	return count
}

// readPieces makes the tokens and scores of SentencePiece from a tokenizer.json that was
// made of it: there, each merge of two tokens to a third is listed, the best score first.
func (v *vocabulary) readPieces(t *tokenizerFile) error {
	v.model, v.pre = "llama", "default"
	if err := v.readVocab(t); err != nil {
		return err
	}
	merges, err := readMerges(t.Model.Merges)
	if err != nil {
		return err
	}
	ranks := make(map[string]int, len(merges))
	listed := make(map[string]bool, len(merges))
	for rank, m := range merges {
		listed[m] = true
		if whole := strings.Replace(m, " ", "", 1); ranks[whole] == 0 {
			ranks[whole] = rank + 1
		}
	}
	known := make(map[string]bool, len(v.tokens))
	for i, text := range v.tokens {
		known[text] = v.types[i] == normalToken
	}
	v.scores = make([]float32, len(v.tokens))
	for i, text := range v.tokens {
		var b byte
		switch n, _ := fmt.Sscanf(text, "<0x%02X>", &b); {
		case v.types[i] == unusedToken:
		case text == t.Model.UnkToken:
			v.types[i] = unknownToken
		case n == 1 && len(text) == len("<0x00>"):
			v.types[i] = byteToken
		case ranks[text] > 0:
			v.scores[i] = -float32(ranks[text])
			if err := allMerges(text, known, listed); err != nil {
				return err
			}
		default:
			v.scores[i] = -float32(len(merges) + 1)
		}
	}
	prefix := prefixed(t)
	v.spacePrefix = &prefix
	return nil
}

// allMerges checks that a token is made of any two others that make its text: llama.cpp
// merges by the text alone.
func allMerges(text string, known, listed map[string]bool) error {
	for i := range text {
		if i > 0 && known[text[:i]] && known[text[i:]] && !listed[text[:i]+" "+text[i:]] {
			return puna.Errorf(puna.Unsupported, "tokenizer.json has no merge of %q and %q, so it wasn't made of a SentencePiece model, and llama.cpp can't split texts as it does: add tokenizer.model", text[:i], text[i:])
		}
	}
	return nil
}

// prefixed reports whether a tokenizer.json puts a space before texts.
func prefixed(t *tokenizerFile) bool {
	for _, s := range slices.Concat(t.Normalizer.all(), t.PreTokenizer.all()) {
		switch s.Type {
		case "Prepend":
			return true
		case "Metaspace":
			return s.PrependScheme != "never" && (s.AddPrefixSpace == nil || *s.AddPrefixSpace)
		}
	}
	return false
}

// turns are tokens of Gemma that tokenizer.model takes for text.
var turns = []string{"<start_of_turn>", "<end_of_turn>"}

// spaces undoes SentencePiece's spelling of spaces: texts are searched for tokens of
// users before they are spelled so.
func spaces(text string) string { return strings.ReplaceAll(text, "\u2581", " ") }
