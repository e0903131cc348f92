package info

import (
	"cmp"

	"github.com/ollama/ollama/format"

	"github.com/puna-ai/puna"
	"github.com/puna-ai/puna/models/gguf"
	"github.com/puna-ai/puna/models/store"
)

// smallArray is how many items of metadata a description shows unless asked for all.
const smallArray = 5

// Details summarizes a model. f is the header of its file; nil where there is
// none, and what its config says must do.
func Details(m *store.Model, f *gguf.File) puna.Details {
	d := puna.Details{
		ParentModel: m.Parent, Format: m.Config.ModelFormat, Family: m.Config.ModelFamily, Families: m.Config.ModelFamilies,
		ParameterSize: m.Config.ModelType, QuantizationLevel: m.Config.FileType,
		ContextLength: m.Config.ContextLen, EmbeddingLength: m.Config.EmbedLen,
	}
	if s := m.Config.Summary; s != nil {
		d.ContextLength, d.EmbeddingLength = s.ContextLength, s.EmbeddingLength
	}
	if f == nil {
		return d
	}
	d.Format = cmp.Or(d.Format, "gguf")
	d.Family = cmp.Or(d.Family, f.Arch())
	if len(d.Families) == 0 {
		d.Families = []string{d.Family}
	}
	d.ParameterSize = cmp.Or(d.ParameterSize, ParameterSize(f))
	if d.QuantizationLevel == "" || d.QuantizationLevel == "unknown" { // Ollama doesn't know all of llama.cpp's
		d.QuantizationLevel = f.FileType().String()
	}
	d.ContextLength, d.EmbeddingLength = f.ContextLength(), f.EmbeddingLength()
	return d
}

// ParameterSize returns how many parameters a model has, in Ollama's form: "8.0B".
func ParameterSize(f *gguf.File) string { return format.HumanNumber(f.ParameterCount()) }
