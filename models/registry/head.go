package registry

import (
	"context"

	"github.com/puna-ai/puna/models/gguf"
)

// refusal says why the beginning of a file is that of no model which runs here, as it
// came at least.
type refusal struct{ error }

func (r refusal) Unwrap() error { return r.error }

// checkHead checks the header of a GGUF file before the rest is asked for, so that a
// model that can't run costs no gigabytes. Where the server knows no ranges, the
// checks of the whole file have to do.
func (d *download) checkHead(ctx context.Context) error {
	if !d.src.isGGUF() {
		return nil
	}
	h := &head{ctx: ctx, d: d}
	file, err := gguf.Read(h, d.part.size, d.src.label, gguf.Options{})
	if h.err != nil {
		return h.err
	}
	if err == nil {
		err = d.src.check(file)
	}
	if err != nil {
		return refusal{err}
	}
	return nil
}

// head reads the beginning of a file. What isn't here is downloaded first.
type head struct {
	ctx context.Context
	d   *download
	err error // of the download
}

// ReadAt implements [io.ReaderAt].
func (h *head) ReadAt(p []byte, at int64) (int, error) {
	if h.err = h.bring(at, at+int64(len(p))); h.err != nil {
		return 0, h.err
	}
	return h.d.part.Data.ReadAt(p, at)
}

// bring downloads what is missing up to end. If anything is, as much as one request
// asks for is brought from start on, divided among the connections.
func (h *head) bring(start, end int64) error {
	size, t := h.d.part.size, h.d.s.transfer
	if len(h.d.part.missing(end, size)) == 0 {
		return nil
	}
	end = min(max(end, start+t.Chunk), size)
	piece := min((end-start)/int64(t.Connections)+1, t.Chunk)
	return h.d.ranges(h.ctx, h.d.part.missing(end, piece))
}
