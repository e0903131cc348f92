// Package builtin holds the models that are part of the binary: today guide, a chat
// model of 6.3 million parameters that was trained for Puna (see tools/guide). It
// answers questions about Puna, and shows tools, thinking, JSON, fill in the middle
// and embeddings at work without a download. It is no general assistant.
//
// llama.cpp maps models from files, so [Model.File] writes the embedded bytes into
// a cache folder once and returns the path; every process then shares those pages.
//
// Caveats: the file in the cache is named after its content and checked whenever it
// is asked for; what was deleted or damaged there is written again. A file that some
// process has mapped is never changed in place.
package builtin
