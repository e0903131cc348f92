package registry

import (
	"context"
	"errors"
	"io"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/puna-ai/puna"
	"github.com/puna-ai/puna/models/gguf"
	"github.com/puna-ai/puna/models/store"
)

// join brings the parts of a model and makes a blob of them. They stay partial blobs
// until the blob is in the store, so that a pull that ended goes on.
func (f *fetcher) join(ctx context.Context, src source) (store.Layer, error) {
	keys := map[string]string{} // of parts; two with one key would wait for each other
	for _, part := range src.parts {
		if twin, ok := keys[part.key()]; ok {
			return store.Layer{}, puna.Errorf(puna.Invalid, "%s and %s are the same file, not two parts of a model", twin, part.url.Path)
		}
		keys[part.key()] = part.url.Path
	}
	owned := make([]*store.Partial, len(src.parts))
	defer func() {
		for _, p := range owned {
			if p != nil {
				p.Close()
			}
		}
	}()
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(cap(f.slots))
	for i, part := range src.parts {
		g.Go(func() (err error) {
			owned[i], err = twice(f, func() (*store.Partial, error) { return f.bringPart(gctx, part) })
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return store.Layer{}, err
	}
	l, err := f.putJoined(ctx, src, owned)
	if err != nil && !errors.As(err, new(refusal)) {
		return l, err
	}
	for _, p := range owned {
		err = errors.Join(err, p.Discard())
	}
	return l, err
}

// bringPart downloads a part. The caller closes it.
func (f *fetcher) bringPart(ctx context.Context, src source) (*store.Partial, error) {
	p, _, err := f.claim(ctx, src)
	if err != nil {
		return nil, err
	}
	if _, err := f.download(ctx, src, p); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

// putJoined makes one layer of all parts. A [refusal] says that they are no model.
func (f *fetcher) putJoined(ctx context.Context, src source, owned []*store.Partial) (store.Layer, error) {
	if err := checkSpace(owned[0].Data.Name(), src.size); err != nil {
		return store.Layer{}, err
	}
	parts := make([]gguf.Part, len(owned))
	for i, p := range owned {
		parts[i] = gguf.Part{ReaderAt: p.Data, Size: src.parts[i].size, Name: src.parts[i].label}
	}
	r, w := io.Pipe()
	joined := make(chan error, 1)
	go func() {
		err := gguf.Join(ctx, w, parts)
		w.CloseWithError(err) // nil is the end of the file
		joined <- err
	}()
	l, _, err := f.change.Put(ctx, src.mediaType, &joining{r: r, f: f, total: src.size})
	r.Close() // ends Join, if Put failed
	if e := <-joined; e != nil && puna.KindOf(e) == puna.Invalid {
		return l, refusal{e}
	}
	if err != nil {
		return l, err
	}
	path, err := f.c.Store.BlobPath(l.Digest)
	if err != nil {
		return l, err
	}
	if err := f.validate(src, path); err != nil {
		return l, refusal{err}
	}
	return l, nil
}

// joining reports how much of a joined file has been read.
type joining struct {
	r           io.Reader
	f           *fetcher
	total, done int64
	reported    time.Time
}

func (j *joining) Read(p []byte) (int, error) {
	n, err := j.r.Read(p)
	j.done += int64(n)
	if err != nil || time.Since(j.reported) >= j.f.s.transfer.Report {
		j.reported = time.Now()
		j.f.emit(puna.Progress{Status: "joining the model's files", Total: j.total, Completed: min(j.done, j.total)})
	}
	return n, err
}
