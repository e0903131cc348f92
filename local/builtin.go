package local

import (
	"context"
	"strings"

	"github.com/puna-ai/puna"
	"github.com/puna-ai/puna/models/builtin"
	"github.com/puna-ai/puna/models/modelfile"
	"github.com/puna-ai/puna/models/name"
	"github.com/puna-ai/puna/models/store"
)

// builtinModel finds a built-in model by a name with the defaults everywhere else.
func builtinModel(n name.Name) (*builtin.Model, bool) {
	m, ok := builtin.Get(strings.ToLower(n.Model))
	if !ok {
		return nil, false
	}
	plain, err := name.Parse(m.Name)
	return m, err == nil && plain.EqualFold(n)
}

// isBuiltin reports whether m is a built-in model as [describeBuiltin] describes it.
func isBuiltin(m *store.Model) bool {
	b, ok := builtinModel(m.Name)
	return ok && b.Digest() == "sha256:"+m.Digest
}

func builtinModelfile(m *builtin.Model) (*modelfile.File, error) {
	return modelfile.Parse(strings.NewReader(m.Modelfile))
}

// describeBuiltin describes a built-in model as the store does its own. The
// weights are unpacked into the user's cache, so that processes share their pages.
func describeBuiltin(m *builtin.Model) (*store.Model, error) {
	f, err := builtinModelfile(m)
	if err != nil {
		return nil, err
	}
	options, err := f.Options()
	if err != nil {
		return nil, err
	}
	n, err := name.Parse(m.Name)
	if err != nil {
		return nil, err
	}
	path, err := m.File("")
	if err != nil {
		return nil, puna.Errorf(puna.Internal, "%w", err)
	}
	d := &store.Model{
		Name: n, Digest: strings.TrimPrefix(m.Digest(), "sha256:"), Size: m.Size(), Path: path,
		Template: f.Template, HasTemplate: f.Template != "", System: f.System,
		Licenses: f.Licenses, Options: options, Messages: f.Messages,
	}
	d.Config.Renderer, d.Config.Parser = f.Renderer, f.Parser
	return d, nil
}

// ensureStored puts a built-in model into the store, under its own name, where
// the store has none of that name, so that others can be made of it.
func (s *Service) ensureStored(ctx context.Context, n name.Name) error {
	m, ok := builtinModel(n)
	if !ok {
		return nil
	}
	if _, err := s.store.Manifest(n); puna.KindOf(err) != puna.NotFound {
		return err
	}
	if err := s.store.PutBlob(ctx, m.Digest(), m.Open()); err != nil {
		return err
	}
	f, err := builtinModelfile(m)
	if err != nil {
		return err
	}
	req, err := f.Request(m.Name)
	if err != nil {
		return err
	}
	req.Files = map[string]string{m.Name + ".gguf": m.Digest()}
	for _, err := range s.creator().Create(ctx, req) {
		if err != nil {
			return err
		}
	}
	return nil
}
