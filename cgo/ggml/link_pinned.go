//go:build !llama_system

package ggml

// #cgo CFLAGS: -I${SRCDIR}/include
// #cgo linux LDFLAGS: -ldl
import "C"

// The C++ of ggml, with its baseline CPU backend, compiled by the go command.
import _ "github.com/ollama/ollama/ml/backend/ggml/ggml/src"

// System reports whether this build links the system's ggml (tag llama_system)
// instead of the pinned module's.
const System = false
