// Package name has the names of models, as Ollama writes them:
//
//	[host/][namespace/]model[:tag]
//
// with the defaults registry.ollama.ai, library and latest. It wraps Ollama's
// package types/model, so both programs read the same names alike.
//
// Caveats: names keep their case, but two that differ only in case are the same
// model ([Name.EqualFold]); a store decides which spelling is on disk.
package name
