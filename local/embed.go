package local

import (
	"context"
	"time"

	"github.com/puna-ai/puna"
)

// Embed implements [puna.Embedder]. The model is loaded and kept as for Generate.
func (s *Service) Embed(ctx context.Context, req *puna.EmbedRequest) (*puna.EmbedResult, error) {
	ask := &puna.Request{Model: req.Model, Options: req.Options, KeepAlive: req.KeepAlive, OnLoad: req.OnLoad}
	var result *puna.EmbedResult
	err := s.embedder(ctx, ask, func(model puna.Embedder) (usage *puna.EmbedUsage, err error) {
		if result, err = model.Embed(ctx, req); err != nil {
			return nil, err
		}
		return &result.EmbedUsage, nil
	})
	return result, err
}

// Rerank implements [puna.Embedder]. The model is loaded and kept as for Generate.
func (s *Service) Rerank(ctx context.Context, req *puna.RerankRequest) (*puna.RerankResult, error) {
	ask := &puna.Request{Model: req.Model, Options: req.Options, KeepAlive: req.KeepAlive, OnLoad: req.OnLoad}
	var result *puna.RerankResult
	err := s.embedder(ctx, ask, func(model puna.Embedder) (usage *puna.EmbedUsage, err error) {
		if result, err = model.Rerank(ctx, req); err != nil {
			return nil, err
		}
		return &result.EmbedUsage, nil
	})
	return result, err
}

// embedder calls use with the model of a request, and adds the times of loading to
// the usage that it returns.
func (s *Service) embedder(ctx context.Context, req *puna.Request, use func(puna.Embedder) (*puna.EmbedUsage, error)) error {
	start := time.Now()
	r, err := s.resident(ctx, req)
	if err != nil {
		return err
	}
	defer s.residents.release(r, req.KeepAlive)
	loaded := time.Since(start)
	usage, err := use(r.model)
	if err != nil {
		return err
	}
	usage.LoadDuration += loaded
	usage.TotalDuration = time.Since(start)
	return nil
}
