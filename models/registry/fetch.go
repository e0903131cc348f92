package registry

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/puna-ai/puna"
	"github.com/puna-ai/puna/models/gguf"
	"github.com/puna-ai/puna/models/store"
)

// source says where a blob comes from.
type source struct {
	mediaType string
	digest    string // "": known when all of it is here
	size      int64  // bytes
	url       *url.URL
	version   string // a validator of what is there, for content without a digest
	label     string // what the user reads: 12 digits of the digest, or a file's name
}

// key names the partial blob of the source.
func (src source) key() string {
	if src.digest != "" {
		return strings.Replace(src.digest, ":", "-", 1)
	}
	where := *src.url
	where.RawQuery = "" // signatures differ from pull to pull
	return fmt.Sprintf("url-%x", sha256.Sum256([]byte(where.String())))
}

// identity tells contents apart that have the same key. Two files without a
// version are never the same.
func (src source) identity() string {
	switch {
	case src.digest != "":
		return src.digest
	case src.version != "":
		return src.url.Path + " " + src.version
	}
	return src.url.Path + " " + nonce()
}

// isGGUF reports whether the blob is a GGUF file as a whole.
func (src source) isGGUF() bool {
	switch src.mediaType {
	case store.MediaModel, store.MediaAdapter, store.MediaProjector, store.MediaDraft:
		return true
	}
	return false
}

func (src source) progress(completed int64) puna.Progress {
	return puna.Progress{Status: "pulling " + src.label, Digest: src.digest, Total: src.size, Completed: completed}
}

// errDamaged says that what came has another digest.
var errDamaged = errors.New("digest mismatch")

// fetchAll brings blobs into the store, several at a time, as layers in the same order.
func (j *job) fetchAll(ctx context.Context, sources []source) ([]store.Layer, error) {
	layers := make([]store.Layer, len(sources))
	f := &fetcher{job: j}
	f.coming.Store(int64(len(sources)))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(cap(j.slots))
	for i, src := range sources {
		g.Go(func() (err error) {
			layers[i], err = f.fetch(ctx, src)
			return explain(err, fmt.Sprintf("pulling %s of '%s'", src.label, j.name))
		})
	}
	return layers, g.Wait()
}

// fetcher brings the blobs of one pull.
type fetcher struct {
	*job
	coming atomic.Int64 // blobs that are not all here
	all    sync.Once    // of them were here
}

// arrived counts a blob that is here; after the last one only checks are left.
func (f *fetcher) arrived() {
	if f.coming.Add(-1) == 0 {
		f.all.Do(func() { f.emit(puna.Progress{Status: "verifying sha256 digest"}) })
	}
}

// fetch brings a blob. One that came damaged is downloaded once more, and so is one
// whose beginning was refused: it may be damaged, too.
func (f *fetcher) fetch(ctx context.Context, src source) (store.Layer, error) {
	l, err := f.once(ctx, src)
	damaged := errors.Is(err, errDamaged)
	if damaged {
		f.coming.Add(1)
	}
	if damaged || errors.As(err, new(refusal)) {
		f.c.log().Warn("a layer came damaged, or isn't what it should be, and is downloaded again", "model", f.name.String(), "error", err)
		l, err = f.once(ctx, src)
	}
	if errors.Is(err, errDamaged) {
		err = puna.Errorf(puna.Unavailable, "%w: it was removed: pull again; if that doesn't help, something on the way changes data", err)
	}
	return l, err
}

// once takes the blob that the store has, or downloads it.
func (f *fetcher) once(ctx context.Context, src source) (store.Layer, error) {
	for first := true; ; first = false {
		if l, err := f.have(src); err != nil || l.Digest != "" {
			return l, err
		}
		p, err := f.c.Store.OpenPartial(src.key())
		if puna.KindOf(err) == puna.Conflict { // its owner brings it: look again soon
			if first {
				f.emit(src.progress(0))
			}
			select {
			case <-ctx.Done():
				return store.Layer{}, context.Cause(ctx)
			case <-time.After(f.s.transfer.Report):
			}
			continue
		}
		if err != nil {
			return store.Layer{}, err
		}
		defer p.Close()
		if l, err := f.have(src); err != nil || l.Digest != "" { // the owner was done just now
			return l, errors.Join(err, p.Discard())
		}
		return f.download(ctx, src, p)
	}
}

