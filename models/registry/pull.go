package registry

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/puna-ai/puna"
	"github.com/puna-ai/puna/models/name"
	"github.com/puna-ai/puna/models/store"
)

// Limits of what is read into memory.
const (
	maxManifest = 4 << 20
	maxText     = 16 << 20
	maxLayers   = 1000
)

// job is one pull.
type job struct {
	c      *Client
	emit   emitter
	name   name.Name
	change *store.Change
	s      *session
	slots  chan struct{}
}

// hosts of Hugging Face, in names.
var huggingFace = []string{"hf.co", "huggingface.co"}

func (c *Client) pull(ctx context.Context, req Request, emit emitter) error {
	file, n, err := target(req)
	if err != nil {
		return err
	}
	emit(puna.Progress{Status: "pulling manifest"})
	j := &job{c: c, emit: emit, name: n, slots: make(chan struct{}, c.Transfer.withDefaults().Connections)}
	if j.change, err = c.Store.Begin(); err != nil {
		return err
	}
	defer func() {
		if err := j.change.Close(); err != nil {
			c.log().Warn("what a pull left could not be removed", "model", req.Model, "error", err)
		}
	}()
	manifest, err := j.route(ctx, file)
	if err != nil {
		return err
	}
	emit(puna.Progress{Status: "writing manifest"})
	if err := ctx.Err(); err != nil {
		return err
	}
	removed, err := j.change.CommitManifest(j.name, manifest)
	if err != nil {
		return err
	}
	if removed {
		emit(puna.Progress{Status: "removing unused layers"})
	}
	emit(puna.Progress{Status: "success"})
	return nil
}

// target reads what to pull: the address of a file, nil for a model at a registry,
// and the name that the model gets.
func target(req Request) (file *url.URL, n name.Name, err error) {
	file, ok := fileAddress(req.Model)
	switch {
	case !ok:
		n, err = parse(req)
		return nil, n, err
	case file.Scheme == "http" && !req.Insecure:
		return nil, n, errInsecure
	}
	n, err = name.Parse(cmp.Or(req.As, nameOf(file)))
	return file, n, err
}

// route brings all blobs of the model from where it is, and returns its manifest.
func (j *job) route(ctx context.Context, file *url.URL) ([]byte, error) {
	if file != nil {
		return j.pullAddress(ctx, file)
	}
	if slices.Contains(huggingFace, strings.ToLower(j.name.Host)) {
		return j.pullHuggingFace(ctx)
	}
	j.s = j.c.session(&url.URL{Scheme: j.name.Scheme, Host: j.name.Host}, "")
	return j.pullRegistry(ctx)
}

// pullRegistry takes a model as the registry has it.
func (j *job) pullRegistry(ctx context.Context) ([]byte, error) {
	data, m, err := j.manifest(ctx)
	if err != nil {
		return nil, err
	}
	return data, j.pullManifest(ctx, m)
}

// pullManifest brings the blobs of a manifest.
func (j *job) pullManifest(ctx context.Context, m *store.Manifest) error {
	var sources []source
	for _, l := range append(m.Layers[:len(m.Layers):len(m.Layers)], m.Config) {
		if l.Digest == "" {
			continue
		}
		digest, err := store.NormalDigest(l.Digest)
		if err != nil {
			return err
		}
		sources = append(sources, source{
			mediaType: l.MediaType, digest: digest, size: l.Size, label: digest[7:19],
			url: repository(j.s.base, j.name).JoinPath("blobs", digest),
		})
	}
	_, err := j.fetchAll(ctx, sources)
	return err
}

// repository returns the address of a model at a registry.
func repository(base *url.URL, n name.Name) *url.URL {
	return base.JoinPath("v2", n.Namespace, n.Model)
}

// manifest asks the registry for the model's manifest.
func (j *job) manifest(ctx context.Context) ([]byte, *store.Manifest, error) {
	r := request{
		url:    repository(j.s.base, j.name).JoinPath("manifests", j.name.Tag),
		header: http.Header{"Accept": {store.MediaManifest}},
	}
	data, err := j.s.get(ctx, r, maxManifest, checkDigest)
	if err != nil {
		return nil, nil, explain(err, fmt.Sprintf("pull model manifest of '%s'", j.name))
	}
	m, err := store.ParseManifest(data)
	if err != nil {
		return nil, nil, puna.Errorf(puna.Invalid, "%s answered with no manifest of model '%s': %w", j.s.base.Host, j.name, err)
	}
	return data, m, checkManifest(j.name, m)
}

// checkDigest compares an answer with the digest that registries send along.
func checkDigest(h http.Header, data []byte) error {
	said := h.Get("Docker-Content-Digest")
	if got := fmt.Sprintf("sha256:%x", sha256.Sum256(data)); said != "" && said != got {
		return fmt.Errorf("the manifest came damaged: it has %s, not %s", got, said)
	}
	return nil
}

func checkManifest(n name.Name, m *store.Manifest) error {
	if m.SchemaVersion != 2 || len(m.Layers) == 0 && m.Config.Digest == "" || len(m.Layers) > maxLayers {
		return puna.Errorf(puna.Invalid, "the manifest of model '%s' has the version %d and %d layers: that is no model", n, m.SchemaVersion, len(m.Layers))
	}
	for _, l := range m.Layers {
		if l.MediaType == mediaTensor {
			return puna.Errorf(puna.Unsupported, "model '%s' is in the format safetensors: only GGUF models can be pulled", n)
		}
	}
	return nil
}

// mediaTensor is the type of layers of models for Ollama's MLX engine.
const mediaTensor = "application/vnd.ollama.image.tensor"

// decode reads JSON that a server sent.
func decode(host string, data []byte, v any) error {
	if err := json.Unmarshal(data, v); err != nil {
		return puna.Errorf(puna.Unavailable, "the answer of %s can't be read: %w", host, err)
	}
	return nil
}
