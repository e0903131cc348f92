package store

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"time"

	"github.com/puna-ai/puna"
	"github.com/puna-ai/puna/internal/atomicfile"
	"github.com/puna-ai/puna/models/internal/ctxio"
)

// PutBlob stores what r holds, unless it is there already. A digest that doesn't
// match is [puna.Invalid], and nothing is stored. The blob is kept for an hour
// even if no model uses it ([Store.Prune]).
func (s *Store) PutBlob(ctx context.Context, digest string, r io.Reader) error {
	digest, err := NormalDigest(digest)
	if err != nil {
		return err
	}
	t, err := s.newTemp()
	if err != nil {
		return err
	}
	defer t.remove()
	got, _, err := t.fill(ctx, r)
	if err != nil {
		return err
	}
	if got != digest {
		return puna.Errorf(puna.Invalid, "digest mismatch: the data has %s, not %s", got, digest)
	}
	unlock, err := s.lock(syscall.LOCK_SH)
	if err != nil {
		return err
	}
	defer unlock()
	_, err = s.place(t.path, digest)
	return err
}

// KeepBlob is [Store.HasBlob] for who is about to name the blob in a [Change]: one
// that the store has is kept for an hour from now on.
func (s *Store) KeepBlob(digest string) (bool, error) {
	has, err := s.HasBlob(digest)
	if err != nil || !has {
		return false, err
	}
	unlock, err := s.lock(syscall.LOCK_SH)
	if err != nil { // nobody prunes a folder that can't be written
		s.log.Debug("can't renew a blob's time", "digest", digest, "error", err)
		return true, nil
	}
	defer unlock()
	path, err := s.BlobPath(digest)
	return err == nil && s.touch(path), err
}

// temp is an unfinished file in the blobs' folder. It stays locked while its
// process lives, which tells it from what a dead one left behind.
type temp struct {
	path string
	f    *os.File
}

func (s *Store) newTemp() (*temp, error) {
	if err := os.MkdirAll(s.blobs(), 0o755); err != nil {
		return nil, fileError(err)
	}
	unlock, err := s.lock(syscall.LOCK_SH)
	if err != nil {
		return nil, err
	}
	defer unlock() // nobody may see the file before it is locked
	f, err := os.CreateTemp(s.blobs(), tempPrefix)
	if err != nil {
		return nil, fileError(err)
	}
	t := &temp{path: f.Name(), f: f}
	if err := flock(f, syscall.LOCK_EX); err != nil {
		t.remove()
		return nil, fileError(err)
	}
	return t, nil
}

// remove ends the temporary file; the data stays if it has been renamed.
func (t *temp) remove() {
	os.Remove(t.path)
	t.f.Close()
}

// fill writes r to the file and syncs it.
func (t *temp) fill(ctx context.Context, r io.Reader) (digest string, n int64, err error) {
	hash := sha256.New()
	n, err = io.Copy(io.MultiWriter(t.f, hash), ctxio.Reader(ctx, r))
	if err == nil {
		err = t.f.Sync()
	}
	if err != nil {
		return "", n, putError(n, err)
	}
	return fmt.Sprintf("sha256:%x", hash.Sum(nil)), n, nil
}

// hash reads the file, written by another program under its path, and syncs it.
func (t *temp) hash(ctx context.Context, watch func(io.Reader) io.Reader) (digest string, n int64, err error) {
	f, err := os.Open(t.path)
	if err != nil {
		return "", 0, fileError(err)
	}
	defer f.Close()
	r := ctxio.Reader(ctx, f)
	if watch != nil {
		r = watch(r)
	}
	hash := sha256.New()
	n, err = io.Copy(hash, r)
	if err == nil {
		err = f.Sync()
	}
	if err != nil {
		return "", 0, fileError(err)
	}
	return fmt.Sprintf("sha256:%x", hash.Sum(nil)), n, nil
}

func putError(n int64, err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return puna.Errorf(puna.Unavailable, "the disk is full after %d bytes, nothing was kept: %w", n, err)
	}
	return fileError(err)
}

// place renames a complete, synced file to its blob's name, or leaves it if the
// blob exists, whose time it renews. The caller holds the lock.
func (s *Store) place(path, digest string) (existed bool, err error) {
	blob, err := s.BlobPath(digest)
	if err != nil {
		return false, err
	}
	if sameSize(path, blob) && s.touch(blob) { // another size: another program was cut short
		return true, nil
	}
	if err := os.Chmod(path, 0o644); err != nil {
		return false, fileError(err)
	}
	if err := os.Rename(path, blob); err != nil {
		return false, fileError(err)
	}
	s.touch(blob) // a download may have been written days ago
	return false, fileError(atomicfile.SyncDir(s.blobs()))
}

func sameSize(a, b string) bool {
	ia, erra := os.Stat(a)
	ib, errb := os.Stat(b)
	return erra == nil && errb == nil && ia.Size() == ib.Size()
}

// touch renews a blob's time, and reports whether the blob exists.
func (s *Store) touch(blob string) bool {
	info, err := os.Stat(blob)
	if err != nil || !info.Mode().IsRegular() {
		return false
	}
	now := time.Now()
	if err := os.Chtimes(blob, now, now); err != nil {
		s.log.Debug("can't renew a blob's time", "path", blob, "error", err)
	}
	return true
}

// renewed returns a blob's time; zero if there is no such blob.
func (s *Store) renewed(digest string) time.Time {
	path, err := s.BlobPath(digest)
	if err != nil {
		return time.Time{}
	}
	info, err := os.Stat(path)
	if err != nil {
		return time.Time{}
	}
	return info.ModTime()
}
