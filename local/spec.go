package local

import (
	"fmt"

	"github.com/puna-ai/puna"
	"github.com/puna-ai/puna/engine"
	"github.com/puna-ai/puna/models/store"
)

// spec says what to load.
type spec struct {
	key   string // equal for requests that share a load
	model *store.Model
	load  engine.LoadOptions
	first puna.Options // of the request that asked, over the model's: what its context will be
}

// newSpec describes the load of a model for a request with options o. Requests
// that differ in how the weights are loaded don't share them.
func newSpec(m *store.Model, o puna.Options) (*spec, error) {
	path, err := m.GGUF()
	if err != nil {
		return nil, err
	}
	load := engine.LoadOptions{
		Path: path, Name: displayName(m), Digest: m.Digest, System: m.System, Messages: m.Messages,
		Template: m.Template, Renderer: m.Config.Renderer, Parser: m.Config.Parser,
		Draft:   engine.Draft{Path: m.Draft},
		Options: puna.Options{NumGPU: o.NumGPU, MainGPU: o.MainGPU, UseMmap: o.UseMmap}.Over(m.Options),
	}
	for _, adapter := range m.Adapters {
		load.Adapters = append(load.Adapters, engine.Adapter{Path: adapter})
	}
	l := load.Options
	key := fmt.Sprintf("%s gpu=%d/%d mmap=%t", m.Digest, puna.Or(l.NumGPU, -1), puna.Or(l.MainGPU, 0), puna.Or(l.UseMmap, true))
	return &spec{key: key, model: m, load: load, first: o.Over(m.Options)}, nil
}

// displayName is a model's name, or its path where it has none.
func displayName(m *store.Model) string {
	if m.Name.IsZero() {
		return m.Path
	}
	return m.Name.String()
}
