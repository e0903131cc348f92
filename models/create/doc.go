// Package create makes models in a store: from a GGUF file or another model, with
// another template, parameters, adapters, draft model or quantization. Progress has the status
// lines of Ollama's API.
//
// A model appears when all of it is in the store, or not at all: what is left
// half-way, by an error, by canceling or by the end of the process, leaves no
// model and no blobs behind. Of weights that were quantized, the source goes where
// nothing else needs it.
//
// Caveats: quantizing runs in llama.cpp, which can't be interrupted. Canceling
// returns at once, but the threads of the quantization go on to its end.
package create
