//go:build !llama_system

package gguf

// otherLlama is true in builds that link another llama.cpp than the pinned one,
// which decides for itself what architectures it runs.
const otherLlama = false
