package info

import (
	"slices"

	"github.com/puna-ai/puna"
	"github.com/puna-ai/puna/models/gguf"
	"github.com/puna-ai/puna/models/store"
	"github.com/puna-ai/puna/models/template"
)

// Capabilities returns what a model can do, by Ollama's rules: a pooling type means
// embeddings and else there is completion; projectors mean images or sound;
// templates say whether there are tools, thinking and insertion. f is the header
// of m's file; arrays may be skipped in it.
func Capabilities(m *store.Model, f *gguf.File) []puna.Capability {
	var out []puna.Capability
	if _, pooled := f.Get(".pooling_type"); pooled {
		out = append(out, puna.CanEmbed)
	} else {
		out = append(out, puna.CanComplete)
	}
	for _, path := range m.Projectors {
		out = append(out, projectorCapabilities(path)...)
	}
	source := template.Source{
		Model: m.Name.String(), Modelfile: m.Template, Renderer: m.Config.Renderer, Parser: m.Config.Parser,
		Jinja: f.ChatTemplate(""), JinjaTool: f.ChatTemplate("tool_use"),
	}
	if t, err := template.New(source); err == nil && t.Kind() != template.ChatML { // which no model carries
		for _, c := range []puna.Capability{puna.CanTools, puna.CanInsert, puna.CanThink} {
			if t.Supports(c) {
				out = append(out, c)
			}
		}
	}
	if f.Arch() == "gpt-oss" {
		out = append(out, puna.CanThink)
	}
	for _, c := range m.Config.Capabilities {
		out = append(out, puna.Capability(c))
	}
	return unique(out)
}

func projectorCapabilities(path string) (out []puna.Capability) {
	f, err := gguf.OpenWith(path, gguf.Options{MaxArray: smallArray})
	if err != nil {
		return nil // loading the model says why
	}
	if on, _ := f.Bool("clip.has_vision_encoder"); on {
		out = append(out, puna.CanVision)
	}
	if on, _ := f.Bool("clip.has_audio_encoder"); on {
		out = append(out, puna.CanAudio)
	}
	return out
}

// unique removes later copies.
func unique(list []puna.Capability) []puna.Capability {
	var out []puna.Capability
	for _, c := range list {
		if !slices.Contains(out, c) {
			out = append(out, c)
		}
	}
	return out
}
