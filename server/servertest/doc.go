// Package servertest has a [puna.Service] without an engine, to test servers and
// clients with: its models answer from a word list, the same words for the same
// prompt, and everything else (names, blobs, options, contexts, keep-alive,
// cancellation) is as [puna.Service] says. The conformance suite holds it to that.
//
// Caveats: a token is a word, and nothing is ever learned or meant.
package servertest
