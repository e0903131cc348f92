// Package peer runs Puna's server and another one, llama.cpp's llama-server, as
// processes, and asks both as clients do: over HTTP, with streamed answers.
//
// A client's clock times everything; of what a server says of itself only its counts
// of tokens are read.
package peer
