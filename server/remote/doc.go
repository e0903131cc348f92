// Package remote is a [puna.Service] on a server that speaks Ollama's API: Puna's
// own or Ollama's.
//
//	svc, err := remote.New(remote.Options{URL: &url.URL{Scheme: "http", Host: "127.0.0.1:11434"}})
//	if err != nil { ... }
//	if err := svc.Ping(ctx); err != nil { ... } // nobody is there
//
// Errors keep their kind where the server names it (Puna does, in a header), else
// the kind follows from the status code; an error in the middle of a stream has no
// kind on the wire and is [puna.Internal]. A server that can't be reached, or that
// breaks off an answer, is [puna.Unavailable].
//
// It doesn't use the client of Ollama's api package: that one drops fields which
// came after its version (cached tokens, capabilities), takes a broken connection
// for the end of an answer, and allocates 8 MB for each stream.
//
// Caveats: Ollama cuts a prompt that is too long unless it is told not to, and
// doesn't report it, so an unset [puna.Request.Truncate] is sent as false. The
// HTTP client's own timeout ends long answers: leave it unset and use contexts.
package remote
