//go:build llama_system

package ggml

// #cgo pkg-config: llama
// #cgo linux LDFLAGS: -ldl
import "C"

// System reports whether this build links the system's ggml (tag llama_system)
// instead of the pinned module's.
const System = true
