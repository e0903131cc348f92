package builtin

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/puna-ai/puna/internal/atomicfile"
)

//go:embed guide.gguf
var guideGGUF string

//go:embed Modelfile
var guideModelfile string

// Model is a model inside the binary. It never changes and is safe for concurrent use.
type Model struct {
	Name      string
	Modelfile string // template (Go syntax), parameters and license; FROM names no file that exists

	gguf   string
	digest func() string
}

var models = []*Model{newModel("guide", guideGGUF, guideModelfile)}

func newModel(name, gguf, modelfile string) *Model {
	return &Model{Name: name, Modelfile: modelfile, gguf: gguf, digest: sync.OnceValue(func() string {
		h := sha256.New()
		io.WriteString(h, gguf) // never fails
		return hex.EncodeToString(h.Sum(nil))
	})}
}

// Names lists the built-in models, sorted.
func Names() []string {
	var names []string
	for _, m := range models {
		names = append(names, m.Name)
	}
	slices.Sort(names)
	return names
}

// Get returns the built-in model of that name, without a tag.
func Get(name string) (*Model, bool) {
	i := slices.IndexFunc(models, func(m *Model) bool { return m.Name == name })
	if i < 0 {
		return nil, false
	}
	return models[i], true
}

// Digest is the GGUF's digest, as a store names blobs: "sha256:" and 64 hex digits.
func (m *Model) Digest() string { return "sha256:" + m.digest() }

// Size is the GGUF's length in bytes.
func (m *Model) Size() int64 { return int64(len(m.gguf)) }

// Open returns a new reader of the GGUF; nothing is copied and nothing needs closing.
func (m *Model) Open() *io.SectionReader {
	return io.NewSectionReader(strings.NewReader(m.gguf), 0, m.Size())
}

// File returns the path of a file with the GGUF below the folder cache, which the
// caller may map. "" stands for puna/models in the user's cache folder. The file is
// written where it is missing or differs, beside its place and then renamed, so
// that no process ever sees half of it.
func (m *Model) File(cache string) (string, error) {
	if cache == "" {
		user, err := os.UserCacheDir()
		if err != nil {
			return "", fmt.Errorf("the built-in model %s needs a cache folder: %w", m.Name, err)
		}
		cache = filepath.Join(user, "puna", "models")
	}
	path := filepath.Join(cache, m.Name+"-"+m.digest()[:16]+".gguf")
	if m.isIn(path) {
		return path, nil
	}
	if err := m.write(path); err != nil {
		return "", fmt.Errorf("the built-in model %s can't be unpacked: %w", m.Name, err)
	}
	return path, nil
}

// isIn reports whether the file at path holds the model.
func (m *Model) isIn(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() || info.Size() != m.Size() {
		return false
	}
	buf := make([]byte, 1<<20)
	for rest := m.gguf; rest != ""; {
		n, err := io.ReadFull(f, buf[:min(len(buf), len(rest))])
		if err != nil || !bytes.Equal(buf[:n], []byte(rest[:n])) {
			return false
		}
		rest = rest[n:]
	}
	return true
}

func (m *Model) write(path string) error {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	return atomicfile.Write(path, atomicfile.Options{Temp: m.Name + "-*.partial", Mode: 0o644}, func(w *bufio.Writer) error {
		w.WriteString(m.gguf)
		return nil
	})
}
