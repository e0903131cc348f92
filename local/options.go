package local

import (
	"log/slog"
	"time"

	"github.com/puna-ai/puna"
	"github.com/puna-ai/puna/engine"
)

// DefaultKeepAlive is how long a model stays loaded after its last use.
const DefaultKeepAlive = 5 * time.Minute

// Options configure a [Service]. The zero value serves the built-in model and the
// models that an installed Ollama of this user keeps.
type Options struct {
	Models     string         // folder of the store; "": ~/.ollama/models
	AllowPaths bool           // a model's name may be the path of a GGUF file: only for callers trusted with this user's files
	KeepAlive  *time.Duration // nil: DefaultKeepAlive; negative: for ever; 0: unload at once
	Defaults   puna.Options   // of models that say nothing else
	Repack     engine.Repack
	KVType     string       // of the KV cache: "f16" (also ""), "q8_0" or "q4_0"
	Log        *slog.Logger // nil: slog.Default()
	Engine     engine.Options

	NumParallel int // requests that run at once in a model; 0: as many as fit
}
