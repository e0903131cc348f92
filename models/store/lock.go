package store

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// lock takes the store's lock: shared by those who add, exclusive for those who
// remove. It is held for moments only, never while data is read or written.
func (s *Store) lock(how int) (unlock func(), err error) {
	if err := os.MkdirAll(s.private(), 0o755); err != nil {
		return nil, fileError(err)
	}
	f, err := os.OpenFile(filepath.Join(s.private(), "lock"), os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, fileError(err)
	}
	if err := flock(f, how); err != nil {
		f.Close()
		return nil, fileError(err)
	}
	return func() { f.Close() }, nil // closing unlocks
}

// flock wraps flock(2), which belongs to an open file and ends with its process.
func flock(f *os.File, how int) error {
	for {
		err := syscall.Flock(int(f.Fd()), how)
		if !errors.Is(err, syscall.EINTR) {
			return err
		}
	}
}

// stale reports whether nobody holds the lock of a file, and so its owner is gone.
// The caller holds the store's exclusive lock.
func stale(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	return flock(f, syscall.LOCK_EX|syscall.LOCK_NB) == nil
}

// leasePrefix begins the names of lease files: each holds the digests that a
// [Change] needs, one a line, and is locked while the change runs.
const leasePrefix = "lease-"

// newLease makes a lease file.
func (s *Store) newLease() (*os.File, error) {
	unlock, err := s.lock(syscall.LOCK_SH)
	if err != nil {
		return nil, err
	}
	defer unlock() // nobody may see the lease before it is locked
	f, err := os.CreateTemp(s.private(), leasePrefix)
	if err != nil {
		return nil, fileError(err)
	}
	if err := flock(f, syscall.LOCK_EX); err != nil {
		return nil, fileError(errors.Join(err, os.Remove(f.Name()), f.Close()))
	}
	return f, nil
}

// leased returns the digests that running changes need, except those of one lease,
// and removes the leases of dead processes. The caller holds the exclusive lock.
func (s *Store) leased(except string) (map[string]bool, error) {
	paths, err := withPrefix(s.private(), leasePrefix)
	if err != nil {
		return nil, err
	}
	digests := map[string]bool{}
	for _, path := range paths {
		if path == except {
			continue
		}
		if stale(path) {
			os.Remove(path)
			continue
		}
		text, err := os.ReadFile(path)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, fileError(err)
		}
		for digest := range strings.Lines(string(text)) {
			digests[strings.TrimSpace(digest)] = true
		}
	}
	return digests, nil
}

// withPrefix returns the files of a folder whose names begin with prefix.
func withPrefix(dir, prefix string) (paths []string, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fileError(err)
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), prefix) {
			paths = append(paths, filepath.Join(dir, e.Name()))
		}
	}
	return paths, nil
}
