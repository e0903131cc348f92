// Package testmodel writes synthetic GGUF models and adapters: a real architecture,
// tokenizer and chat template around random weights. Tests use small ones to run
// real llama.cpp; benchmarks use ones of real models' shapes, since speed and memory
// depend on shapes and not on weights.
//
// Caveats: the text that such a model generates is noise, but always the same noise
// for one shape and seed. Weights are F16 (norms F32); quantize the file for others.
// A file is written as a whole or not at all.
package testmodel
