package ollama

import (
	"cmp"
	"net/http"

	"github.com/ollama/ollama/api"

	"github.com/puna-ai/puna"
	"github.com/puna-ai/puna/server/internal/web"
	"github.com/puna-ai/puna/server/ollama/wire"
)

// Tags answers GET /api/tags.
func (a *API) Tags(w *web.Response, r *http.Request) error {
	models, err := a.Service.List(r.Context())
	if err != nil {
		return err
	}
	return w.JSON(http.StatusOK, wire.NewListResponse(models))
}

// Ps answers GET /api/ps.
func (a *API) Ps(w *web.Response, r *http.Request) error {
	models, err := a.Service.Running(r.Context())
	if err != nil {
		return err
	}
	return w.JSON(http.StatusOK, wire.NewProcessResponse(models, a.Now()))
}

// Show answers POST /api/show.
func (a *API) Show(w *web.Response, r *http.Request) error {
	var in api.ShowRequest
	if err := web.ReadJSON(r, &in); err != nil {
		return err
	}
	name := cmp.Or(in.Model, in.Name)
	if err := wire.CheckModel(name); err != nil {
		return err
	}
	card, err := a.Service.Show(r.Context(), name, in.Verbose)
	if err != nil {
		return err
	}
	return w.JSON(http.StatusOK, wire.NewShowResponse(card))
}

// Create answers POST /api/create.
func (a *API) Create(w *web.Response, r *http.Request) error {
	var in wire.CreateRequest
	if err := web.ReadJSON(r, &in); err != nil {
		return err
	}
	req, err := in.Request()
	if err != nil {
		return err
	}
	last := wire.NewProgress(puna.Progress{})
	for step, err := range a.Service.Create(r.Context(), req) {
		if err != nil {
			return err
		}
		last = wire.NewProgress(step)
		if !in.Streams() {
			continue
		}
		if err := w.Send(last, false); err != nil {
			return err
		}
	}
	if in.Streams() && w.Status() != 0 {
		return nil
	}
	return w.JSON(http.StatusOK, last)
}

// Copy answers POST /api/copy.
func (a *API) Copy(w *web.Response, r *http.Request) error {
	var in api.CopyRequest
	if err := web.ReadJSON(r, &in); err != nil {
		return err
	}
	if err := wire.CheckModel(in.Source); err != nil {
		return err
	}
	if err := wire.CheckModel(in.Destination); err != nil {
		return puna.Errorf(puna.Invalid, "destination %q is invalid", in.Destination)
	}
	if err := a.Service.Copy(r.Context(), in.Source, in.Destination); err != nil {
		return err
	}
	w.WriteHeader(http.StatusOK)
	return nil
}

// Delete answers DELETE /api/delete.
func (a *API) Delete(w *web.Response, r *http.Request) error {
	var in api.DeleteRequest
	if err := web.ReadJSON(r, &in); err != nil {
		return err
	}
	name := cmp.Or(in.Model, in.Name)
	if err := wire.CheckModel(name); err != nil {
		return err
	}
	if err := a.Service.Delete(r.Context(), name); err != nil {
		return err
	}
	w.WriteHeader(http.StatusOK)
	return nil
}

// HasBlob answers HEAD /api/blobs/{digest}.
func (a *API) HasBlob(w *web.Response, r *http.Request) error {
	digest, err := wire.Digest(r.PathValue("digest"))
	if err != nil {
		return err
	}
	switch has, err := a.Service.HasBlob(r.Context(), digest); {
	case err != nil:
		return err
	case !has:
		return puna.Errorf(puna.NotFound, "blob %q not found", digest)
	}
	w.WriteHeader(http.StatusOK)
	return nil
}

// PutBlob answers POST /api/blobs/{digest}: 201, or 200 for one that is here
// already, whose body isn't read.
func (a *API) PutBlob(w *web.Response, r *http.Request) error {
	digest, err := wire.Digest(r.PathValue("digest"))
	if err != nil {
		return err
	}
	has, err := a.Service.HasBlob(r.Context(), digest)
	switch {
	case err != nil:
		return err
	case has:
		w.WriteHeader(http.StatusOK)
		return nil
	}
	if err := a.Service.PutBlob(r.Context(), digest, r.Body); err != nil {
		return err
	}
	w.WriteHeader(http.StatusCreated)
	return nil
}
