// Package thirdparty carries the CMake files that build llama.cpp's kernels and
// libllama, and says which llama.cpp Puna is made for.
//
// No C++ source lies here: the CMake files read it from the folder of the Go
// module github.com/ollama/ollama, which go.mod pins. Package cgo/kernels/build
// runs them; README.md in this folder tells how and why.
//
// Caveat: LlamaCommit and OllamaVersion repeat what go.mod and the module say,
// because an importing program cannot ask them at run time. A test compares.
package thirdparty

import "embed"

// CMake holds the build: CMakeLists.txt and what it includes.
//
//go:embed CMakeLists.txt *.cmake llama.pc.in
var CMake embed.FS

const (
	// OllamaModule is the Go module that carries llama.cpp's sources.
	OllamaModule = "github.com/ollama/ollama"
	// OllamaVersion is the version of OllamaModule in go.mod.
	OllamaVersion = "v0.24.0"
	// LlamaCommit is the upstream llama.cpp commit of those sources. Kernels
	// built from another commit are not used.
	LlamaCommit = "ec98e2002"
)
