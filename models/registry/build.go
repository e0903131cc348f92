package registry

import (
	"bytes"
	"context"
	"encoding/json"

	"github.com/puna-ai/puna"
	"github.com/puna-ai/puna/models/gguf"
	"github.com/puna-ai/puna/models/info"
	"github.com/puna-ai/puna/models/store"
)

// build makes the manifest of a model that came as files, weights first.
func (j *job) build(ctx context.Context, layers []store.Layer) ([]byte, error) {
	path, err := j.c.Store.BlobPath(layers[0].Digest)
	if err != nil {
		return nil, err
	}
	f, err := gguf.Open(path)
	if err != nil {
		return nil, err
	}
	m, err := j.c.Store.Load(&store.Manifest{Name: j.name, Layers: layers})
	if err != nil {
		return nil, err
	}
	info.FillConfig(&m.Config, m, f, layers)
	text, err := json.Marshal(m.Config)
	if err != nil {
		return nil, puna.Errorf(puna.Internal, "config: %w", err)
	}
	config, _, err := j.change.Put(ctx, store.MediaConfig, bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	return store.NewManifest(config, layers)
}
