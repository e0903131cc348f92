package store

import (
	"encoding/json"
	"io"
	"os"
	"slices"
	"time"

	"github.com/puna-ai/puna"
	"github.com/puna-ai/puna/models/name"
)

// maxText limits layers that are read into memory: templates, licenses, ...
const maxText = 16 << 20

// Model is a model of the store, with all of its layers but the large ones read.
//
// It has more than 15 fields because it is what a manifest can hold.
type Model struct {
	Name     name.Name
	Digest   string // of the manifest, 64 hex digits
	Size     int64  // bytes of all layers
	Modified time.Time
	Config   Config

	Path       string // of the GGUF file; "" for models that aren't one, see [Model.GGUF]
	Parent     string // the model that the weights were taken from
	Adapters   []string
	Projectors []string
	Draft      string // the GGUF file of a model that drafts for this one; "": none

	Template    string // in Go's template syntax
	HasTemplate bool   // tells an empty template from none
	System      string
	Licenses    []string
	Options     puna.Options
	Messages    []puna.Message
}

// GGUF returns the path of the weights. Models that live elsewhere, or in another
// format, are [puna.Unsupported].
func (m *Model) GGUF() (string, error) {
	switch {
	case m.Path != "":
		return m.Path, nil
	case m.Config.RemoteHost != "":
		return "", puna.Errorf(puna.Unsupported, "model '%s' runs at %s only, as %q", m.Name, m.Config.RemoteHost, m.Config.RemoteModel)
	case m.Config.ModelFormat != "" && m.Config.ModelFormat != "gguf":
		return "", puna.Errorf(puna.Unsupported, "model '%s' is in the format %s, not GGUF", m.Name, m.Config.ModelFormat)
	}
	return "", puna.Errorf(puna.Unsupported, "model '%s' has no weights", m.Name)
}

// List returns the models by their manifests, last modified first. Broken
// manifests are logged and left out.
func (s *Store) List() ([]*Manifest, error) {
	var list []*Manifest
	for _, n := range s.names() {
		m, err := s.readManifest(n)
		if err != nil {
			s.log.Warn("a model was left out of the list", "model", n.String(), "error", err)
			continue
		}
		list = append(list, m)
	}
	slices.SortStableFunc(list, func(a, b *Manifest) int { return b.Modified.Compare(a.Modified) })
	return list, nil
}

// Config reads a model's config layer; the zero Config if there is none.
func (s *Store) Config(m *Manifest) (c Config, err error) {
	if m.Config.Digest == "" {
		return c, nil
	}
	return c, s.readJSON(m.Name, m.Config, &c)
}

// Resolve reads the model that a name stands for. Errors: [puna.Invalid] no
// name, or a broken model; [puna.NotFound] no such model, or a layer is missing.
func (s *Store) Resolve(model string) (*Model, error) {
	n, err := name.Parse(model)
	if err != nil {
		return nil, err
	}
	man, err := s.Manifest(n)
	if err != nil {
		return nil, err
	}
	return s.Load(man)
}

// Load reads the layers of a model.
func (s *Store) Load(man *Manifest) (*Model, error) {
	m := &Model{Name: man.Name, Digest: man.Digest, Size: man.Size(), Modified: man.Modified}
	var err error
	if m.Config, err = s.Config(man); err != nil {
		return nil, err
	}
	for _, l := range man.Layers {
		if err := s.loadLayer(m, l); err != nil {
			return nil, err
		}
	}
	return m, nil
}

func (s *Store) loadLayer(m *Model, l Layer) (err error) {
	var text string
	switch l.MediaType {
	case MediaModel, MediaAdapter, MediaProjector, MediaDraft:
		path, err := s.layerPath(m.Name, l)
		if err != nil {
			return err
		}
		m.addFile(l, path)
	case MediaTemplate, MediaPrompt:
		m.Template, err = s.readText(m.Name, l)
		m.HasTemplate = true
	case MediaSystem:
		m.System, err = s.readText(m.Name, l)
	case MediaLicense:
		text, err = s.readText(m.Name, l)
		m.Licenses = append(m.Licenses, text)
	case MediaParams:
		err = s.readParams(m, l)
	case MediaMessages:
		var messages []message
		err = s.readJSON(m.Name, l, &messages)
		for _, msg := range messages {
			m.Messages = append(m.Messages, puna.Message{Role: puna.Role(msg.Role), Content: msg.Content, Images: msg.Images})
		}
	}
	return err
}

// addFile takes a file over. The first model layer counts: Ollama's own engine
// has others besides.
func (m *Model) addFile(l Layer, path string) {
	switch l.MediaType {
	case MediaAdapter:
		m.Adapters = append(m.Adapters, path)
	case MediaProjector:
		m.Projectors = append(m.Projectors, path)
	case MediaDraft:
		m.Draft = path
	default:
		m.Path, m.Parent = path, l.From
	}
}

// message is an example turn as the messages layer has it.
type message struct {
	Role    string   `json:"role"`
	Content string   `json:"content"`
	Images  [][]byte `json:"images,omitempty"`
}

// readParams reads options; what Puna doesn't know, or can't take, is logged and
// left out, since such models run under Ollama.
func (s *Store) readParams(m *Model, l Layer) error {
	var values map[string]any
	if err := s.readJSON(m.Name, l, &values); err != nil {
		return err
	}
	for key, value := range values {
		next := m.Options
		if known, err := next.Set(key, value); err != nil || !known {
			s.log.Debug("a parameter of the model was left out", "model", m.Name.String(), "parameter", key, "value", value, "error", err)
			continue
		}
		m.Options = next
	}
	return nil
}

// layerPath returns the path of a layer that exists.
func (s *Store) layerPath(n name.Name, l Layer) (string, error) {
	path, err := s.BlobPath(l.Digest)
	if err != nil {
		return "", err
	}
	if _, err := os.Stat(path); err != nil {
		return "", incomplete(n, l.Digest, err)
	}
	return path, nil
}

func (s *Store) readText(n name.Name, l Layer) (string, error) {
	path, err := s.layerPath(n, l)
	if err != nil {
		return "", err
	}
	f, err := os.Open(path)
	if err != nil {
		return "", fileError(err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxText+1))
	if err != nil {
		return "", fileError(err)
	}
	if len(data) > maxText {
		return "", puna.Errorf(puna.Invalid, "model '%s': the layer %s (%s) has more than %d bytes", n, l.Digest, l.MediaType, maxText)
	}
	return string(data), nil
}

func (s *Store) readJSON(n name.Name, l Layer, v any) error {
	text, err := s.readText(n, l)
	if err != nil {
		return err
	}
	if err := json.Unmarshal([]byte(text), v); err != nil {
		return puna.Errorf(puna.Invalid, "model '%s': the layer %s (%s) is broken: %w", n, l.Digest, l.MediaType, err)
	}
	return nil
}
