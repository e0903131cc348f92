// Package grammar translates JSON schemas to GBNF, the grammar language of
// llama.cpp.
package grammar
