package local

import (
	"context"
	"io"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/puna-ai/puna"
	"github.com/puna-ai/puna/models/builtin"
	"github.com/puna-ai/puna/models/create"
	"github.com/puna-ai/puna/models/info"
	"github.com/puna-ai/puna/models/name"
	"github.com/puna-ai/puna/models/store"
)

// List implements [puna.Library]. Built-in models that the store has no model of
// the same name for come last; they have no time of change.
func (s *Service) List(ctx context.Context) ([]puna.Model, error) {
	list, err := s.lister.List(ctx)
	if err != nil {
		return nil, err
	}
	for _, b := range builtin.Names() {
		n, err := name.Parse(b)
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(list, func(l puna.Model) bool { return strings.EqualFold(l.Name, n.String()) }) {
			continue
		}
		m, err := s.listed(b)
		if err != nil {
			s.log.Warn("a built-in model was left out of the list", "model", b, "error", err)
			continue
		}
		list = append(list, m)
	}
	return list, nil
}

// listed describes a built-in model as lists do.
func (s *Service) listed(model string) (puna.Model, error) {
	m, err := s.resolve(model)
	if err != nil {
		return puna.Model{}, err
	}
	card, err := info.Card(m, false)
	if err != nil {
		return puna.Model{}, err
	}
	return puna.Model{Name: card.Name, Size: m.Size, Digest: m.Digest, Details: card.Details, Capabilities: card.Capabilities}, nil
}

// Show implements [puna.Library].
func (s *Service) Show(_ context.Context, model string, verbose bool) (*puna.ModelCard, error) {
	m, err := s.resolve(model)
	if err != nil {
		return nil, err
	}
	return info.Card(m, verbose)
}

// Create implements [puna.Library]. From may name a built-in model, and where
// paths are allowed a GGUF file.
func (s *Service) Create(ctx context.Context, req *puna.CreateRequest) iter.Seq2[puna.Progress, error] {
	return func(yield func(puna.Progress, error) bool) {
		for _, model := range []string{req.From, req.Draft} {
			if n, err := name.Parse(model); err == nil {
				if err := s.ensureStored(ctx, n); err != nil {
					yield(puna.Progress{}, err)
					return
				}
			}
		}
		for step, err := range s.creator().Create(ctx, req) {
			if !yield(step, err) {
				return
			}
		}
	}
}

func (s *Service) creator() *create.Creator {
	return &create.Creator{Store: s.store, Log: s.log, AllowPaths: s.opts.AllowPaths}
}

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
	manifest, _ := s.store.Manifest(n) // a broken one can be deleted, too
	err = s.store.Delete(n)
	if puna.KindOf(err) == puna.NotFound {
		if _, ok := builtinModel(n); ok {
			return puna.Errorf(puna.Conflict, "%q is built into Puna and can't be removed", model)
		}
		return notFound(model)
	}
	if err == nil && manifest != nil && !s.inUse(manifest) {
		s.residents.unloadModel(manifest.Digest, name.Name{})
	}
	return err
}

// inUse reports whether another name still has the manifest.
func (s *Service) inUse(manifest *store.Manifest) bool {
	manifests, err := s.store.List()
	return err != nil || slices.ContainsFunc(manifests, func(m *store.Manifest) bool { return m.Digest == manifest.Digest })
}

// uploadsStay is how long a blob waits for the model that names it, as with Ollama.
const uploadsStay = time.Hour

// Prune removes what lies in the store for no model: what dead processes left, and
// blobs that nobody has named within an hour. A server does so when it starts.
func (s *Service) Prune() error {
	if s.opts.NoPrune {
		return nil
	}
	p, err := s.store.Prune(uploadsStay)
	if p.Blobs > 0 {
		s.log.Info("removed files that no model uses", "files", p.Blobs, "bytes", p.Bytes)
	}
	return err
}

// HasBlob implements [puna.Library]. A blob that is there is kept for an hour.
func (s *Service) HasBlob(_ context.Context, digest string) (bool, error) {
	return s.store.KeepBlob(digest)
}

// PutBlob implements [puna.Library].
func (s *Service) PutBlob(ctx context.Context, digest string, r io.Reader) error {
	return s.store.PutBlob(ctx, digest, r)
}
