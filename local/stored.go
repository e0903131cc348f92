package local

import (
	"github.com/puna-ai/puna"
	"github.com/puna-ai/puna/engine"
	"github.com/puna-ai/puna/models/name"
	"github.com/puna-ai/puna/models/store"
)

// storedSpec describes a model of the store, which the request calls model.
func (s *Service) storedSpec(model string, n name.Name) (*spec, error) {
	manifest, err := s.store.Manifest(n)
	if puna.KindOf(err) == puna.NotFound {
		return nil, notFound(model)
	}
	if err != nil {
		return nil, err
	}
	if cached, ok := s.specs.Load(manifest.Digest); ok {
		c := *cached.(*spec) // the caller changes its own
		c.name = manifest.Name.String()
		return &c, nil
	}
	m, err := s.store.Load(manifest)
	if err != nil {
		return nil, err
	}
	sp, err := modelSpec(m)
	if err != nil {
		return nil, err
	}
	s.specs.Store(manifest.Digest, sp)
	c := *sp
	return &c, nil
}

// modelSpec describes what the store has read.
func modelSpec(m *store.Model) (*spec, error) {
	path, err := m.GGUF()
	if err != nil {
		return nil, err
	}
	load := engine.LoadOptions{
		Path: path, Name: m.Name.String(), Options: m.Options, System: m.System, Messages: m.Messages,
		Template: m.Template, Renderer: m.Config.Renderer, Parser: m.Config.Parser,
	}
	for _, adapter := range m.Adapters {
		load.Adapters = append(load.Adapters, engine.Adapter{Path: adapter})
	}
	return &spec{name: m.Name.String(), digest: m.Digest, load: load}, nil
}
