package info

import (
	"context"
	"log/slog"
	"runtime"
	"sync"

	"github.com/puna-ai/puna"
	"github.com/puna-ai/puna/models/gguf"
	"github.com/puna-ai/puna/models/store"
)

// Lister lists the models of a store, and remembers what it read of each. It is
// safe for concurrent use.
type Lister struct {
	store *store.Store
	log   *slog.Logger
	known sync.Map // manifest digest to described: manifests never change
}

// described is what a list shows beyond the manifest.
type described struct {
	details      puna.Details
	capabilities []puna.Capability
}

// NewLister returns a lister of a store's models. A nil log is slog.Default().
func NewLister(s *store.Store, log *slog.Logger) *Lister {
	if log == nil {
		log = slog.Default()
	}
	return &Lister{store: s, log: log}
}

// List returns the models, last modified first. A model that can't be read is
// logged and left out.
func (l *Lister) List(ctx context.Context) ([]puna.Model, error) {
	manifests, err := l.store.List()
	if err != nil {
		return nil, err
	}
	models := make([]*puna.Model, len(manifests))
	var wg sync.WaitGroup
	slots := make(chan struct{}, runtime.GOMAXPROCS(0))
	for i, man := range manifests {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			if ctx.Err() == nil {
				models[i] = l.describe(man)
			}
		})
	}
	wg.Wait()
	if ctx.Err() != nil {
		return nil, puna.Errorf(puna.Canceled, "listing models: %w", context.Cause(ctx))
	}
	var out []puna.Model
	for _, m := range models {
		if m != nil {
			out = append(out, *m)
		}
	}
	return out, nil
}

// describe returns a line of the list, nil where the model can't be read.
func (l *Lister) describe(man *store.Manifest) *puna.Model {
	d, ok := l.known.Load(man.Digest)
	if !ok {
		fresh, err := l.read(man)
		if err != nil {
			l.log.Warn("a model was left out of the list", "model", man.Name.String(), "error", err)
			return nil
		}
		d = fresh
		l.known.Store(man.Digest, d)
	}
	about := d.(described)
	return &puna.Model{Name: man.Name.String(), Modified: man.Modified, Size: man.Size(), Digest: man.Digest,
		Details: about.details, Capabilities: about.capabilities}
}

func (l *Lister) read(man *store.Manifest) (described, error) {
	config, err := l.store.Config(man)
	if err != nil {
		return described{}, err
	}
	if config.Summary != nil { // made by Puna: no need to open the file
		m := &store.Model{Name: man.Name, Config: config}
		for _, layer := range man.Layers {
			if layer.MediaType == store.MediaModel {
				m.Parent = layer.From
			}
		}
		return described{Details(m, nil), config.Summary.Capabilities}, nil
	}
	m, err := l.store.Load(man)
	if err != nil {
		return described{}, err
	}
	if m.Path == "" {
		card, err := Card(m, false)
		if err != nil {
			return described{}, err
		}
		return described{card.Details, card.Capabilities}, nil
	}
	f, err := gguf.OpenWith(m.Path, gguf.Options{MaxArray: smallArray})
	if err != nil {
		return described{}, err
	}
	return described{Details(m, f), Capabilities(m, f)}, nil
}
