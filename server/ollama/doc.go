// Package ollama serves Ollama's HTTP API from any [puna.Service]: handlers that
// decode a request (package wire), ask the service and encode what it says. The
// route table is package server's.
//
// Where the contract of Ollama leaves a choice:
//   - A prompt that doesn't fit is cut unless the request has "truncate": false, as
//     Ollama does, and the cut is told in three places: the field
//     prompt_truncated_count of the last line, the header [TruncatedHeader] (a
//     trailer if the stream has begun) and a warning in the log.
//   - Embeddings have unit length from both endpoints: Ollama's older one scales only
//     those of models that its own engine runs. That one never cuts a prompt.
//   - Unknown options are ignored with a warning in the log; known ones out of
//     range are a 400 that names the option.
//   - An error before the first line has its status code; later ones are a last
//     line {"error": "..."}, also when the answer isn't streamed: that one is held
//     back until it is whole.
//
// Caveats: texts of errors, "model 'x' not found" and "does not support thinking"
// among them, are the service's.
package ollama
