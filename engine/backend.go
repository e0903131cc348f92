package engine

import (
	"errors"
	"fmt"

	"github.com/puna-ai/puna/cgo/llama"
	"github.com/puna-ai/puna/engine/loop"
	"github.com/puna-ai/puna/engine/sched"
)

// backend is a llama_context behind the loop's interface.
type backend struct {
	c      *llama.Context
	batch  *llama.Batch
	id     [1]llama.SeqID
	copies *copies
}

func (b *backend) Apply(ops []sched.Op) (err error) {
	for _, op := range ops {
		var lost *loop.Lost
		if e := b.apply(op); errors.As(e, &lost) {
			err = e
		} else if e != nil {
			return e
		}
	}
	return err
}

func (b *backend) apply(op sched.Op) error {
	switch op.Kind {
	case sched.Remove:
		ok, err := b.c.MemorySeqRm(op.Dst, llama.Pos(op.N), -1)
		if err == nil && !ok {
			err = fmt.Errorf("sequence %d can't be cut at %d", op.Dst, op.N)
		}
		return err
	case sched.Share:
		return b.c.MemorySeqCp(op.Src, op.Dst, 0, llama.Pos(op.N))
	case sched.Save:
		b.copies.save(op)
	case sched.Restore:
		return b.copies.restore(op)
	case sched.Demote:
		b.copies.demote(op.Key)
	case sched.Fetch:
		b.copies.fetch(op.Key)
	case sched.Release:
		b.copies.release(op.Key)
	case sched.Forget:
		b.copies.forget(op.Key)
	}
	return nil
}

func (b *backend) Decode(rows []sched.Row) error {
	b.batch.Clear()
	for i := range rows {
		r := &rows[i]
		b.id[0] = r.ID
		if err := b.batch.Add(r.Token, r.Pos, b.id[:], r.Output); err != nil {
			return err
		}
	}
	switch err := b.c.Decode(b.batch); {
	case errors.Is(err, llama.ErrNoKVSlot):
		return loop.ErrNoSlot
	case errors.Is(err, llama.ErrAborted):
		return loop.ErrAborted
	default:
		return err
	}
}

func (b *backend) Fetched() <-chan error { return b.copies.fetched }

func (b *backend) Keep(p sched.Prefix) <-chan error { return b.copies.keep(p) }

func (b *backend) Logits(row int) []float32 { return b.c.GetLogitsIth(row) }
func (b *backend) SetAbort(on bool)         { b.c.SetAbort(on) }

func (b *backend) Reset() error {
	b.copies.close()
	return b.c.MemoryClear(true)
}

func (b *backend) Close() {
	b.copies.close()
	b.c.Close()
	b.batch.Close()
}
