package loop

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/puna-ai/puna"
	"github.com/puna-ai/puna/engine/sched"
)

// outputs is how many outputs a reader may fall behind before its sequence is
// parked. One place more is always free for the last output.
const outputs = 64

// Request is one answer to make. Its exported fields are set before [Loop.Submit].
type Request struct {
	Prompt []sched.Token // at least one
	Limit  int           // tokens of prompt and answer; more than the prompt has, at most [sched.Config.Cells]
	Max    int           // tokens of the answer; 0: no limit but Limit
	Shift  bool          // drop tokens at Limit instead of ending
	Keep   int           // tokens at the start that a shift keeps
	Picker Picker        // closed by the loop

	Drafter Drafter // of the loop's goroutine from Submit on, which closes it; nil: nothing is drafted

	loop   *Loop
	out    chan Output
	parked atomic.Bool

	canceled bool // by loop.mu
	inBatch  bool // by loop.mu

	// Of the loop's goroutine.
	seq       *sched.Seq
	generated int
	drafted   int
	accepted  int
	started   time.Time // zero: nothing computed yet
	first     time.Time
}

// Output is a piece of an answer. The last one has End or Err.
type Output struct {
	Text     string
	Logprobs []puna.TokenLogprob
	End      *Result
	Err      error
}

// Result sums up an answer.
type Result struct {
	Reason    puna.DoneReason
	Tokens    []sched.Token // prompt and answer, less what shifts dropped and the end token
	Cached    int           // tokens of the prompt that weren't computed
	Generated int           // tokens, the end token included
	Drafted   int           // tokens
	Accepted  int           // of the drafted
	Prompt    time.Duration // from the first step with this request to its first token
	Eval      time.Duration // from the first token to the last
}

// Next waits for the next output. After the last one, and when ctx is done, ok is
// false; then the request is canceled if it hasn't ended. One goroutine reads.
func (r *Request) Next(ctx context.Context) (out Output, ok bool) {
	select {
	case out, ok = <-r.out:
	case <-ctx.Done():
		r.Cancel()
		return Output{}, false
	}
	if ok && r.parked.Load() && len(r.out) <= outputs/2 {
		r.loop.changedRequest(r)
	}
	return out, ok
}

// Cancel ends the request at the next step, or aborts the step that runs when it
// serves no one else. What was computed stays for others. Safe for concurrent use,
// and harmless after the end.
func (r *Request) Cancel() {
	r.loop.mu.Lock()
	defer r.loop.mu.Unlock()
	r.loop.cancel(r)
	r.loop.signal()
}

// draft is its sequence's [sched.Seq.Draft].
func (r *Request) draft(rows, most int) []sched.Token {
	if most = r.mostDrafted(most); most < 1 {
		return nil
	}
	return r.Drafter.Draft(rows, most)
}

// mostDrafted is no more than Max lets be used.
func (r *Request) mostDrafted(most int) int {
	if r.Max > 0 {
		most = min(most, r.Max-r.generated-1)
	}
	return most
}

func (l *Loop) changedRequest(r *Request) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.changed = append(l.changed, r)
	l.signal()
}

// send hands out o, and parks r when its reader is behind. There is room: a parked
// request gets nothing but its last output.
func (r *Request) send(l *Loop, o Output) {
	r.out <- o
	if cap(r.out)-len(r.out) <= 1 && !r.parked.Load() {
		r.park(l, true)
		if len(r.out) <= outputs/2 { // the reader was faster, and won't say so again
			r.park(l, false)
		}
	}
}

func (r *Request) park(l *Loop, parked bool) {
	r.parked.Store(parked)
	l.s.Park(r.seq, parked)
}
