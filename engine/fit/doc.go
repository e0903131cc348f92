// Package fit estimates the memory that a model and a context of it take, before
// anything is loaded: arithmetic over plain values.
//
// Caveats: weights and the cells of full attention are exact. Compute buffers are an
// upper estimate, since llama.cpp tells their size only once they are allocated. Layers
// with a sliding window count as if they attended to everything, and what a GPU holds
// is the layers' share of all.
package fit
