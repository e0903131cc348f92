package server

import (
	"github.com/puna-ai/puna/server/internal/web"
	"github.com/puna-ai/puna/server/ollama"
)

// routes is the route table: every endpoint of the server.
func (s *Server) routes() []web.Route {
	o := &ollama.API{Service: s.Service, Version: s.Version, Log: s.log(), Now: s.now}
	return []web.Route{
		{Method: "GET", Path: "/{$}", Handler: o.Root},
		{Method: "GET", Path: "/api/version", Handler: o.GetVersion},

		{Method: "POST", Path: "/api/generate", Handler: o.Generate},
		{Method: "POST", Path: "/api/chat", Handler: o.Chat},
		{Method: "POST", Path: "/api/embed", Handler: o.Embed},
		{Method: "POST", Path: "/api/embeddings", Handler: o.Embeddings},
		{Method: "GET", Path: "/api/ps", Handler: o.Ps},

		{Method: "GET", Path: "/api/tags", Handler: o.Tags},
		{Method: "POST", Path: "/api/show", Handler: o.Show},
		{Method: "POST", Path: "/api/create", Handler: o.Create},
		{Method: "POST", Path: "/api/copy", Handler: o.Copy},
		{Method: "DELETE", Path: "/api/delete", Handler: o.Delete},
		{Method: "POST", Path: "/api/blobs/{digest}", Handler: o.PutBlob, Stream: true},
		{Method: "HEAD", Path: "/api/blobs/{digest}", Handler: o.HasBlob},
	}
}
