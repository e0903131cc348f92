// Package server answers HTTP requests from any [puna.Service]: Ollama's API
// (package ollama) today. It has the route table, the middleware (log, panics,
// origins, hosts) and the life of the listener; codecs do the rest.
//
//	s := &server.Server{Service: svc, Version: "0.24.0"}
//	ln, err := net.Listen("tcp", "127.0.0.1:11434")
//	if err != nil { ... }
//	err = s.Serve(ctx, ln) // until ctx ends
//
// Who may ask: browsers only from allowed origins, see [Server.Origins]; behind a
// loopback listener only requests for a local host name, so that a web page can't
// reach it through a DNS name of its own. Both as Ollama does.
//
// Caveats: there is no authentication and no TLS; a listener on another address
// than loopback lets in everyone who reaches it.
package server
