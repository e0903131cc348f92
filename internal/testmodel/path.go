package testmodel

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// version changes when Write gives other bytes for the same shape.
const version = 1

// Path returns a file with a Tiny model; see PathOf.
func Path(t testing.TB) string {
	t.Helper()
	return PathOf(t, Tiny)
}

// PathOf returns a file with a model of the shape. It is written once and kept in the
// user's cache (puna/test) for later runs, or else in the test's own folder. Don't
// write to it.
func PathOf(t testing.TB, s Shape) string {
	t.Helper()
	dir := cacheDir()
	if dir == "" {
		dir = t.TempDir()
	}
	path, err := Cached(dir, s)
	if err != nil {
		t.Fatalf("%v", err)
	}
	return path
}

// Cached returns the file in dir with a model of the shape, and writes it if it isn't
// there. Several processes may call it at once.
func Cached(dir string, s Shape) (string, error) {
	id := sha256.Sum256(fmt.Appendf(nil, "%d %+v", version, s))
	path := filepath.Join(dir, fmt.Sprintf("synth-%s-%x.gguf", s.Name, id[:6]))
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	if err := Write(path, s); err != nil {
		return "", err
	}
	return path, nil
}

// cacheDir returns puna/test in the user's cache, or "" if it can't be made.
func cacheDir() string {
	base, err := os.UserCacheDir()
	if err != nil {
		return ""
	}
	dir := filepath.Join(base, "puna", "test")
	if os.MkdirAll(dir, 0o755) != nil {
		return ""
	}
	return dir
}
