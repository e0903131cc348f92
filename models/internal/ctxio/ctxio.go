// Package ctxio lets a context end what only reads.
package ctxio

import (
	"context"
	"io"
)

// Reader reads from r, and fails with ctx's cause once ctx is done. A Read that is
// under way isn't interrupted.
func Reader(ctx context.Context, r io.Reader) io.Reader { return &reader{ctx, r} }

type reader struct {
	ctx context.Context
	r   io.Reader
}

func (r *reader) Read(p []byte) (int, error) {
	if r.ctx.Err() != nil {
		return 0, context.Cause(r.ctx)
	}
	return r.r.Read(p)
}
