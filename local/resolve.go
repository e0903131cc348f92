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
	"github.com/puna-ai/puna/models/info"
	"github.com/puna-ai/puna/models/name"
	"github.com/puna-ai/puna/models/store"
)

// resolve finds the model that a request calls model: a path where paths are
// allowed, a model of the store, or a built-in one. Callers don't change it.
func (s *Service) resolve(model string) (*store.Model, error) {
	if model == "" {
		return nil, puna.Errorf(puna.Invalid, "model is required")
	}
	if s.opts.AllowPaths && IsPath(model) {
		return fileModel(model)
	}
	n, err := name.Parse(model)
	if err != nil {
		return nil, notFound(model) // no such name can be in the store
	}
	m, err := s.stored(n)
	if puna.KindOf(err) != puna.NotFound {
		return m, err
	}
	if b, ok := builtinModel(n); ok {
		return describeBuiltin(b)
	}
	return nil, notFound(model)
}

// stored reads a model of the store. Manifests never change, so what one refers
// to is read once.
func (s *Service) stored(n name.Name) (*store.Model, error) {
	manifest, err := s.store.Manifest(n)
	if err != nil {
		return nil, err
	}
	if m, ok := s.models.Load(manifest.Digest); ok && m.(*store.Model).Name == manifest.Name {
		return m.(*store.Model), nil
	}
	m, err := s.store.Load(manifest)
	if err != nil {
		return nil, err
	}
	s.models.Store(manifest.Digest, m)
	return m, nil
}

func notFound(model string) error {
	return puna.Errorf(puna.NotFound, "model '%s' not found", model)
}

// IsPath tells the path of a file from a name: names don't begin with a dot or a
// slash, and other paths must end in .gguf.
func IsPath(model string) bool {
	return strings.HasPrefix(model, ".") || filepath.IsAbs(model) || strings.HasSuffix(model, ".gguf")
}

// fileModel describes a GGUF file without a manifest. Its digest stands for the
// file's identity: path, size and time of change.
func fileModel(path string) (*store.Model, error) {
	stat, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, puna.Errorf(puna.NotFound, "there is no file %q", path)
	case err != nil:
		return nil, puna.Errorf(puna.Invalid, "%w", err)
	case stat.IsDir():
		return nil, puna.Errorf(puna.Invalid, "%q is a folder, not a GGUF file", path)
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, puna.Errorf(puna.Internal, "%w", err)
	}
	m := info.FromFile(abs)
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %d %d", abs, stat.Size(), stat.ModTime().UnixNano()))
	m.Digest, m.Size, m.Modified = hex.EncodeToString(sum[:]), stat.Size(), stat.ModTime()
	return m, nil
}
