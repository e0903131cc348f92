package snapshot

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

const extension = ".kv"

// ErrDamaged is the error of a file that isn't what was written. It is gone.
var ErrDamaged = errors.New("the snapshot is damaged")

// Scope is what snapshots of one kind have in common: the name of their folder.
type Scope string

// NewScope makes a scope of all that a state depends on.
func NewScope(parts ...string) Scope {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return Scope(hex.EncodeToString(sum[:16]))
}

// Dir is a folder of snapshots. It is safe for concurrent use.
type Dir struct {
	path  string
	limit int64 // bytes of all files
}

// Open makes the folder where it is missing.
func Open(path string, limit int64) (*Dir, error) {
	if limit <= 0 {
		return nil, fmt.Errorf("a cache of %d bytes in %s: the limit must be positive", limit, path)
	}
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, err
	}
	return &Dir{path: path, limit: limit}, nil
}

// Entry is a snapshot.
type Entry struct {
	Tokens []int32 // from position 0
	Size   int64   // bytes of the state
	path   string
}

// List reads which snapshots there are, but not their states. Damaged ones are removed.
func (d *Dir) List(scope Scope) ([]Entry, error) {
	dir := filepath.Join(d.path, string(scope))
	files, err := os.ReadDir(dir)
	if ignoreMissing(err) != nil {
		return nil, err
	}
	var list []Entry
	for _, f := range files {
		if filepath.Ext(f.Name()) != extension {
			continue
		}
		path := filepath.Join(dir, f.Name())
		e, err := d.open(path)
		switch {
		case errors.Is(err, fs.ErrNotExist): // another process removed it
		case errors.Is(err, ErrDamaged):
			os.Remove(path)
		case err != nil:
			return nil, err
		default:
			list = append(list, e)
		}
	}
	return list, nil
}

func (d *Dir) open(path string) (Entry, error) {
	f, err := os.Open(path)
	if err != nil {
		return Entry{}, err
	}
	defer f.Close()
	h, tokens, err := readHead(f)
	return Entry{Tokens: tokens, Size: h.state, path: path}, err
}

// Write keeps a state of len(tokens) tokens. It replaces a snapshot of the same
// tokens, and removes others, the least recently used first, where the limit asks for
// it. A state larger than the limit is an error.
func (d *Dir) Write(scope Scope, tokens []int32, state []byte) (Entry, error) {
	size := fileSize(len(tokens), int64(len(state)))
	if size > d.limit {
		return Entry{}, fmt.Errorf("a snapshot of %d bytes is larger than the cache's %d", size, d.limit)
	}
	dir := filepath.Join(d.path, string(scope))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return Entry{}, err
	}
	e := Entry{Tokens: slices.Clone(tokens), Size: int64(len(state)), path: filepath.Join(dir, name(tokens))}
	if err := writeFile(e.path, tokens, state); err != nil {
		return Entry{}, fmt.Errorf("writing a snapshot: %w", err)
	}
	return e, d.trim(e.path)
}

// Touch marks the snapshot of the tokens as used. It reports whether there is one.
func (d *Dir) Touch(scope Scope, tokens []int32) bool {
	return touch(filepath.Join(d.path, string(scope), name(tokens))) == nil
}

func touch(path string) error {
	now := time.Now()
	return os.Chtimes(path, now, now)
}

// name is the file's: the same tokens have the same.
func name(tokens []int32) string {
	sum := sha256.Sum256(tokenBytes(tokens))
	return hex.EncodeToString(sum[:16]) + extension
}

// Read fills state, of e.Size bytes, and marks the snapshot as used. It fails with
// [ErrDamaged], and with [fs.ErrNotExist] where another process removed the file.
func (d *Dir) Read(e Entry, state []byte) error {
	err := readState(e.path, e.Tokens, state)
	if errors.Is(err, ErrDamaged) {
		os.Remove(e.path)
	}
	if err != nil {
		return err
	}
	touch(e.path) // where it fails, the snapshot goes earlier than it should
	return nil
}

// Remove deletes a snapshot; one that is gone is no error.
func (d *Dir) Remove(e Entry) error {
	if err := os.Remove(e.path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// trim removes the least recently used files, but not the one at keep, until the rest
// is within the limit; temporary files that a crash left behind go too.
func (d *Dir) trim(keep string) error {
	type file struct {
		path string
		size int64
		used time.Time
	}
	var files []file
	var total int64
	err := filepath.WalkDir(d.path, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return ignoreMissing(err)
		}
		info, err := entry.Info()
		if err != nil {
			return ignoreMissing(err)
		}
		if isTemporary(path) {
			if time.Since(info.ModTime()) > time.Hour {
				os.Remove(path)
			}
			return nil
		}
		total += info.Size()
		if path != keep && filepath.Ext(path) == extension {
			files = append(files, file{path, info.Size(), info.ModTime()})
		}
		return nil
	})
	if err != nil {
		return err
	}
	slices.SortFunc(files, func(a, b file) int { return a.used.Compare(b.used) })
	for _, f := range files {
		if total <= d.limit {
			break
		}
		if err := os.Remove(f.path); ignoreMissing(err) != nil {
			return err
		}
		total -= f.size
	}
	return nil
}

// ignoreMissing is nil for what another process removed meanwhile.
func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
