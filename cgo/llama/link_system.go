//go:build llama_system

package llama

// #cgo pkg-config: llama
import "C"

// Commit is the llama.cpp commit that this build links: the system's own.
const Commit = "system"
