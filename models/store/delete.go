package store

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"

	"github.com/puna-ai/puna"
	"github.com/puna-ai/puna/internal/atomicfile"
	"github.com/puna-ai/puna/models/name"
)

// Copy gives a model a second name, replacing what had it. The manifest is copied byte
// for byte, so both have the same digest.
func (s *Store) Copy(from, to name.Name) error {
	c, err := s.Begin()
	if err != nil {
		return err
	}
	defer c.Close()
	m, err := s.Manifest(from)
	if err != nil {
		return err
	}
	if m.Name.EqualFold(to) {
		return nil
	}
	for _, digest := range m.digests() {
		if _, err := c.Use("", digest); err != nil {
			return incomplete(from, digest, err)
		}
	}
	_, err = c.CommitManifest(to, m.Raw)
	return err
}

// Delete removes a model, and each blob of it that nothing else uses. A model that
// doesn't exist is [puna.NotFound]; one with a broken manifest is removed, too.
func (s *Store) Delete(n name.Name) error {
	n = s.Spelling(n)
	path := filepath.Join(s.manifests(), n.Path())
	digests, err := references(path)
	if errors.Is(err, fs.ErrNotExist) {
		return puna.Errorf(puna.NotFound, "model '%s' not found", n)
	}
	if err != nil {
		return fileError(err)
	}
	if err := s.removeManifest(path); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return puna.Errorf(puna.NotFound, "model '%s' not found", n)
		}
		return fileError(err)
	}
	return s.removeUnused(digests, nil)
}

// removeManifest removes a manifest and the folders that it leaves empty.
func (s *Store) removeManifest(path string) error {
	unlock, err := s.lock(syscall.LOCK_EX)
	if err != nil {
		return err
	}
	defer unlock()
	if err := os.Remove(path); err != nil {
		return err
	}
	dir := filepath.Dir(path)
	for dir != s.manifests() && os.Remove(dir) == nil {
		dir = filepath.Dir(dir)
	}
	return atomicfile.SyncDir(dir)
}

var referencePattern = regexp.MustCompile(`sha256[:-][0-9a-fA-F]{64}`)

// references returns the digests that a manifest mentions. It doesn't parse the
// file, so that a broken one keeps its blobs.
func references(path string) ([]string, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, m := range referencePattern.FindAllString(string(data), -1) {
		out = append(out, strings.ToLower("sha256:"+m[len("sha256:"):]))
	}
	return out, nil
}

// used returns the digests that manifests and running changes refer to, except
// those of one lease. The caller holds the exclusive lock.
func (s *Store) used(exceptLease string) (map[string]bool, error) {
	used, err := s.leased(exceptLease)
	if err != nil {
		return nil, err
	}
	paths, err := s.manifestPaths()
	if err != nil {
		return nil, err
	}
	for _, path := range paths {
		digests, err := references(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fileError(err)
		}
		for _, digest := range digests {
			used[digest] = true
		}
	}
	return used, nil
}

// removeUnused removes those of the blobs that nothing refers to, for a change those
// that only it holds; nil: for none.
func (s *Store) removeUnused(digests []string, c *Change) error {
	lease, wanted := "", func(string) bool { return false }
	if c != nil {
		lease, wanted = c.lease.Name(), c.wanted
	}
	unlock, err := s.lock(syscall.LOCK_EX)
	if err != nil {
		return err
	}
	defer unlock()
	used, err := s.used(lease)
	if err != nil {
		return err
	}
	var errs []error
	for _, digest := range digests {
		if used[digest] || wanted(digest) {
			continue
		}
		path, err := s.BlobPath(digest)
		if err == nil {
			err = os.Remove(path)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return fileError(errors.Join(errs...))
}

// Pruned says what [Store.Prune] removed.
type Pruned struct {
	Blobs int
	Bytes int64
}

// Prune removes blobs that nothing refers to and nobody has put or found for a time
// (an hour is what uploads need until their model is created), and what dead processes
// left unfinished; downloads that can go on stay for a week. What a running [Change]
// of any process holds stays, and so do files of other programs.
func (s *Store) Prune(untouched time.Duration) (p Pruned, err error) {
	entries, err := os.ReadDir(s.blobs())
	if errors.Is(err, fs.ErrNotExist) {
		return p, nil
	}
	if err != nil {
		return p, fileError(err)
	}
	unlock, err := s.lock(syscall.LOCK_EX)
	if err != nil {
		return p, err
	}
	defer unlock()
	used, err := s.used("")
	if err != nil {
		return p, err
	}
	for _, e := range entries {
		path := filepath.Join(s.blobs(), e.Name())
		info, err := os.Stat(path)
		if err != nil {
			continue
		}
		old := time.Since(info.ModTime()) >= untouched
		unused := digestPattern.MatchString(e.Name()) && old && !used[strings.ToLower("sha256:"+e.Name()[len("sha256-"):])]
		if !unused && (!strings.HasPrefix(e.Name(), tempPrefix) || !stale(path)) {
			continue
		}
		if err := remove(path); err != nil {
			return p, fileError(err)
		}
		p.Blobs++
		p.Bytes += info.Size()
	}
	if err := s.prunePartials(max(untouched, keepPartials), &p); err != nil {
		return p, err
	}
	temps, err := withPrefix(s.manifests(), tempPrefix)
	if err != nil {
		return p, err
	}
	for _, path := range temps { // written under the shared lock, so their writers are gone
		if err := remove(path); err != nil {
			return p, fileError(err)
		}
	}
	return p, nil
}

func incomplete(n name.Name, digest string, err error) error {
	return puna.Errorf(puna.NotFound, "model '%s' is incomplete, pull or create it again: %s: %w", n, digest, err)
}
