// Package info describes models: what they can do, how large they are, and all
// that a show command prints, read from the store and from their GGUF files.
//
// Caveats: a description reads the header of the model's file, some milliseconds
// for large vocabularies. A [Lister] does so once for each model.
package info
