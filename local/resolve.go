package local

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/puna-ai/puna"
	"github.com/puna-ai/puna/engine"
	"github.com/puna-ai/puna/models/builtin"
	"github.com/puna-ai/puna/models/modelfile"
	"github.com/puna-ai/puna/models/name"
)

// spec says what to load for a name.
type spec struct {
	key     string // equal for requests that share a load
	name    string // for people
	digest  string // of the manifest, or what stands for it; 64 hex digits
	details puna.Details
	load    engine.LoadOptions
}

// withLoadOptions adds the options that change how weights are loaded. Requests
// that differ in them don't share a load.
func (s *spec) withLoadOptions(o puna.Options) {
	s.load.Options = puna.Options{NumGPU: o.NumGPU, MainGPU: o.MainGPU, UseMmap: o.UseMmap}.Over(s.load.Options)
	l := s.load.Options
	s.key = fmt.Sprintf("%s gpu=%d/%d mmap=%t", s.digest, puna.Or(l.NumGPU, -1), puna.Or(l.MainGPU, 0), puna.Or(l.UseMmap, true))
}

// resolve finds the model that a request calls model: a path where paths are
// allowed, a model of the store, or a built-in one.
func (s *Service) resolve(model string) (*spec, error) {
	if model == "" {
		return nil, puna.Errorf(puna.Invalid, "model is required")
	}
	if s.opts.AllowPaths && IsPath(model) {
		return fileSpec(model)
	}
	n, err := name.Parse(model)
	if err != nil {
		return nil, notFound(model) // no such name can be in the store
	}
	spec, err := s.storedSpec(model, n)
	if puna.KindOf(err) != puna.NotFound {
		return spec, err
	}
	if m, ok := builtinModel(n); ok {
		return builtinSpec(m)
	}
	return nil, notFound(model)
}

func notFound(model string) error {
	return puna.Errorf(puna.NotFound, "model '%s' not found", model)
}

// IsPath tells the path of a file from a name: names don't begin with a dot or a
// slash, and other paths must end in .gguf.
func IsPath(model string) bool {
	return strings.HasPrefix(model, ".") || filepath.IsAbs(model) || strings.HasSuffix(model, ".gguf")
}

// fileSpec describes a GGUF file without a manifest. Its digest stands for the
// file's identity: path, size and time of change.
func fileSpec(path string) (*spec, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, puna.Errorf(puna.NotFound, "there is no file %q", path)
	case err != nil:
		return nil, puna.Errorf(puna.Invalid, "%w", err)
	case info.IsDir():
		return nil, puna.Errorf(puna.Invalid, "%q is a folder, not a GGUF file", path)
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, puna.Errorf(puna.Internal, "%w", err)
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %d %d", abs, info.Size(), info.ModTime().UnixNano()))
	return &spec{
		name:   path,
		digest: hex.EncodeToString(sum[:]),
		load:   engine.LoadOptions{Path: abs, Name: path},
	}, nil
}

// builtinModel finds a built-in model by a name with the defaults everywhere else.
func builtinModel(n name.Name) (*builtin.Model, bool) {
	m, ok := builtin.Get(strings.ToLower(n.Model))
	if !ok {
		return nil, false
	}
	plain, err := name.Parse(m.Name)
	return m, err == nil && plain.EqualFold(n)
}

func builtinModelfile(m *builtin.Model) (*modelfile.File, error) {
	return modelfile.Parse(strings.NewReader(m.Modelfile))
}

func builtinSpec(m *builtin.Model) (*spec, error) {
	f, err := builtinModelfile(m)
	if err != nil {
		return nil, err
	}
	options, err := f.Options()
	if err != nil {
		return nil, err
	}
	path, err := m.File("")
	if err != nil {
		return nil, puna.Errorf(puna.Internal, "%w", err)
	}
	return &spec{
		name:   m.Name + ":latest",
		digest: strings.TrimPrefix(m.Digest(), "sha256:"),
		load: engine.LoadOptions{
			Path: path, Name: m.Name, Options: options,
			Template: f.Template, System: f.System, Messages: f.Messages,
			Renderer: f.Renderer, Parser: f.Parser,
		},
	}, nil
}
