package store

import (
	"bufio"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/ollama/ollama/types/model"

	"github.com/puna-ai/puna"
	"github.com/puna-ai/puna/internal/atomicfile"
	"github.com/puna-ai/puna/models/name"
)

// Media types of manifests and layers, as Ollama has them.
const (
	MediaManifest  = "application/vnd.docker.distribution.manifest.v2+json"
	MediaConfig    = "application/vnd.docker.container.image.v1+json"
	MediaModel     = "application/vnd.ollama.image.model"
	MediaAdapter   = "application/vnd.ollama.image.adapter"
	MediaProjector = "application/vnd.ollama.image.projector"
	MediaDraft     = "application/vnd.ollama.image.draft" // a model that drafts; Puna's own, Ollama passes over it
	MediaTemplate  = "application/vnd.ollama.image.template"
	MediaPrompt    = "application/vnd.ollama.image.prompt" // a template, in old models
	MediaSystem    = "application/vnd.ollama.image.system"
	MediaParams    = "application/vnd.ollama.image.params"
	MediaMessages  = "application/vnd.ollama.image.messages"
	MediaLicense   = "application/vnd.ollama.image.license"
)

// ConfigV2 is Ollama's type of config layers.
type ConfigV2 = model.ConfigV2

// RootFS is a part of [ConfigV2] that the format demands.
type RootFS = model.RootFS

// Config is the config layer of a model: Ollama's fields, and one that it ignores.
type Config struct {
	ConfigV2
	Summary *Summary `json:"puna,omitempty"` // of models that Puna made
}

// Summary keeps what lists show, so that they needn't open the model's file.
type Summary struct {
	Capabilities    []puna.Capability `json:"capabilities"`
	ContextLength   int               `json:"context_length"`
	EmbeddingLength int               `json:"embedding_length"`
}

// maxManifest limits manifests and configs.
const maxManifest = 4 << 20

// Layer refers to a blob.
type Layer struct {
	MediaType string `json:"mediaType"`
	Digest    string `json:"digest"` // "sha256:<64 hex>"
	Size      int64  `json:"size"`
	From      string `json:"from,omitempty"` // the model that the layer was taken from
	Name      string `json:"name,omitempty"`
}

// Manifest lists what a model is made of.
type Manifest struct {
	SchemaVersion int     `json:"schemaVersion"` // 2
	MediaType     string  `json:"mediaType"`
	Config        Layer   `json:"config"`
	Layers        []Layer `json:"layers"`

	Name     name.Name `json:"-"`
	Digest   string    `json:"-"` // of the file, 64 hex digits
	Modified time.Time `json:"-"`
	Raw      []byte    `json:"-"` // the file
}

// Size returns the bytes of all layers.
func (m *Manifest) Size() int64 {
	n := m.Config.Size
	for _, l := range m.Layers {
		n += l.Size
	}
	return n
}

// Manifest reads a model's manifest. Names ignore case, so another spelling of the
// name will do. Errors: [puna.NotFound] no such model, [puna.Invalid] the manifest
// is broken.
func (s *Store) Manifest(n name.Name) (*Manifest, error) {
	m, err := s.readManifest(n)
	if errors.Is(err, fs.ErrNotExist) {
		if spelled := s.Spelling(n); spelled != n {
			m, err = s.readManifest(spelled)
		}
	}
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, errIsDir) {
		return nil, puna.Errorf(puna.NotFound, "model '%s' not found", n)
	}
	return m, err
}

var errIsDir = errors.New("is a folder")

func (s *Store) readManifest(n name.Name) (*Manifest, error) {
	path := filepath.Join(s.manifests(), n.Path())
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, fileError(err)
	case info.IsDir():
		return nil, errIsDir
	case info.Size() > maxManifest:
		return nil, puna.Errorf(puna.Invalid, "%s has %d bytes, too many for a manifest", path, info.Size())
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fileError(err)
	}
	m, err := ParseManifest(data)
	if err != nil {
		return nil, puna.Errorf(puna.Invalid, "the manifest %s is broken: %w", path, err)
	}
	m.Name, m.Modified = n, info.ModTime()
	return m, nil
}

// NewManifest returns the text of a manifest.
func NewManifest(config Layer, layers []Layer) ([]byte, error) {
	data, err := json.Marshal(Manifest{SchemaVersion: 2, MediaType: MediaManifest, Config: config, Layers: layers})
	if err != nil {
		return nil, puna.Errorf(puna.Internal, "manifest: %w", err)
	}
	return append(data, '\n'), nil
}

// ParseManifest reads a manifest and checks its digests and sizes. Name and
// Modified stay empty. Errors are [puna.Invalid].
func ParseManifest(data []byte) (*Manifest, error) {
	m := &Manifest{Digest: fmt.Sprintf("%x", sha256.Sum256(data)), Raw: data}
	if err := json.Unmarshal(data, m); err != nil {
		return nil, puna.Errorf(puna.Invalid, "%w", err)
	}
	for _, l := range append(m.Layers[:len(m.Layers):len(m.Layers)], m.Config) {
		if l.Digest == "" && l.MediaType == "" { // old models have no config
			continue
		}
		if _, err := NormalDigest(l.Digest); err != nil || l.Size < 0 {
			return nil, puna.Errorf(puna.Invalid, "layer %q has the digest %q and the size %d", l.MediaType, l.Digest, l.Size)
		}
	}
	return m, nil
}

// Spelling returns the name under which a model that n names is in the store, or n
// if there is none: names ignore case, but files may not.
func (s *Store) Spelling(n name.Name) name.Name {
	if info, err := os.Stat(filepath.Join(s.manifests(), n.Path())); err == nil && !info.IsDir() {
		return n
	}
	for _, other := range s.names() {
		if other.EqualFold(n) {
			return other
		}
	}
	return n
}

// names returns the names of all manifests, those of broken ones included.
func (s *Store) names() []name.Name {
	paths, err := s.manifestPaths()
	if err != nil {
		s.log.Warn("a part of the models' folder can't be read", "error", err)
	}
	var names []name.Name
	for _, path := range paths {
		if rel, err := filepath.Rel(s.manifests(), path); err == nil {
			if n, ok := name.FromPath(rel); ok {
				names = append(names, n)
			}
		}
	}
	return names
}

// manifestPaths returns the files at the depth of manifests, whatever their names;
// with an error, those that could be found.
func (s *Store) manifestPaths() ([]string, error) {
	level := []string{s.manifests()}
	var errs []error
	for range 4 {
		var next []string
		for _, dir := range level {
			paths, err := withPrefix(dir, "")
			if err != nil && !errors.Is(err, syscall.ENOTDIR) {
				errs = append(errs, err)
			}
			next = append(next, paths...)
		}
		level = next
	}
	level = slices.DeleteFunc(level, func(path string) bool {
		info, err := os.Stat(path)
		return err != nil || info.IsDir()
	})
	return level, errors.Join(errs...)
}

// writeManifest writes a manifest atomically. The caller holds the lock.
func (s *Store) writeManifest(n name.Name, data []byte) error {
	path := filepath.Join(s.manifests(), n.Path())
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fileError(err)
	}
	o := atomicfile.Options{Temp: tempPrefix, Dir: s.manifests(), Mode: 0o644, Sync: true}
	return fileError(atomicfile.Write(path, o, func(w *bufio.Writer) error {
		w.Write(data)
		return nil
	}))
}
