package engine

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"sync"

	"github.com/puna-ai/puna"
	"github.com/puna-ai/puna/cgo/ggml"
	"github.com/puna-ai/puna/cgo/kernels"
	"github.com/puna-ai/puna/engine/snapshot"
)

// Options configure an [Engine]. The zero value loads the best proven kernels that
// are installed and uses every physical CPU that the process may run on.
type Options struct {
	Kernels kernels.Options
	Log     *slog.Logger // llama.cpp's messages too; nil: slog.Default()

	// Prefixes of prompts that leave memory, or are there when a model is unloaded, are
	// kept in up to CacheDisk bytes of files below the folder CacheDir, which hold what
	// users wrote and only this user can read.
	CacheDisk int64  // 0: none are kept
	CacheDir  string // "": puna/prefixes in the user's cache folder

	Prover *Prover // nil: models are loaded untried
}

// Engine owns what the models of a process share: kernels and thread pools. It is
// safe for concurrent use.
type Engine struct {
	log    *slog.Logger
	report kernels.Report
	disk   *snapshot.Dir // nil: prefixes aren't kept in files
	prover *Prover       // nil: none

	turn   *turn                    // of all contexts: they compute with the same CPUs
	loads  sync.WaitGroup           // calls of Load
	mu     sync.Mutex               // of what follows
	pools  map[int]*ggml.Threadpool // by number of threads
	models map[*Model]struct{}
	closed bool
}

// poll is how long ggml's idle workers spin before they sleep, in its unit of 128 Ki
// rounds: some milliseconds, enough to be awake for the next step of an answer, and
// nothing when no request runs.
const poll = 1

// Open loads the kernels, once per process: a second Engine has those of the first,
// whatever its options say. It fails only where Options.Kernels names kernels that
// can't be used.
func Open(o Options) (*Engine, error) {
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.Kernels.Logger == nil {
		o.Kernels.Logger = o.Log
	}
	ggml.SetLogger(slog.New(quiet{o.Log.Handler()}))
	report, err := kernels.Load(o.Kernels)
	if err != nil {
		return nil, puna.Errorf(puna.Invalid, "%w", err)
	}
	disk, err := openDisk(o)
	if err != nil {
		return nil, err
	}
	return &Engine{log: o.Log, report: report, disk: disk, prover: o.Prover, turn: newTurn(), pools: map[int]*ggml.Threadpool{}, models: map[*Model]struct{}{}}, nil
}

func openDisk(o Options) (*snapshot.Dir, error) {
	if o.CacheDisk <= 0 {
		return nil, nil
	}
	if o.CacheDir == "" {
		user, err := os.UserCacheDir()
		if err != nil {
			return nil, puna.Errorf(puna.Invalid, "prefixes on disk need a cache folder: %w", err)
		}
		o.CacheDir = filepath.Join(user, "puna", "prefixes")
	}
	dir, err := snapshot.Open(o.CacheDir, o.CacheDisk)
	if err != nil {
		return nil, puna.Errorf(puna.Invalid, "prefixes can't be kept on disk: %w", err)
	}
	return dir, nil
}

// Kernels says which kernels are in use and which devices there are.
func (e *Engine) Kernels() kernels.Report { return e.report }

// Close closes every model, canceling the requests that run, waits for loads that are
// under way, which fail, and frees the thread pools. The kernels stay loaded. Idempotent.
func (e *Engine) Close() error {
	e.mu.Lock()
	e.closed = true
	var models []*Model
	for m := range e.models {
		models = append(models, m)
	}
	e.mu.Unlock()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	var errs []error
	for _, m := range models {
		errs = append(errs, m.Close(ctx))
	}
	e.loads.Wait()
	e.mu.Lock()
	defer e.mu.Unlock()
	for n, p := range e.pools {
		p.Close()
		delete(e.pools, n)
	}
	return errors.Join(errs...)
}

// pool returns the pool of n threads.
func (e *Engine) pool(n int) (*ggml.Threadpool, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if p := e.pools[n]; p != nil {
		return p, nil
	}
	p, err := kernels.NewThreadpool(ggml.ThreadpoolParams{Threads: n, Poll: poll})
	if err != nil {
		return nil, puna.Errorf(puna.Internal, "%w", err)
	}
	e.pools[n] = p
	return p, nil
}

// begin counts a load as under way, unless the engine is closed. The caller calls
// loads.Done.
func (e *Engine) begin() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return errClosed
	}
	e.loads.Add(1)
	return nil
}

var errClosed = puna.Errorf(puna.Unavailable, "the engine is closed")

// enter lists m among the engine's models; leave takes it off.
func (e *Engine) enter(m *Model) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return errClosed
	}
	e.models[m] = struct{}{}
	return nil
}

func (e *Engine) leave(m *Model) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.models, m)
}