// have takes a blob that the store has; the zero layer if it hasn't.
func (f *fetcher) have(src source) (store.Layer, error) {
	if src.digest == "" {
		return store.Layer{}, nil
	}
	l, err := f.change.Use(src.mediaType, src.digest)
	if puna.KindOf(err) == puna.NotFound || err == nil && l.Size != src.size { // another size: cut short by another program
		return store.Layer{}, nil
	}
	if err != nil {
		return store.Layer{}, err
	}
	path, err := f.c.Store.BlobPath(src.digest)
	if err == nil {
		err = f.validate(src, path)
	}
	f.emit(src.progress(src.size))
	f.arrived()
	return l, err
}

func (f *fetcher) download(ctx context.Context, src source, p *store.Partial) (store.Layer, error) {
	part, err := openPartial(p, src.identity(), src.size)
	if err != nil {
		return store.Layer{}, diskError(p.Data.Name(), src.size, err)
	}
	d := &download{s: f.s, src: src, part: part, slots: f.slots, data: wrapData(p.Data)}
	stop := f.report(d)
	err = d.run(ctx)
	stop()
	if errors.As(err, new(refusal)) {
		err = errors.Join(err, part.Discard())
	}
	if err != nil {
		return store.Layer{}, err
	}
	f.arrived()
	return f.accept(ctx, src, part)
}

// wrapData lets tests make a disk fail.
var wrapData = func(w io.WriterAt) io.WriterAt { return w }

// report emits the progress of a download until stop, which emits the last.
func (f *fetcher) report(d *download) (stop func()) {
	end, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(f.s.transfer.Report)
		defer tick.Stop()
		for last := int64(-1); ; {
			if n := d.completed.Load(); n != last {
				f.emit(d.src.progress(n))
				last = n
			}
			select {
			case <-end:
				if n := d.completed.Load(); n != last {
					f.emit(d.src.progress(n))
				}
				return
			case <-tick.C:
			}
		}
	}()
	return func() { close(end); <-ended }
}

// accept makes a complete download a blob of the store, if it is what it should be.
// What isn't is removed.
func (f *fetcher) accept(ctx context.Context, src source, part *partial) (store.Layer, error) {
	got, err := digestOf(ctx, part.Data, src.size)
	if err != nil {
		return store.Layer{}, diskError(part.Data.Name(), 0, err)
	}
	if src.digest != "" && src.digest != got {
		return store.Layer{}, errors.Join(fmt.Errorf("%w: the data from %s has %s, not %s", errDamaged, src.url.Host, got, src.digest), part.Discard())
	}
	if err := f.validate(src, part.Data.Name()); err != nil {
		return store.Layer{}, errors.Join(err, part.Discard())
	}
	return f.change.PutPartial(ctx, src.mediaType, got, part.Partial)
}

func digestOf(ctx context.Context, r io.ReaderAt, size int64) (string, error) {
	hash := sha256.New()
	for at := int64(0); at < size; at += 16 << 20 {
		if err := context.Cause(ctx); err != nil {
			return "", err
		}
		if _, err := io.Copy(hash, io.NewSectionReader(r, at, min(16<<20, size-at))); err != nil {
			return "", err
		}
	}
	return fmt.Sprintf("sha256:%x", hash.Sum(nil)), nil
}

// validate checks the GGUF files among the layers, as loading them will.
func (f *fetcher) validate(src source, path string) error {
	if !src.isGGUF() {
		return nil
	}
	file, err := gguf.Open(path)
	if err != nil {
		return err
	}
	return file.Validate()
}
