package engine

import (
	"context"
	"log/slog"
	"sync"

	"github.com/puna-ai/puna"
)

// Options configure an [Engine]. The zero value loads the best kernels that are
// installed and uses every CPU that the process may run on.
type Options struct {
	Log *slog.Logger // nil: slog.Default()
}

// Engine owns what the models of a process share: kernels and thread pools. It is
// safe for concurrent use.
type Engine struct {
	log *slog.Logger

	mu     sync.Mutex
	models map[*Model]struct{}
	closed bool
}

// Open loads the kernels.
func Open(o Options) (*Engine, error) {
	return nil, puna.Errorf(puna.Unsupported, "the engine is not here yet")
}

// Close closes every model, canceling the requests that run, and frees the thread
// pools. The kernels stay loaded. Idempotent.
func (e *Engine) Close() error { return nil }

// Load reads a model's weights and makes its first context. Canceling ctx stops it.
// Errors: [puna.NotFound] no such file; [puna.Invalid] not a GGUF, or broken;
// [puna.Unsupported] an architecture that the llama.cpp inside doesn't know;
// [puna.NoMemory].
func (e *Engine) Load(ctx context.Context, o LoadOptions) (*Model, error) {
	return nil, puna.Errorf(puna.Unsupported, "the engine is not here yet")
}
