// Package reference runs llama.cpp's own decoding loop (c/reference.c) in a child
// process: the yardstick of Puna's correctness and speed.
//
// The program links the shared libllama that third_party builds and loads the
// same kernel module as the engine under test, so both sides compute with the
// same code. It needs a C compiler and pkg-config, and serves tests and
// benchmarks only.
package reference
