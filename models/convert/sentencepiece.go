package convert

import (
	"slices"
	"strings"

	"github.com/ollama/ollama/convert/sentencepiece"
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

// turns are tokens of Gemma that tokenizer.model takes for text.
var turns = []string{"<start_of_turn>", "<end_of_turn>"}

// spaces undoes SentencePiece's spelling of spaces: texts are searched for tokens of
// users before they are spelled so.
func spaces(text string) string { return strings.ReplaceAll(text, "\u2581", " ") }
