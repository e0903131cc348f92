package local

import (
	"context"
	"io"

	"github.com/puna-ai/puna"
	"github.com/puna-ai/puna/models/builtin"
	"github.com/puna-ai/puna/models/name"
)

// Copy implements [puna.Library].
func (s *Service) Copy(ctx context.Context, from, to string) error {
	source, err := name.Parse(from)
	if err != nil {
		return notFound(from)
	}
	target, err := name.Parse(to)
	if err != nil {
		return err
	}
	if err := s.ensureStored(ctx, source); err != nil {
		return err
	}
	err = s.store.Copy(source, target)
	if puna.KindOf(err) == puna.NotFound {
		return notFound(from)
	}
	return err
}

// Delete implements [puna.Library]. Requests that run go on to their end.
func (s *Service) Delete(_ context.Context, model string) error {
	n, err := name.Parse(model)
	if err != nil {
		return notFound(model)
	}
	var digest string
	if manifest, err := s.store.Manifest(n); err == nil {
		digest = manifest.Digest
	}
	err = s.store.Delete(n)
	if puna.KindOf(err) == puna.NotFound {
		if _, ok := builtinModel(n); ok {
			return puna.Errorf(puna.Conflict, "%q is built into Puna and can't be removed", model)
		}
		return notFound(model)
	}
	if err == nil && digest != "" && !s.named(digest) {
		s.residents.unloadDigest(digest)
	}
	return err
}

// named reports whether some model of the store still has a manifest.
func (s *Service) named(digest string) bool {
	manifests, err := s.store.List()
	if err != nil {
		return true // can't tell: keep it loaded
	}
	for _, m := range manifests {
		if m.Digest == digest {
			return true
		}
	}
	return false
}

// HasBlob implements [puna.Library].
func (s *Service) HasBlob(_ context.Context, digest string) (bool, error) {
	return s.store.HasBlob(digest)
}

// PutBlob implements [puna.Library].
func (s *Service) PutBlob(ctx context.Context, digest string, r io.Reader) error {
	return s.store.PutBlob(ctx, digest, r)
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
	return s.importBuiltin(ctx, m)
}

func (s *Service) importBuiltin(ctx context.Context, m *builtin.Model) error {
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
	for _, err := range s.Create(ctx, req) {
		if err != nil {
			return err
		}
	}
	return nil
}
