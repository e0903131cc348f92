package local

import (
	"context"
	"iter"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/puna-ai/puna"
	"github.com/puna-ai/puna/engine"
	"github.com/puna-ai/puna/engine/fit"
	"github.com/puna-ai/puna/models/info"
	"github.com/puna-ai/puna/models/store"
)

// Service is a [puna.Service] over this machine's models. It is safe for
// concurrent use; Close it.
type Service struct {
	opts      Options
	log       *slog.Logger
	engine    *engine.Engine
	store     *store.Store
	residents *residents
	lister    *info.Lister
	models    sync.Map // manifest digest to *store.Model
}

// The compiler checks what the documentation says.
var _ puna.Service = (*Service)(nil)

// Open opens the store and the engine. It creates the store's folder when the
// first model is written, not before.
func Open(o Options) (*Service, error) {
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.Engine.Log == nil {
		o.Engine.Log = o.Log
	}
	if err := o.Defaults.Validate(); err != nil {
		return nil, err
	}
	if o.Memory < 0 || o.MaxModels < 0 || o.MaxQueue < 0 {
		return nil, puna.Errorf(puna.Invalid, "%d bytes for %d models and a queue of %d: none may be negative", o.Memory, o.MaxModels, o.MaxQueue)
	}
	st, err := openStore(o.Models, store.Options{Log: o.Log, NoPrune: o.NoPrune})
	if err != nil {
		return nil, err
	}
	e, err := engine.Open(o.Engine)
	if err != nil {
		return nil, err
	}
	s := &Service{opts: o, log: o.Log, engine: e, store: st, lister: info.NewLister(st, o.Log)}
	s.residents = &residents{
		load: s.loadModel, estimate: s.estimate, capacity: e.Capacity, log: o.Log, policy: o.policy(),
		byKey: map[string]*resident{}, failures: failures{},
	}
	return s, nil
}

func openStore(dir string, o store.Options) (*store.Store, error) {
	if dir == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return nil, puna.Errorf(puna.Invalid, "no folder for models is given, and there is no home folder: %w", err)
		}
		dir = filepath.Join(home, ".ollama", "models")
	}
	return store.Open(dir, o)
}

// Close cancels what runs, unloads every model and closes the engine.
func (s *Service) Close() error {
	err := s.residents.close()
	if e := s.engine.Close(); err == nil {
		err = e
	}
	return err
}

// Generate implements [puna.Generator].
func (s *Service) Generate(ctx context.Context, req *puna.Request) iter.Seq2[puna.Event, error] {
	return func(yield func(puna.Event, error) bool) {
		start := time.Now()
		r, err := s.resident(ctx, req)
		if err != nil {
			yield(puna.Event{}, err)
			return
		}
		defer s.residents.release(r, req.KeepAlive)
		load := time.Since(start)
		for ev, err := range r.model.Generate(ctx, req) {
			if ev.Done != nil {
				ev.Done.LoadDuration += load // to that of a context
				ev.Done.TotalDuration = time.Since(start)
			}
			if !yield(ev, err) {
				return
			}
		}
	}
}

// Load implements [puna.Loader].
func (s *Service) Load(ctx context.Context, req *puna.Request) error {
	r, err := s.resident(ctx, req)
	if err != nil {
		return err
	}
	defer s.residents.release(r, req.KeepAlive)
	if req.Think.Enabled() && !slices.Contains(r.model.Info().Capabilities, puna.CanThink) {
		return puna.Errorf(puna.Unsupported, "%q does not support thinking", req.Model)
	}
	return nil
}

// resident is the loaded model of a request; the caller releases it.
func (s *Service) resident(ctx context.Context, req *puna.Request) (*resident, error) {
	if err := ctx.Err(); err != nil {
		return nil, puna.Errorf(puna.Canceled, "%w", err)
	}
	if err := req.Options.Validate(); err != nil {
		return nil, err
	}
	m, err := s.resolve(req.Model)
	if err != nil {
		return nil, err
	}
	spec, err := newSpec(m, req.Options)
	if err != nil {
		return nil, err
	}
	return s.residents.acquire(ctx, spec, req.OnLoad)
}

// Unload implements [puna.Loader].
func (s *Service) Unload(_ context.Context, model string) error {
	m, err := s.resolve(model)
	if err != nil {
		return err
	}
	s.residents.unloadModel(m.Digest, m.Name)
	return nil
}

// Running implements [puna.Loader].
func (s *Service) Running(context.Context) ([]puna.RunningModel, error) {
	return s.residents.running(), nil
}

// loadOptions are those of a load whose model and requests say o.
func (s *Service) loadOptions(spec *spec, o puna.Options) engine.LoadOptions {
	load := spec.load
	load.Options = o.Over(s.opts.Defaults)
	load.Repack = s.opts.Repack
	load.NumParallel = s.opts.NumParallel
	load.KVType = s.opts.KVType
	load.CacheRAM = s.opts.CacheRAM
	return load
}

// estimate is what a load of spec will take.
func (s *Service) estimate(spec *spec) (fit.Memory, error) {
	return s.engine.Estimate(s.loadOptions(spec, spec.first))
}

// loadModel is what residents call to load.
func (s *Service) loadModel(ctx context.Context, spec *spec, progress func(float64)) (loadedModel, error) {
	o := s.loadOptions(spec, spec.load.Options)
	o.Progress = progress
	o.Grow = func(size int64) error { return s.residents.grow(spec.key, size) }
	o.Proven = isBuiltin(spec.model)
	s.log.Info("loading a model", "model", o.Name, "path", o.Path)
	start := time.Now()
	m, err := s.engine.Load(ctx, o)
	if err != nil {
		return nil, err
	}
	s.log.Info("loaded a model", "model", o.Name, "took", time.Since(start).Round(time.Millisecond))
	return m, nil
}
