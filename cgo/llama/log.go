package llama

// #include "shim.h"
import "C"

import (
	"sync"

	"github.com/puna-ai/puna/cgo/ggml"
)

// llama.cpp's log goes where ggml's goes: [ggml.SetLogger].
func init() { C.puna_log_init(ggml.LogCallback()) }

// BackendInit wraps llama_backend_init. Loading and quantizing call it by
// themselves. It runs once, however often it is called.
var BackendInit = sync.OnceFunc(func() { C.llama_backend_init() })
