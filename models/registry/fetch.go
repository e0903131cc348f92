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
	"github.com/puna-ai/puna/models/internal/ctxio"
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

	parts []source // files that are joined to the blob; the other fields but label and mediaType are theirs
	part  bool     // it is one of them
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

// isGGUF reports whether the blob is a GGUF file, as a whole or in part.
func (src source) isGGUF() bool {
	switch src.mediaType {
	case store.MediaModel, store.MediaAdapter, store.MediaProjector, store.MediaDraft:
		return true
	}
	return src.part
}

// check checks a GGUF file's header; of a part, what it tells by itself.
func (src source) check(file *gguf.File) error {
	switch {
	case !src.part:
		return file.Validate()
	case file.Arch() == "": // the first part has it
		return nil
	}
	return file.CheckArch()
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
	for _, src := range sources {
		f.coming.Add(int64(max(1, len(src.parts))))
	}
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

// fetch brings a blob.
func (f *fetcher) fetch(ctx context.Context, src source) (store.Layer, error) {
	if len(src.parts) > 0 {
		return f.join(ctx, src)
	}
	return twice(f, func() (store.Layer, error) { return f.once(ctx, src) })
}

// twice downloads what came damaged once more, and what was refused by its beginning:
// that may be damaged, too.
func twice[T any](f *fetcher, once func() (T, error)) (T, error) {
	got, err := once()
	damaged := errors.Is(err, errDamaged)
	if damaged {
		f.coming.Add(1)
	}
	if damaged || errors.As(err, new(refusal)) {
		f.c.log().Warn("a layer came damaged, or isn't what it should be, and is downloaded again", "model", f.name.String(), "error", err)
		got, err = once()
	}
	if errors.Is(err, errDamaged) {
		err = puna.Errorf(puna.Unavailable, "%w: it was removed: pull again; if that doesn't help, something on the way changes data", err)
	}
	return got, err
}

// once takes the blob that the store has, or downloads it.
func (f *fetcher) once(ctx context.Context, src source) (store.Layer, error) {
	p, l, err := f.claim(ctx, src)
	if p == nil {
		return l, err
	}
	defer p.Close()
	digest, err := f.download(ctx, src, p)
	if err != nil {
		return store.Layer{}, err
	}
	if err := f.validate(src, p.Data.Name()); err != nil {
		return store.Layer{}, errors.Join(err, p.Discard())
	}
	return f.change.PutPartial(ctx, src.mediaType, digest, p)
}

// claim makes this pull the owner of a partial blob, as soon as no other is. Where the
// store has the blob by then, p is nil.
func (f *fetcher) claim(ctx context.Context, src source) (p *store.Partial, l store.Layer, err error) {
	for first := true; ; first = false {
		if l, err := f.have(src); err != nil || l.Digest != "" {
			return nil, l, err
		}
		p, err := f.c.Store.OpenPartial(src.key())
		if puna.KindOf(err) == puna.Conflict { // its owner brings it: look again soon
			if first {
				f.emit(src.progress(0))
			}
			select {
			case <-ctx.Done():
				return nil, l, context.Cause(ctx)
			case <-time.After(f.s.transfer.Report):
			}
			continue
		}
		if err != nil {
			return nil, l, err
		}
		if l, err := f.have(src); err != nil || l.Digest != "" { // the owner was done just now
			return nil, l, errors.Join(err, p.Discard())
		}
		return p, l, nil
	}
}

// have takes a blob that the store has; the zero layer if it hasn't.
func (f *fetcher) have(src source) (store.Layer, error) {
	if src.digest == "" || src.part {
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

// download brings all of a partial blob and returns its digest. What isn't what it
// should be is removed.
func (f *fetcher) download(ctx context.Context, src source, p *store.Partial) (digest string, err error) {
	part, err := openPartial(p, src.identity(), src.size)
	if err != nil {
		return "", diskError(p.Data.Name(), src.size, err)
	}
	d := &download{s: f.s, src: src, part: part, slots: f.slots, data: wrapData(p.Data)}
	stop := f.report(d)
	err = d.run(ctx)
	stop()
	if errors.As(err, new(refusal)) {
		err = errors.Join(err, part.Discard())
	}
	if err != nil {
		return "", err
	}
	f.arrived()
	digest, err = digestOf(ctx, p.Data, src.size)
	if err != nil {
		return "", diskError(p.Data.Name(), 0, err)
	}
	if src.digest != "" && src.digest != digest {
		err = fmt.Errorf("%w: the data from %s has %s, not %s", errDamaged, src.url.Host, digest, src.digest)
		return "", errors.Join(err, p.Discard())
	}
	return digest, nil
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

func digestOf(ctx context.Context, r io.ReaderAt, size int64) (string, error) {
	hash := sha256.New()
	if _, err := io.Copy(hash, ctxio.Reader(ctx, io.NewSectionReader(r, 0, size))); err != nil {
		return "", err
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
