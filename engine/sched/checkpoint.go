package sched

import (
	"cmp"
	"slices"
)

// This file is about caches that aren't [Config.Plain]. A recurrent state, and what is
// left of a sliding window, is that of one position: it can't be cut back, so a prefix is
// reused only from a copy that ends where the prefix does. Copies (checkpoints) are made
// near the end of a prompt, where it parts from another one, and where a sequence ends or
// is preempted.

const (
	maxCheckpoints = 256 // in the store: each is compared with every prompt
	maxStops       = 8   // of a prompt; each costs a step
	// promptTail is how far before the end of a prompt its copy ends. The last token is
	// computed for its logits in any case, and templates end prompts with some tokens,
	// such as those of empty thoughts, that aren't there when the conversation goes on.
	promptTail = 5
)

// stored finds the copy that has the most of tokens from the start, as far as a copy
// can be used.
func (s *Scheduler) stored(tokens []Token) (*stored, int) {
	if s.cfg.Plain {
		return s.store.match(tokens)
	}
	var best *stored
	n := 0
	for _, c := range s.store.copies {
		if len(c.tokens) > n && common(c.tokens, tokens) == len(c.tokens) {
			best, n = c, len(c.tokens)
		}
	}
	return best, n
}

// have is how many tokens of q needn't be computed.
func (s *Scheduler) have(q *Seq) int {
	if s.cfg.Plain {
		_, n := s.match(q)
		return n
	}
	_, n := s.stored(q.tokens[:len(q.tokens)-1])
	return n
}

// planStops chooses where copies are made of q, which starts: near its end, and where it
// parts from a prompt that there is a copy of. The next one that begins alike has use of
// that.
func (s *Scheduler) planStops(q *Seq) {
	q.stops = q.stops[:0]
	if s.cfg.Plain {
		return
	}
	end := len(q.tokens) - promptTail
	_, fork := s.store.match(q.tokens[:max(0, end)])
	for _, at := range []int{fork, end} {
		if at >= q.span.n+minShare {
			s.stopAt(q, at)
		}
	}
}

// stopAt has a copy made of q when it has computed n tokens, or somewhat fewer where
// one is planned there. It returns how many.
func (s *Scheduler) stopAt(q *Seq, n int) int {
	at, _ := slices.BinarySearch(q.stops, n+1)
	switch {
	case at > 0 && q.stops[at-1] > n-minShare:
		return q.stops[at-1]
	case n > q.span.n && len(q.stops) < maxStops && s.storable(n):
		q.stops = slices.Insert(q.stops, at, n)
	}
	return n
}

// untilStop is how many of q's pending tokens its next chunk may have.
func (q *Seq) untilStop() int {
	if len(q.stops) > 0 {
		return q.stops[0] - q.span.n
	}
	return q.pending()
}

// checkpoint makes a copy of q where one is due.
func (s *Scheduler) checkpoint(q *Seq) {
	if len(q.stops) > 0 && q.stops[0] <= q.span.n {
		q.stops = slices.Delete(q.stops, 0, 1)
		s.save(q.span)
	}
}

// restart queues every running sequence again, in front and in order, after a step that
// failed: it may have left a part of the states moved, also of sequences outside its
// batch. They go on from their last copies.
func (s *Scheduler) restart() {
	for _, q := range s.running {
		if slices.Contains(s.admitted, q.span) {
			q.cached = 0
		} else {
			q.again = true
		}
		s.release(q.span)
		q.span = nil
	}
	s.waiting = slices.Concat(s.running, s.waiting)
	s.running = nil
}

// byID puts the chunks in order of their ids. llama.cpp computes sequences side by side
// that follow each other in the batch with consecutive ids, as many tokens of each as
// the shortest has, so another order would take more passes over the weights.
func (b *Batch) byID() {
	slices.SortFunc(b.Chunks, func(x, y Chunk) int { return cmp.Compare(b.Rows[x.First].ID, b.Rows[y.First].ID) })
	rows := slices.Clone(b.Rows)
	b.Rows = b.Rows[:0]
	for i := range b.Chunks {
		c := &b.Chunks[i]
		first := len(b.Rows)
		b.Rows = append(b.Rows, rows[c.First:c.First+c.N]...)
		c.First = first
	}
}

// inMemory is how many copies aren't elsewhere.
func (st *store) inMemory() int {
	n := 0
	for _, c := range st.copies {
		if c.bytes > 0 {
			n++
		}
	}
	return n
}
