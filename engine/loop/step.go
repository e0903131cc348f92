package loop

import (
	"context"
	"errors"
	"time"

	"github.com/puna-ai/puna"
	"github.com/puna-ai/puna/engine/sched"
)

// run is the goroutine that owns the backend and the scheduler.
func (l *Loop) run() {
	defer close(l.done)
	defer l.work.stop()
	defer l.b.Close()
	for l.collect() {
		began := l.cfg.Now()
		l.prepare()
		ops, batch := l.s.Plan()
		if err := l.b.Apply(ops); err != nil {
			l.recover(batch, err)
			continue
		}
		if len(batch.Rows) == 0 {
			l.publish(nil, 0, 0)
			l.rest()
			continue
		}
		l.step(batch, began)
	}
	if err := l.keep(); err != nil {
		l.warnNotKept(err)
	}
	l.s.Clear()
	if err := l.b.Apply(l.s.Ops()); err != nil {
		l.cfg.Log.Error("freeing the cache failed", "error", err)
	}
}

// rest waits for something to do. When it has been quiet for long enough it keeps
// prefixes meanwhile, one at a time, so that a process that is killed takes few along.
func (l *Loop) rest() {
	var quiet <-chan time.Time
	if l.cfg.Quiet > 0 {
		timer := time.NewTimer(l.cfg.Quiet)
		defer timer.Stop()
		quiet = timer.C
	}
	for isQuiet := false; ; {
		if isQuiet && l.keeping == nil {
			if p, ok := l.s.Unkept(); ok {
				l.keeping = l.b.Keep(p)
			}
		}
		select {
		case <-l.wake:
			return
		case err := <-l.b.Fetched():
			l.fetched(err)
			return
		case <-quiet:
			isQuiet = true
		case err := <-l.keeping:
			l.keeping = nil
			if err != nil {
				l.warnNotKept(err)
			}
		}
	}
}

// fetched takes in that a copy was read, or why it can't be.
func (l *Loop) fetched(err error) {
	if err != nil {
		l.cfg.Log.Warn("a cached prefix could not be read: it is computed anew", "error", err)
	}
	l.s.Fetched(err == nil)
}

func (l *Loop) warnNotKept(err error) {
	l.cfg.Log.Warn("cached prefixes could not be saved for the next load", "error", err)
}

// keep saves what the cache holds. What was used last is saved last: where there is no
// room for all, what was saved first makes way.
func (l *Loop) keep() error {
	err := l.b.Apply(l.s.Ops())
	if err != nil {
		return err
	}
	for _, p := range l.s.Prefixes() {
		err = errors.Join(err, <-l.b.Keep(p)) // one that is too large keeps no other out
	}
	return err
}

// collect takes in what happened since the last step. It returns false when the
// loop is closing and nothing is left.
func (l *Loop) collect() bool {
	l.mu.Lock()
	inbox, changed, closing := l.inbox, l.changed, l.closing
	l.inbox, l.changed = nil, nil
	for _, r := range inbox {
		l.active[r] = struct{}{}
	}
	l.mu.Unlock()
	for _, r := range inbox {
		r.seq = l.s.Add(r.Prompt, r.Limit)
		r.seq.Owner, r.seq.Keep, r.seq.Shift = r, r.Keep, r.Shift
		if r.Drafter != nil {
			r.seq.Draft = r.draft
		}
	}
	for _, r := range changed {
		switch _, active := l.active[r]; {
		case !active:
		case l.isCanceled(r):
			l.end(r, Output{Err: context.Canceled})
		case r.parked.Load():
			r.park(l, len(r.out) > outputs/2)
		}
	}
	select {
	case err := <-l.b.Fetched():
		l.fetched(err)
	default:
	}
	return !closing || len(l.active) > 0
}

// prepare has drafts made together that the next batch has room for, in equal shares.
func (l *Loop) prepare() {
	if l.cfg.Prepare == nil {
		return
	}
	seqs, rows, room := l.s.Drafting()
	l.wishes = l.wishes[:0]
	for _, q := range seqs {
		r := q.Owner.(*Request)
		if most := r.mostDrafted(max(1, room/len(seqs))); most > 0 {
			l.wishes = append(l.wishes, Wish{r.Drafter, most})
		}
	}
	if len(l.wishes) > 0 {
		l.cfg.Prepare(l.wishes, rows)
	}
}

func (l *Loop) isCanceled(r *Request) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return r.canceled
}

// step decodes a batch and hands out its tokens.
func (l *Loop) step(batch *sched.Batch, began time.Time) {
	if !l.arm(batch) {
		return // all of them are canceled, and nothing was computed
	}
	l.cfg.Turn.Lock()
	start := l.cfg.Now()
	err := l.b.Decode(batch.Rows)
	took := l.cfg.Now().Sub(start)
	l.cfg.Turn.Unlock()
	l.disarm(batch)
	if err != nil {
		l.failed(batch, err)
		return
	}
	l.s.Commit(batch, took)
	picks := l.pick(batch)
	l.count(batch, picks, start)
	now := l.cfg.Now()
	for i := range picks {
		l.commit(&picks[i], now)
	}
	l.publish(batch, took, l.cfg.Now().Sub(began))
}

