package store

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/puna-ai/puna"
	"github.com/puna-ai/puna/models/internal/ctxio"
	"github.com/puna-ai/puna/models/name"
)

const (
	verifiedTogether = 2        // blobs; a disk is read best by few
	verifyStep       = 16 << 20 // bytes between two reports
)

// Damaged is a blob that isn't what its name says.
type Damaged struct {
	Digest string // that it should have
	Path   string
	Got    string      // the digest of what is there; "" if Err says why there is none
	Err    error       // [fs.ErrNotExist] of a blob that a model needs and the store lacks
	Models []name.Name // that use it
}

// Verify reads all blobs and returns those that are damaged or missing, by digest. It
// changes nothing and takes no locks; a model that is deleted meanwhile isn't missed.
// progress, unless nil, hears of each blob, by one goroutine at a time. Errors:
// [puna.Canceled], or the store can't be read.
func (s *Store) Verify(ctx context.Context, progress func(puna.Progress)) ([]Damaged, error) {
	digests, err := s.allDigests()
	if err != nil {
		return nil, err
	}
	v := &verification{s: s, progress: progress}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(verifiedTogether)
	for _, digest := range digests {
		g.Go(func() error { return v.check(gctx, digest) })
	}
	if err := g.Wait(); err != nil {
		return nil, fileError(err)
	}
	slices.SortFunc(v.damaged, func(a, b Damaged) int { return cmp.Compare(a.Digest, b.Digest) })
	return v.damaged, nil
}

// verification is one run of [Store.Verify].
type verification struct {
	s        *Store
	progress func(puna.Progress)

	mu      sync.Mutex
	damaged []Damaged
}

// check reads a blob. What is wrong with it is noted.
func (v *verification) check(ctx context.Context, digest string) error {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	path, err := v.s.BlobPath(digest)
	if err != nil {
		return err
	}
	got, err := v.hash(ctx, digest, path)
	if cause := context.Cause(ctx); err != nil && cause != nil {
		return cause
	}
	if got == digest {
		return nil
	}
	users, e := v.s.users(digest)
	if e != nil {
		return e
	}
	if errors.Is(err, fs.ErrNotExist) && len(users) == 0 { // deleted meanwhile
		return nil
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.damaged = append(v.damaged, Damaged{Digest: digest, Path: path, Got: got, Err: err, Models: users})
	return nil
}

// hash returns the digest of what a file holds.
func (v *verification) hash(ctx context.Context, digest, path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", err
	}
	hash := sha256.New()
	r := ctxio.Reader(ctx, f)
	for n := int64(0); ; {
		v.report(puna.Progress{Status: "verifying " + digest[7:19], Digest: digest, Total: info.Size(), Completed: n})
		m, err := io.CopyN(hash, r, verifyStep)
		n += m
		if err != nil && !errors.Is(err, io.EOF) {
			return "", err
		}
		if err != nil || n >= info.Size() {
			v.report(puna.Progress{Status: "verifying " + digest[7:19], Digest: digest, Total: info.Size(), Completed: n})
			return fmt.Sprintf("sha256:%x", hash.Sum(nil)), nil
		}
	}
}

func (v *verification) report(p puna.Progress) {
	if v.progress == nil {
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.progress(p)
}

// allDigests returns those of all blobs that are there and of all that models need,
// in order.
func (s *Store) allDigests() ([]string, error) {
	paths, err := withPrefix(s.blobs(), "sha256-")
	if err != nil {
		return nil, err
	}
	var digests []string
	for _, path := range paths {
		if digest, err := NormalDigest(filepath.Base(path)); err == nil {
			digests = append(digests, digest)
		}
	}
	manifests, err := s.manifestPaths()
	if err != nil {
		return nil, err
	}
	for _, path := range manifests {
		needed, err := references(path)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fileError(err)
		}
		digests = append(digests, needed...)
	}
	slices.Sort(digests)
	return slices.Compact(digests), nil
}

// users returns the models that need a blob.
func (s *Store) users(digest string) (models []name.Name, err error) {
	paths, err := s.manifestPaths()
	if err != nil {
		return nil, err
	}
	for _, path := range paths {
		needed, err := references(path)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fileError(err)
		}
		rel, err := filepath.Rel(s.manifests(), path)
		if err != nil || !slices.Contains(needed, digest) {
			continue
		}
		if n, ok := name.FromPath(rel); ok {
			models = append(models, n)
		}
	}
	slices.SortFunc(models, func(a, b name.Name) int { return strings.Compare(a.Full(), b.Full()) })
	return models, nil
}
