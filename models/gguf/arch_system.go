//go:build llama_system

package gguf

const otherLlama = true
