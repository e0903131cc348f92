package kernels

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/puna-ai/puna/internal/atomicfile"
)

// Verdict is what a module's proof on one CPU said.
type Verdict struct {
	State   State     `json:"state"`             // never Unproven
	Reason  string    `json:"reason,omitempty"`  // why it isn't proven
	Variant string    `json:"variant"`           // for readers of the file
	Score   int       `json:"score"`             // ggml's; 0: this CPU lacks an instruction
	Devices int       `json:"devices,omitempty"` // how many it offered
	Cases   int       `json:"cases,omitempty"`   // matrix products compared
	Error   float64   `json:"error,omitempty"`   // the largest normalized mean squared error
	At      time.Time `json:"at"`
	Seconds float64   `json:"seconds"` // the proof took
}

// fileStamp remembers a file's digest while the file looks unchanged.
type fileStamp struct {
	Size   int64  `json:"size"`
	MTime  int64  `json:"mtime"` // nanoseconds since 1970
	Inode  uint64 `json:"inode"`
	SHA256 string `json:"sha256"`
}

// book is verdicts.json: verdicts, and the digests that save reading each module at
// every start. It isn't safe for concurrent use. Processes that write at the same
// time may lose each other's entries, which costs another proof and nothing else.
type book struct {
	path     string
	changed  bool
	Version  int                  `json:"version"`
	Files    map[string]fileStamp `json:"files"`    // by path
	Verdicts map[string]Verdict   `json:"verdicts"` // by module, proof and machine
}

const (
	bookVersion  = 1
	maxBookLines = 512 // of each kind; the oldest verdicts and vanished files go first
)

// openBook reads the book of a cache folder. An unreadable one is an empty one: it
// holds nothing that can't be found out again. With an empty path nothing is kept.
func openBook(path string) *book {
	b := &book{path: path}
	data, err := os.ReadFile(path)
	if err != nil || json.Unmarshal(data, b) != nil || b.Version != bookVersion {
		*b = book{path: path}
	}
	b.Version = bookVersion
	if b.Files == nil {
		b.Files = map[string]fileStamp{}
	}
	if b.Verdicts == nil {
		b.Verdicts = map[string]Verdict{}
	}
	return b
}

// fileDigest returns the SHA-256 of a file, without reading it if it looks like the
// last time.
func (b *book) fileDigest(path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	now := fileStamp{Size: info.Size(), MTime: info.ModTime().UnixNano(), Inode: inode(info)}
	old, ok := b.Files[path]
	now.SHA256 = old.SHA256
	if ok && now == old {
		return old.SHA256, nil
	}
	if now.SHA256, err = hashFile(path); err != nil {
		return "", err
	}
	b.Files[path], b.changed = now, true
	return now.SHA256, nil
}

func hashFile(path string) (string, error) {
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

// add stores a verdict.
func (b *book) add(key string, v Verdict) {
	b.Verdicts[key], b.changed = v, true
}

// save writes the book if it changed, in one step, over what others wrote meanwhile.
func (b *book) save() error {
	if !b.changed || b.path == "" {
		return nil
	}
	others := openBook(b.path)
	for k, v := range others.Verdicts {
		if mine, ok := b.Verdicts[k]; !ok || mine.At.Before(v.At) {
			b.Verdicts[k] = v
		}
	}
	for k, v := range others.Files {
		if _, ok := b.Files[k]; !ok {
			b.Files[k] = v
		}
	}
	b.prune()
	if err := b.write(); err != nil {
		return fmt.Errorf("keep the verdicts of kernels: %w", err)
	}
	b.changed = false
	return nil
}

func (b *book) prune() {
	for path := range b.Files {
		if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
			delete(b.Files, path)
		}
	}
	if len(b.Verdicts) <= maxBookLines {
		return
	}
	keys := make([]string, 0, len(b.Verdicts))
	for k := range b.Verdicts {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(x, y string) int { return b.Verdicts[x].At.Compare(b.Verdicts[y].At) })
	for _, k := range keys[:len(keys)-maxBookLines] {
		delete(b.Verdicts, k)
	}
}

func (b *book) write() error {
	data, err := json.MarshalIndent(b, "", "  ")
	if err != nil {
		return err
	}
	dir := filepath.Dir(b.path)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	return atomicfile.Write(b.path, atomicfile.Options{Temp: ".verdicts-*.json"}, func(w *bufio.Writer) error {
		w.Write(append(data, '\n'))
		return nil
	})
}
