package info

import (
	"github.com/puna-ai/puna/models/gguf"
	"github.com/puna-ai/puna/models/store"
)

// FillConfig fills in what the config of a model says of its weights and layers.
// f is the header of its file.
func FillConfig(c *store.Config, m *store.Model, f *gguf.File, layers []store.Layer) {
	c.ModelFormat, c.ModelFamily, c.ModelFamilies = "gguf", f.Arch(), []string{f.Arch()}
	c.ModelType, c.FileType = ParameterSize(f), f.FileType().String()
	c.Architecture, c.OS, c.RootFS.Type = "amd64", "linux", "layers"
	for _, l := range layers {
		c.RootFS.DiffIDs = append(c.RootFS.DiffIDs, l.Digest)
	}
	c.Summary = &store.Summary{Capabilities: Capabilities(m, f), ContextLength: f.ContextLength(), EmbeddingLength: f.EmbeddingLength()}
}