// count notes the start of requests that are new, and what the tokens of the batch
// were: before anyone has an output, so that the counters are right for who has one.
func (l *Loop) count(batch *sched.Batch, picks []picked, start time.Time) {
	var prompt, cached, drafted, generated int
	for _, c := range batch.Chunks {
		r := c.Seq.Owner.(*Request)
		if r.started.IsZero() {
			r.started = start
			cached += c.Seq.Cached()
		}
		if r.generated == 0 {
			prompt += c.N - c.Draft
		}
		drafted += c.Draft
		r.drafted += c.Draft
	}
	for _, p := range picks {
		generated += len(p.picks)
		p.r.accepted += len(p.picks) - 1
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stats.Prompt += int64(prompt)
	l.stats.Cached += int64(cached)
	l.stats.Generated += int64(generated)
	l.stats.Drafted += int64(drafted)
	l.stats.Accepted += int64(generated - len(picks))
}

// arm notes who is in the batch. It returns false when all of them are canceled.
func (l *Loop) arm(batch *sched.Batch) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.live = 0
	for _, c := range batch.Chunks {
		r := c.Seq.Owner.(*Request)
		if r.inBatch = !r.canceled; r.inBatch {
			l.live++
		}
	}
	return l.live > 0
}

func (l *Loop) disarm(batch *sched.Batch) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range batch.Chunks {
		c.Seq.Owner.(*Request).inBatch = false
	}
	if l.live == 0 {
		l.b.SetAbort(false)
	}
}

// failed recovers from an error of Decode, or ends the requests of the batch.
func (l *Loop) failed(batch *sched.Batch, err error) {
	l.s.Fail(batch)
	if errors.Is(err, ErrAborted) {
		return // all of them are canceled
	}
	if errors.Is(err, ErrNoSlot) {
		l.cfg.Log.Warn("the KV cache had no room for a batch that should fit: evicting cached prefixes", "rows", len(batch.Rows))
		if l.s.NoSlot(batch) {
			return
		}
	}
	l.cfg.Log.Error("decoding failed", "error", err, "rows", len(batch.Rows))
	for _, c := range batch.Chunks {
		l.drop(c.Seq.Owner.(*Request), puna.Errorf(puna.Internal, "computing the answer failed: %w", err))
	}
}

// recover follows an error of Apply.
func (l *Loop) recover(batch *sched.Batch, err error) {
	var lost *Lost
	if !errors.As(err, &lost) {
		l.reset(err)
		return
	}
	l.cfg.Log.Warn("a cached prefix could not be restored: it is computed anew", "error", err)
	l.s.Lost(batch, lost.Key)
}

// reset follows an error that leaves the cache in an unknown state.
func (l *Loop) reset(err error) {
	l.cfg.Log.Error("the KV cache failed: starting anew", "error", err)
	for r := range l.active {
		l.drop(r, puna.Errorf(puna.Internal, "the KV cache failed: %w", err))
	}
	if err := l.b.Reset(); err != nil {
		l.cfg.Log.Error("clearing the KV cache failed", "error", err)
	}
	l.s = newScheduler(l.cfg)
}

// commit takes in the picks of a request, and hands out their text as one output.
func (l *Loop) commit(p *picked, now time.Time) {
	r, out := p.r, Output{}
	for _, pick := range p.picks {
		if r.generated++; r.generated == 1 {
			r.first = now
		}
		out.Text += pick.Text
		out.Logprobs = append(out.Logprobs, pick.Logprobs...)
		switch {
		case pick.Err != nil:
			l.drop(r, pick.Err)
			return
		case pick.End != "":
			out.End = r.result(pick.End, now)
			l.end(r, out)
			return
		case l.s.Append(r.seq, pick.Token), r.Max > 0 && r.generated >= r.Max:
			rest := r.Picker.Flush()
			out.Text += rest.Text
			out.Logprobs = append(out.Logprobs, rest.Logprobs...)
			out.End = r.result(puna.DoneLength, now)
			l.end(r, out)
			return
		}
		if r.Drafter != nil {
			r.Drafter.Add(pick.Token)
		}
	}
	if out.Text != "" {
		r.send(l, out)
	}
}

func (r *Request) result(reason puna.DoneReason, now time.Time) *Result {
	return &Result{
		Reason:    reason,
		Tokens:    append([]sched.Token(nil), r.seq.Tokens()...),
		Cached:    r.seq.Cached(),
		Generated: r.generated,
		Drafted:   r.drafted,
		Accepted:  r.accepted,
		Prompt:    r.first.Sub(r.started),
		Eval:      now.Sub(r.first),
	}
}

// end sends the last output and lets go of r; what it computed stays cached.
func (l *Loop) end(r *Request, last Output) {
	l.s.Finish(r.seq)
	l.leave(r, last)
}

// drop ends r with an error and forgets what it computed.
func (l *Loop) drop(r *Request, err error) {
	l.s.Drop(r.seq)
	l.leave(r, Output{Err: err})
}

func (l *Loop) leave(r *Request, last Output) {
	l.mu.Lock()
	delete(l.active, r)
	l.stats.Usage = l.s.Usage() // whoever has the last output finds the sequence gone
	l.mu.Unlock()
	r.Picker.Close()
	if r.Drafter != nil {
		r.Drafter.Close()
	}
	r.out <- last
	close(r.out)
}

// publish updates the counters after a step; batch is nil where there was none.
func (l *Loop) publish(batch *sched.Batch, decode, step time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stats.Usage = l.s.Usage()
	if batch == nil {
		return
	}
	l.stats.Steps++
	l.stats.Decode += decode
	l.stats.Step += step
}
