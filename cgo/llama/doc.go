// Package llama wraps llama.h one to one: each method calls the C function that its
// first line names, in the header's order, and decides nothing.
package llama
