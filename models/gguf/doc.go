// Package gguf reads, checks and writes GGUF files, the format of llama.cpp's
// models (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md).
//
// It is the boundary between files that anyone may have made and C code that
// trusts them. Reading ([Open], [Read]) checks all that the format says: lengths
// and counts against the file's size, types, duplicate keys, alignment, and that
// every tensor's data lies where it must. [File.Validate] then checks what
// llama.cpp takes for granted about a model, an adapter or a projector: what would
// end in an assertion, a division by zero or a read out of bounds there is an
// error here. A file that passes both may still be refused by llama.cpp (a tensor
// missing, say), with an error that it reports in an orderly way.
//
// [File.Inspect] describes a file for people; [Join] makes one file of a split model.
//
// Tensor data is never read but by [Join]; a header takes as much memory as it has bytes in the
// file, at most [MaxHeader]. A [File] holds no descriptor, needs no closing, and is
// safe for concurrent use. Versions 2 and 3, little endian.
package gguf
