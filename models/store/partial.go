package store

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"syscall"
	"time"

	"github.com/puna-ai/puna"
)

// keepPartials is how long a download that nobody goes on with stays.
const keepPartials = 7 * 24 * time.Hour

const journalSuffix = ".journal"

var partialKey = regexp.MustCompile(`^[a-zA-Z0-9-]{1,100}$`)

// Partial is a blob on its way into the store, and stays if its process dies: what
// has come so far, and a journal of which parts that are. Both files belong to one
// owner at a time, who must close the Partial, or end it with [Partial.Discard] or
// [Change.PutPartial]. It isn't safe for concurrent use; writing to Data at
// different offsets is.
type Partial struct {
	Data    *os.File
	Journal *os.File // opened for appending; its lock is the owner's claim
}

// partials is below the blobs, so that a complete file can be renamed; Ollama
// leaves folders there alone.
func (s *Store) partials() string { return filepath.Join(s.blobs(), "puna-partial") }

// OpenPartial goes on with the blob that has a key (letters, digits and '-'), or
// begins it. While another owner has it, in this process or another, the error is
// [puna.Conflict]: try again later.
func (s *Store) OpenPartial(key string) (*Partial, error) {
	if !partialKey.MatchString(key) {
		return nil, puna.Errorf(puna.Internal, "%q can't be the key of a partial blob", key)
	}
	if err := os.MkdirAll(s.partials(), 0o755); err != nil {
		return nil, fileError(err)
	}
	unlock, err := s.lock(syscall.LOCK_SH) // against Prune
	if err != nil {
		return nil, err
	}
	defer unlock()
	path := filepath.Join(s.partials(), key)
	journal, err := claim(path + journalSuffix)
	if err != nil {
		return nil, err
	}
	data, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		journal.Close()
		return nil, fileError(err)
	}
	return &Partial{Data: data, Journal: journal}, nil
}

// claim opens and locks a journal. One that its owner removed meanwhile is no
// claim to what has the name now.
func claim(path string) (*os.File, error) {
	for {
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o644)
		if err != nil {
			return nil, fileError(err)
		}
		if err := flock(f, syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
			f.Close()
			if errors.Is(err, syscall.EWOULDBLOCK) {
				return nil, puna.Errorf(puna.Conflict, "%s is being written by another pull", path)
			}
			return nil, fileError(err)
		}
		mine, err := f.Stat()
		named, errNamed := os.Stat(path)
		if err == nil && errNamed == nil && os.SameFile(mine, named) {
			return f, nil
		}
		f.Close()
	}
}

// Close gives the blob up; what there is of it stays for the next owner. Idempotent.
func (p *Partial) Close() error {
	err := p.Data.Close()
	if errors.Is(err, os.ErrClosed) {
		err = nil
	}
	if e := p.Journal.Close(); !errors.Is(e, os.ErrClosed) { // unlocks
		err = errors.Join(err, e)
	}
	return fileError(err)
}

// Discard removes the blob and closes it.
func (p *Partial) Discard() error {
	err := errors.Join(remove(p.Data.Name()), remove(p.Journal.Name()))
	return errors.Join(fileError(err), p.Close())
}

func remove(path string) error {
	if err := os.Remove(path); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// PutPartial makes a complete blob a layer and closes it. The caller has checked
// that its data has the digest. Other than what [Change.Put] adds, the blob stays
// for an hour if the change fails ([Store.Prune]).
func (c *Change) PutPartial(ctx context.Context, mediaType, digest string, p *Partial) (Layer, error) {
	digest, err := NormalDigest(digest)
	if err != nil {
		return Layer{}, err
	}
	if err := context.Cause(ctx); err != nil {
		return Layer{}, err
	}
	info, err := p.Data.Stat()
	if err == nil {
		err = p.Data.Sync()
	}
	if err != nil {
		return Layer{}, fileError(err)
	}
	unlock, err := c.s.lock(syscall.LOCK_SH)
	if err != nil {
		return Layer{}, err
	}
	defer unlock()
	if err := c.hold(digest); err != nil {
		return Layer{}, err
	}
	if _, err := c.s.place(p.Data.Name(), digest); err != nil {
		return Layer{}, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.held[digest] = c.s.renewed(digest)
	return Layer{MediaType: mediaType, Digest: digest, Size: info.Size()}, p.Discard()
}

// prunePartials removes what nobody has gone on with for a time. The caller holds
// the exclusive lock.
func (s *Store) prunePartials(untouched time.Duration, p *Pruned) error {
	paths, err := withPrefix(s.partials(), "")
	if err != nil {
		return err
	}
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil || time.Since(info.ModTime()) < untouched || inUse(path) {
			continue
		}
		if err := remove(path); err != nil {
			return fileError(err)
		}
		p.Blobs++
		p.Bytes += info.Size()
	}
	return nil
}

// inUse reports whether somebody has claimed the partial blob that a file is of.
func inUse(path string) bool {
	if filepath.Ext(path) != journalSuffix {
		path += journalSuffix
	}
	_, err := os.Stat(path)
	return err == nil && !stale(path)
}
