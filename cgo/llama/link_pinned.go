//go:build !llama_system

package llama

// #cgo CPPFLAGS: -I${SRCDIR}/include -I${SRCDIR}/../ggml/include
import "C"

// The C++ of libllama, compiled by the go command.
import _ "github.com/ollama/ollama/llama/llama.cpp/src"

// Commit is the llama.cpp commit that this build links.
const Commit = "ec98e2002"
