package build

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"
)

// ManifestName is the file that makes a folder a kernels folder.
const ManifestName = "kernels.json"

// A Manifest describes a kernels folder. Files that it does not list are not
// part of it.
type Manifest struct {
	LlamaCommit string    `json:"llama_commit"` // upstream commit of the sources
	Arch        string    `json:"arch"`         // a GOARCH
	Compiler    string    `json:"compiler"`     // first line of its --version, and its target
	Flags       string    `json:"flags"`        // what CMake was given, space-separated
	BuiltAt     time.Time `json:"built_at"`     // of the latest module
	Base        File      `json:"base"`         // libggml-base, needed by every module
	Modules     []Module  `json:"modules"`      // CPU variants ascending by ggml's score, then GPU backends
}

// A File is one file of a kernels folder.
type File struct {
	Name   string `json:"file"`   // in the folder
	SHA256 string `json:"sha256"` // of its content, in hex
}

// A Module is one loadable ggml backend.
type Module struct {
	File
	Variant  string `json:"variant"`            // "icelake", or "cuda"
	Backend  string `json:"backend"`            // "cpu" or "cuda"
	Compiler string `json:"compiler,omitempty"` // of a GPU backend: its device compiler
}

// ReadManifest reads the manifest of a kernels folder. It does not look at the
// files: see Verify.
func ReadManifest(dir string) (*Manifest, error) {
	path := filepath.Join(dir, ManifestName)
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	m := new(Manifest)
	if err := json.Unmarshal(data, m); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	for _, f := range m.files() {
		if f.Name == "" || f.Name != filepath.Base(f.Name) {
			return nil, fmt.Errorf("%s: %q is not the name of a file in its folder", path, f.Name)
		}
	}
	return m, nil
}

// Verify reads every file that the manifest lists in dir and compares its
// digest.
func (m *Manifest) Verify(dir string) error {
	for _, f := range m.files() {
		if err := f.verify(dir); err != nil {
			return err
		}
	}
	return nil
}

// Module returns the module of a variant.
func (m *Manifest) Module(variant string) (Module, bool) {
	for _, mod := range m.Modules {
		if mod.Variant == variant {
			return mod, true
		}
	}
	return Module{}, false
}

func (m *Manifest) files() []File {
	out := []File{m.Base}
	for _, mod := range m.Modules {
		out = append(out, mod.File)
	}
	return out
}

// write puts the manifest into dir in one step.
func (m *Manifest) write(dir string) error {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetIndent("", "  ")
	if err := enc.Encode(m); err != nil {
		return err
	}
	tmp := filepath.Join(dir, "."+ManifestName)
	if err := os.WriteFile(tmp, buf.Bytes(), 0o644); err != nil {
		return err
	}
	return os.Rename(tmp, filepath.Join(dir, ManifestName))
}

func (f File) verify(dir string) error {
	sum, err := fileSHA256(filepath.Join(dir, f.Name))
	if err != nil {
		return err
	}
	if sum != f.SHA256 {
		return fmt.Errorf("%s has digest %s; %s says %s", filepath.Join(dir, f.Name), sum, ManifestName, f.SHA256)
	}
	return nil
}

func fileSHA256(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
