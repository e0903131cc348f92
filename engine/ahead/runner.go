package ahead

import (
	"errors"
	"log/slog"
	"slices"
	"sync"

	"github.com/puna-ai/puna/engine/loop"
	"github.com/puna-ai/puna/engine/sched"
	"github.com/puna-ai/puna/engine/spec"
)

// Token is a token's number in both vocabularies.
type Token = sched.Token

// Backend is a context of the small model. Its methods are those of [loop.Backend].
type Backend interface {
	Apply(ops []sched.Op) error
	Decode(rows []sched.Row) error
	Logits(row int) []float32
	Close()
}

// Config configures a [Runner].
type Config struct {
	Sched  sched.Config // of the small model's context; Batch bounds what prompts take before a step
	Limit  int          // tokens that a sequence may have; at most Sched.Cells
	Step   float64      // time of a step of the small model, where one of the large is 1
	Tokens int          // that both vocabularies have, from 0; others aren't drafted
	Ends   []Token      // of answers: nothing is drafted behind them
	Turn   sync.Locker  // held while decoding
	Log    *slog.Logger
}

// Runner runs a small model ahead of a large one.
type Runner struct {
	b       Backend
	s       *sched.Scheduler
	cfg     Config
	wanting []*Drafter // in Prepare
	failed  bool
}

// New makes a runner, which owns b.
func New(b Backend, cfg Config) *Runner {
	return &Runner{b: b, s: sched.New(cfg.Sched), cfg: cfg}
}

// Drafter makes a drafter for a sequence that begins with prompt, of up to most tokens at
// once. It is safe for concurrent use.
func (r *Runner) Drafter(prompt []Token, most int) *Drafter {
	return &Drafter{runner: r, repeats: spec.New(prompt, most), account: spec.NewAccount(r.cfg.Step), most: most, prompt: prompt}
}

// Prepare computes drafts before a step; it is a [loop.Config.Prepare].
func (r *Runner) Prepare(wishes []loop.Wish, rows int) {
	r.wanting = r.wanting[:0]
	if r.failed {
		r.s.Ops() // forgets them
		return
	}
	for _, w := range wishes {
		if d, ok := w.Drafter.(*Drafter); ok && d.wants(rows, w.Most) {
			r.s.Park(d.seq, false)
			r.wanting = append(r.wanting, d)
		}
	}
	for len(r.wanting) > 0 && r.step() {
		r.wanting = slices.DeleteFunc(r.wanting, (*Drafter).rests)
	}
	for _, d := range r.wanting { // the step failed
		r.s.Park(d.seq, true)
	}
}

// step computes a batch of the small model. It returns false where there is none, or it
// failed.
func (r *Runner) step() bool {
	ops, batch := r.s.Plan()
	if err := r.b.Apply(ops); err != nil {
		return r.fail(err)
	}
	if len(batch.Rows) == 0 {
		return false
	}
	if err := r.decode(batch); errors.Is(err, loop.ErrNoSlot) {
		r.s.Fail(batch)
		r.s.NoSlot(batch)
		return false // before the next step there may be room, for a smaller one
	} else if err != nil {
		return r.fail(err)
	}
	r.s.Commit(batch, 0)
	for _, c := range batch.Chunks {
		d := c.Seq.Owner.(*Drafter)
		d.computed(c.N)
		if c.Output {
			d.take(r.best(c.First + c.N - 1))
		}
	}
	return true
}

func (r *Runner) decode(batch *sched.Batch) error {
	r.cfg.Turn.Lock()
	defer r.cfg.Turn.Unlock()
	return r.b.Decode(batch.Rows)
}

// fail ends all drafting by the small model.
func (r *Runner) fail(err error) bool {
	r.cfg.Log.Error("the draft model failed and is not used any more", "error", err)
	r.failed = true
	return false
}

// best is the likeliest of the tokens that both models have.
func (r *Runner) best(row int) (best Token) {
	logits := r.b.Logits(row)[:r.cfg.Tokens]
	for t, l := range logits {
		if l > logits[best] {
			best = Token(t)
		}
	}
	return best
}

// Close frees the context, when the loop has ended.
func (r *Runner) Close() {
	r.s.Clear()
	if err := r.b.Apply(r.s.Ops()); err != nil {
		r.cfg.Log.Error("freeing the draft model's cache failed", "error", err)
	}
	r.b.Close()
}
