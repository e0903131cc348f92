package remote

import (
	"context"
	"io"
	"iter"
	"net/http"

	"github.com/ollama/ollama/api"

	"github.com/puna-ai/puna"
	"github.com/puna-ai/puna/server/ollama/wire"
)

// Running implements [puna.Loader].
func (c *Service) Running(ctx context.Context) ([]puna.RunningModel, error) {
	var answer wire.ProcessResponse
	if err := c.call(ctx, http.MethodGet, "/api/ps", nil, &answer); err != nil {
		return nil, err
	}
	out := make([]puna.RunningModel, len(answer.Models))
	for i := range answer.Models {
		out[i] = answer.Models[i].Model(c.now())
	}
	return out, nil
}

// List implements [puna.Library].
func (c *Service) List(ctx context.Context) ([]puna.Model, error) {
	var answer wire.ListResponse
	if err := c.call(ctx, http.MethodGet, "/api/tags", nil, &answer); err != nil {
		return nil, err
	}
	out := make([]puna.Model, len(answer.Models))
	for i := range answer.Models {
		out[i] = answer.Models[i].Model()
	}
	return out, nil
}

// Show implements [puna.Library]. Numbers in the card's maps are float64.
func (c *Service) Show(ctx context.Context, model string, verbose bool) (*puna.ModelCard, error) {
	var answer wire.ShowResponse
	if err := c.call(ctx, http.MethodPost, "/api/show", api.ShowRequest{Model: model, Verbose: verbose}, &answer); err != nil {
		return nil, err
	}
	return answer.Card(model)
}

// Create implements [puna.Library].
func (c *Service) Create(ctx context.Context, req *puna.CreateRequest) iter.Seq2[puna.Progress, error] {
	return func(yield func(puna.Progress, error) bool) {
		success := false
		for v, err := range lines(ctx, c, "/api/create", wire.NewCreateRequest(req), func() *wire.Progress { return new(wire.Progress) }) {
			if err != nil {
				yield(puna.Progress{}, err)
				return
			}
			success = v.Status == "success"
			if !yield(v.Step(), nil) {
				return
			}
		}
		if !success {
			yield(puna.Progress{}, puna.Errorf(puna.Unavailable, "%s broke off the creation of %q", c.Host(), req.Model))
		}
	}
}

// Copy implements [puna.Library].
func (c *Service) Copy(ctx context.Context, from, to string) error {
	return c.call(ctx, http.MethodPost, "/api/copy", api.CopyRequest{Source: from, Destination: to}, nil)
}

// Delete implements [puna.Library].
func (c *Service) Delete(ctx context.Context, model string) error {
	return c.call(ctx, http.MethodDelete, "/api/delete", api.DeleteRequest{Model: model}, nil)
}

// HasBlob implements [puna.Library].
func (c *Service) HasBlob(ctx context.Context, digest string) (bool, error) {
	path, err := blobPath(digest)
	if err != nil {
		return false, err
	}
	err = c.call(ctx, http.MethodHead, path, nil, nil)
	if err != nil && puna.KindOf(err) == puna.NotFound {
		return false, nil
	}
	return err == nil, err
}

// PutBlob implements [puna.Library]. It doesn't close r.
func (c *Service) PutBlob(ctx context.Context, digest string, r io.Reader) error {
	path, err := blobPath(digest)
	if err != nil {
		return err
	}
	return c.call(ctx, http.MethodPost, path, struct{ io.Reader }{r}, nil)
}

func blobPath(digest string) (string, error) {
	normal, err := wire.Digest(digest)
	return "/api/blobs/" + normal, err
}
