package gguf

import (
	"bytes"

	"github.com/puna-ai/puna"
)

// maxPadding is how many tokens more one of two vocabularies may have that are the same
// otherwise: models of a family are padded to different sizes.
const maxPadding = 128

// ValidateDraft checks that a model, f, can draft tokens for another: that their
// vocabularies are the same.
func (f *File) ValidateDraft(model *File) error {
	if f.Kind() != Model {
		return puna.Errorf(puna.Invalid, "%s is no model that could draft: its general.type is %q", f.Path, f.String("general.type"))
	}
	if mine, other := f.String("tokenizer.ggml.model"), model.String("tokenizer.ggml.model"); mine != other {
		return f.otherVocabulary(model, "their tokenizers are %q and %q", mine, other)
	}
	if mine, other := f.VocabSize(), model.VocabSize(); max(mine, other)-min(mine, other) > maxPadding {
		return f.otherVocabulary(model, "they have %d and %d tokens", mine, other)
	}
	for _, key := range []string{"bos_token_id", "eos_token_id"} {
		mine, _ := f.Uint("tokenizer.ggml." + key)
		if other, _ := model.Uint("tokenizer.ggml." + key); mine != other {
			return f.otherVocabulary(model, "their %ss are %d and %d", key, mine, other)
		}
	}
	return f.compareTokens(model)
}

func (f *File) compareTokens(model *File) error {
	mine, others := f.Array("tokenizer.ggml.tokens"), model.Array("tokenizer.ggml.tokens")
	if mine == nil || others == nil || mine.Type != String || others.Type != String || mine.Skipped() || others.Skipped() {
		return f.otherVocabulary(model, "not both list their tokens")
	}
	texts := make([][]byte, 0, others.Len)
	for _, text := range others.texts() {
		texts = append(texts, text)
	}
	for i, text := range mine.texts() {
		if i < len(texts) && !bytes.Equal(text, texts[i]) {
			return f.otherVocabulary(model, "their tokens %d are %q and %q", i, text, texts[i])
		}
	}
	return nil
}

// otherVocabulary says what differs, f's first.
func (f *File) otherVocabulary(model *File, format string, args ...any) error {
	return puna.Errorf(puna.Invalid, "%s can't draft for %s, since "+format+": take a model of the same family, which has the same vocabulary",
		append([]any{f.Path, model.Path}, args...)...)
}
