package store

import (
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"

	"github.com/puna-ai/puna"
)

// Store is a folder of models. It is safe for concurrent use, by several processes
// as well.
type Store struct {
	dir     string
	log     *slog.Logger
	noPrune bool
}

// Options configure a [Store].
type Options struct {
	Log     *slog.Logger // nil: slog.Default()
	NoPrune bool         // keep blobs that nothing refers to any more when a model is made or replaced
}

// Open returns the store in a folder, which is made when something is first written.
func Open(dir string, o Options) (*Store, error) {
	abs, err := filepath.Abs(dir)
	if err != nil || dir == "" {
		return nil, puna.Errorf(puna.Invalid, "the models' folder %q can't be used: %w", dir, errors.Join(err, errors.New("it must be a path")))
	}
	if info, err := os.Stat(abs); err == nil && !info.IsDir() {
		return nil, puna.Errorf(puna.Invalid, "the models' folder %s is a file", abs)
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	return &Store{dir: abs, log: o.Log, noPrune: o.NoPrune}, nil
}

// Dir returns the store's folder.
func (s *Store) Dir() string { return s.dir }

func (s *Store) blobs() string     { return filepath.Join(s.dir, "blobs") }
func (s *Store) manifests() string { return filepath.Join(s.dir, "manifests") }
func (s *Store) private() string   { return filepath.Join(s.dir, ".puna") }

// tempPrefix begins the names of unfinished files.
const tempPrefix = "puna-tmp-"

var digestPattern = regexp.MustCompile(`^sha256[:-][0-9a-fA-F]{64}$`)

// NormalDigest returns a digest as "sha256:" and 64 lower-case hex digits. Errors
// are [puna.Invalid].
func NormalDigest(digest string) (string, error) {
	if !digestPattern.MatchString(digest) {
		return "", puna.Errorf(puna.Invalid, "invalid digest %q: it must be \"sha256:\" and 64 hex digits", digest)
	}
	return "sha256:" + strings.ToLower(digest[len("sha256:"):]), nil
}

// BlobPath returns where the blob with a digest is, or would be.
func (s *Store) BlobPath(digest string) (string, error) {
	digest, err := NormalDigest(digest)
	if err != nil {
		return "", err
	}
	return filepath.Join(s.blobs(), strings.Replace(digest, ":", "-", 1)), nil
}

// HasBlob reports whether the store holds a blob.
func (s *Store) HasBlob(digest string) (bool, error) {
	path, err := s.BlobPath(digest)
	if err != nil {
		return false, err
	}
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil && info.Mode().IsRegular(), fileError(err)
}

// fileError gives an error of the file system its kind; nil for nil.
func fileError(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return puna.Errorf(puna.Unavailable, "the disk is full: %w", err)
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		return puna.Errorf(puna.Forbidden, "%w", err)
	}
	var known *puna.Error
	if errors.As(err, &known) {
		return err
	}
	return puna.Errorf(puna.KindOf(err), "%w", err)
}
