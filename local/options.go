package local

import (
	"cmp"
	"log/slog"
	"time"

	"github.com/puna-ai/puna"
	"github.com/puna-ai/puna/engine"
)

// The defaults are Ollama's.
const (
	DefaultKeepAlive = 5 * time.Minute // how long a model stays loaded after its last use
	DefaultMaxQueue  = 512             // requests
)

// Options configure a [Service]. The zero value serves the built-in model and the
// models that an installed Ollama of this user keeps.
type Options struct {
	Models     string         // folder of the store; "": ~/.ollama/models
	NoPrune    bool           // files that no model uses any more stay: [Service.Prune] does nothing, and making models removes none
	AllowPaths bool           // a model's name may be the path of a GGUF file: only for callers trusted with this user's files
	KeepAlive  *time.Duration // nil: DefaultKeepAlive; negative: for ever; 0: unload at once; an idle model goes before that where another needs its memory
	Defaults   puna.Options   // of models that say nothing else
	Repack     engine.Repack
	KVType     string       // of the KV cache, one of [puna.KVCacheTypes]; "": "f16"
	CacheRAM   int64        // bytes; see [engine.LoadOptions]
	Log        *slog.Logger // nil: slog.Default()
	Engine     engine.Options

	NumParallel int // requests that run at once in a model; 0: as many as fit

	// Memory bounds what all loaded models take together, by estimate, in bytes of main
	// memory; one model alone may take more. 0: what is free, by the cgroup's limit too.
	Memory    int64
	MaxModels int // loaded at once; 0: as many as fit, or 3 where the system doesn't say what is free
	MaxQueue  int // requests that wait for a load, or for others of their model, before more are refused as [puna.Busy]; 0: DefaultMaxQueue
}

// policy is what the options say about residents.
func (o *Options) policy() policy {
	return policy{
		keepAlive: puna.Or(o.KeepAlive, DefaultKeepAlive),
		memory:    o.Memory,
		maxModels: o.MaxModels,
		maxQueue:  cmp.Or(o.MaxQueue, DefaultMaxQueue),
		parallel:  cmp.Or(o.NumParallel, engine.DefaultParallel),
	}
}
