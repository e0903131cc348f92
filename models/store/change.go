package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/puna-ai/puna"
	"github.com/puna-ai/puna/models/name"
)

// Change makes a model: it gathers blobs and ends with [Change.Commit] and
// [Change.Close], or with Close alone, which removes what it has added. Its blobs
// can't be deleted meanwhile. It is safe for concurrent use, and must be closed.
type Change struct {
	s     *Store
	lease *os.File

	mu     sync.Mutex
	temps  map[string]*temp     // by path
	held   map[string]time.Time // digests, and the times that their blobs then had
	added  []string             // digests of blobs that weren't there
	closed bool
}

// Begin starts a change.
func (s *Store) Begin() (*Change, error) {
	lease, err := s.newLease()
	if err != nil {
		return nil, err
	}
	return &Change{s: s, lease: lease, temps: map[string]*temp{}, held: map[string]time.Time{}}, nil
}

// Put adds what r holds as a layer. existed says that the store had it already.
func (c *Change) Put(ctx context.Context, mediaType string, r io.Reader) (l Layer, existed bool, err error) {
	t, err := c.s.newTemp()
	if err != nil {
		return l, false, err
	}
	defer t.remove()
	digest, size, err := t.fill(ctx, r)
	if err != nil {
		return l, false, err
	}
	existed, err = c.take(t.path, digest)
	return Layer{MediaType: mediaType, Digest: digest, Size: size}, existed, err
}

// Temp returns the path of an empty file that others may write, on the store's
// disk. It becomes a layer by [Change.PutTemp], or goes with the change.
func (c *Change) Temp() (path string, err error) {
	t, err := c.s.newTemp()
	if err != nil {
		return "", err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.temps[t.path] = t
	return t.path, nil
}

// PutTemp makes a file of [Change.Temp] a layer. It reads the file through the reader
// that watch returns; nil: directly.
func (c *Change) PutTemp(ctx context.Context, mediaType, path string, watch func(io.Reader) io.Reader) (l Layer, existed bool, err error) {
	c.mu.Lock()
	t := c.temps[path]
	delete(c.temps, path)
	c.mu.Unlock()
	if t == nil {
		return l, false, puna.Errorf(puna.Internal, "%s is no temporary file of this change", path)
	}
	defer t.remove()
	digest, size, err := t.hash(ctx, watch)
	if err != nil {
		return l, false, err
	}
	existed, err = c.take(path, digest)
	return Layer{MediaType: mediaType, Digest: digest, Size: size}, existed, err
}

// take leases a digest and puts the file at path in its place.
func (c *Change) take(path, digest string) (existed bool, err error) {
	unlock, err := c.s.lock(syscall.LOCK_SH)
	if err != nil {
		return false, err
	}
	defer unlock()
	if err := c.hold(digest); err != nil {
		return false, err
	}
	if existed, err = c.s.place(path, digest); err != nil {
		return existed, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.held[digest] = c.s.renewed(digest)
	if !existed {
		c.added = append(c.added, digest)
	}
	return existed, nil
}

// hold writes a digest to the lease.
func (c *Change) hold(digest string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return puna.Errorf(puna.Internal, "the change is closed")
	}
	_, err := fmt.Fprintln(c.lease, digest)
	return fileError(err)
}

// Use adds a blob that the store has. A missing one is [puna.NotFound].
func (c *Change) Use(mediaType, digest string) (Layer, error) {
	digest, err := NormalDigest(digest)
	if err != nil {
		return Layer{}, err
	}
	path, err := c.s.BlobPath(digest)
	if err != nil {
		return Layer{}, err
	}
	unlock, err := c.s.lock(syscall.LOCK_SH)
	if err != nil {
		return Layer{}, err
	}
	defer unlock()
	if err := c.hold(digest); err != nil {
		return Layer{}, err
	}
	if !c.s.touch(path) {
		return Layer{}, puna.Errorf(puna.NotFound, "blob %s not found", digest)
	}
	info, err := os.Stat(path)
	if err != nil {
		return Layer{}, fileError(err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.held[digest] = info.ModTime()
	return Layer{MediaType: mediaType, Digest: digest, Size: info.Size()}, nil
}

// Commit makes the layers the model called n, in place of what had the name. Blobs
// that this or the change itself leaves unused are removed: those of the model that
// had the name, and those that the change took and made something else of, unless a
// client has put or found them meanwhile. The change must still be closed.
func (c *Change) Commit(n name.Name, config Layer, layers []Layer) error {
	data, err := NewManifest(config, layers)
	if err != nil {
		return err
	}
	_, err = c.CommitManifest(n, data)
	return err
}

// CommitManifest is [Change.Commit] with a manifest as another store has it, byte
// for byte, so that it keeps its digest. removed says that blobs
// were used no more and were removed. A broken manifest is [puna.Invalid].
func (c *Change) CommitManifest(n name.Name, manifest []byte) (removed bool, err error) {
	n = c.s.Spelling(n)
	m, err := ParseManifest(manifest)
	if err != nil {
		return false, puna.Errorf(puna.Invalid, "the manifest of model '%s' is broken: %w", n, err)
	}
	var old []string
	if replaced, err := c.s.readManifest(n); err == nil {
		old = replaced.digests()
	}
	used := m.digests()
	if err := c.commit(n, used, manifest); err != nil {
		return false, err
	}
	unused := slices.DeleteFunc(append(old, c.digests()...), func(digest string) bool { return slices.Contains(used, digest) })
	if len(unused) == 0 || c.s.noPrune {
		return false, nil
	}
	if err := c.s.removeUnused(unused, c); err != nil {
		c.s.log.Warn("blobs that are used no more were not removed", "model", n.String(), "error", err)
	}
	return true, nil
}

// digests returns those of all blobs that the change has taken.
func (c *Change) digests() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Collect(maps.Keys(c.held))
}

// wanted reports whether somebody else has put or found a blob since the change took
// it, and so may be about to name it.
func (c *Change) wanted(digest string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	taken, held := c.held[digest]
	return held && c.s.renewed(digest).After(taken)
}

func (c *Change) commit(n name.Name, digests []string, manifest []byte) error {
	unlock, err := c.s.lock(syscall.LOCK_SH)
	if err != nil {
		return err
	}
	defer unlock()
	for _, digest := range digests {
		if ok, err := c.s.HasBlob(digest); err != nil || !ok {
			return errors.Join(err, puna.Errorf(puna.Internal, "blob %s was deleted by another program: try again", digest))
		}
	}
	if err := c.s.writeManifest(n, manifest); err != nil {
		return err
	}
	c.mu.Lock()
	c.added = nil
	c.mu.Unlock()
	return nil
}

// Close ends the change. Idempotent.
func (c *Change) Close() error {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return nil
	}
	c.closed = true
	temps, added := c.temps, c.added
	c.mu.Unlock()
	for _, t := range temps {
		t.remove()
	}
	var err error
	if len(added) > 0 {
		err = c.s.removeUnused(added, c)
	}
	return errors.Join(err, os.Remove(c.lease.Name()), c.lease.Close())
}

// digests returns what a manifest refers to, in normal form.
func (m *Manifest) digests() []string {
	var out []string
	for _, l := range append(m.Layers[:len(m.Layers):len(m.Layers)], m.Config) {
		if l.Digest != "" {
			out = append(out, strings.ToLower(strings.Replace(l.Digest, "-", ":", 1)))
		}
	}
	return out
}
