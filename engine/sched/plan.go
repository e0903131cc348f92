package sched

import (
	"slices"
	"time"
)

// Plan admits waiting sequences and fills a batch. The ops come before the batch;
// an empty batch means that there is nothing to compute. Both are valid until the
// next Plan, and no other method but Commit or Fail may come before these.
func (s *Scheduler) Plan() ([]Op, *Batch) {
	s.admitted = s.admitted[:0]
	s.admit()
	b := &s.batch
	*b = Batch{Rows: b.Rows[:0], Chunks: b.Chunks[:0]}
	s.planDecode(b)
	s.planPrompts(b)
	s.planFetch()
	if !s.cfg.Plain {
		b.byID()
	}
	return s.Ops(), b
}

// Commit says that b was computed in took. Each draft in it waits for [Scheduler.Append]
// to say how much of it was right, or for the end of its sequence.
func (s *Scheduler) Commit(b *Batch, took time.Duration) {
	for _, c := range b.Chunks {
		p := c.Seq.span
		s.tree.extend(p, c.Seq.tokens[p.n:p.n+c.N-c.Draft])
		s.touch(p)
		s.checkpoint(c.Seq)
	}
	if b.drafts == 0 {
		s.pace.observe(took, b.decode, len(b.Rows)-b.decode)
	}
	s.shrink = 0
}

// Fail says that b was computed in part, if at all: what the cache may hold of it is
// removed with the next ops.
func (s *Scheduler) Fail(b *Batch) {
	if !s.cfg.Plain {
		s.restart()
		return
	}
	for _, c := range b.Chunks {
		c.Seq.draft = nil
		p := c.Seq.span
		s.ops = append(s.ops, Op{Dst: p.id, N: p.n})
	}
}

// NoSlot follows Fail where the cache had no room for b, against the accounts here:
// cached prefixes go, and the next batch is half as large. It returns false when b
// was a single row, so that nothing smaller can be tried.
func (s *Scheduler) NoSlot(b *Batch) bool {
	s.Clear()
	s.shrink = max(1, len(b.Rows)/2)
	return len(b.Rows) > 1
}

// admit lets waiting sequences run, in order, while there is room. One that waits
// for another's prefix, or for a copy to be read, lets those behind it pass.
func (s *Scheduler) admit() {
	for i := 0; i < len(s.waiting); {
		q := s.waiting[i]
		switch {
		case q.parked || s.held(q):
			q.fetch = nil
			i++
		case len(s.running) >= s.cfg.Running:
			if !s.preemptParked() {
				return
			}
			i++ // it waits in front now
		case s.fetching(q):
			i++
		case !s.start(q):
			return
		default:
			s.waiting = slices.Delete(s.waiting, i, i+1)
			s.running = append(s.running, q)
			s.admitted = append(s.admitted, q.span)
		}
	}
}

// held reports whether q should wait for a prefix that another sequence is
// computing.
func (s *Scheduler) held(q *Seq) bool {
	if h := q.hold; h != nil && h.span != nil && !h.parked && h.span.n < q.holdAt {
		return true
	}
	q.hold = nil
	have := s.have(q)
	for _, r := range s.running {
		if r.parked || r.pending() < 2 {
			continue
		}
		n := min(common(r.tokens, q.tokens), len(q.tokens)-1)
		if n-have >= minShare && n > r.span.n && (s.cfg.Plain || s.storable(n)) {
			q.hold, q.holdAt, have = r, n, n
		}
	}
	if q.hold != nil && !s.cfg.Plain {
		q.holdAt = s.stopAt(q.hold, q.holdAt)
	}
	return q.hold != nil
}

// start gives q an id and the longest prefix there is, if the cells suffice for it
// and all that runs.
func (s *Scheduler) start(q *Seq) bool {
	p := s.restore(q)
	if p == nil {
		p = s.startFromCells(q)
	}
	if p == nil {
		return false
	}
	s.touch(p)
	p.seq, q.span, q.fetch = q, p, nil
	if !q.again {
		q.cached = p.n
	}
	s.tidy(q)
	s.planStops(q)
	return true
}

// startFromCells gives q an id with the longest prefix that is in cells; nil where
// there is no room.
func (s *Scheduler) startFromCells(q *Seq) *span {
	from, n := s.match(q)
	if s.demand(from, n)+len(q.tokens)-n+s.slack(q) > s.cfg.Cells {
		return nil
	}
	p := s.takeSpan(from, n)
	switch {
	case p == nil:
	case p == from:
		s.cut(p, n)
	case n > 0:
		s.tree.share(p, from, n)
		s.ops = append(s.ops, Op{Kind: Share, Src: from.id, Dst: p.id, N: n})
		s.touch(from)
	}
	return p
}

// match finds what of q is in cells, but for the last token: its logits are needed.
func (s *Scheduler) match(q *Seq) (*span, int) {
	if !s.cfg.Plain {
		return nil, 0
	}
	p, n := s.tree.match(q.tokens[:len(q.tokens)-1])
	if n = reused(len(q.tokens), n); n == 0 {
		return nil, 0
	}
	return p, n
}

// reused is how much to take of a prefix of n tokens, so that the rest of the prompt is
// whole groups of rows. Where that is a single row, it stays alone.
func reused(prompt, n int) int {
	if rest := prompt - n; rest > 1 {
		n -= (rowGroup - rest%rowGroup) % rowGroup
	}
	if n < rowGroup { // all prompts of a model begin alike
		return 0
	}
	return n
}

// slack is the room for growth that q needs to start. One that was preempted needs
// more, or it would be preempted again at once.
func (s *Scheduler) slack(q *Seq) int {
	if len(s.running) == 0 {
		return 1
	}
	n := 1 + len(s.running)
	if q.again {
		n += s.cfg.Cells / 8
	}
	return min(n, max(1, q.limit-len(q.tokens))+len(s.running))
}

// demand is the number of cells that running sequences hold or have yet to compute,
// with the first n tokens of from.
func (s *Scheduler) demand(from *span, n int) int {
	seen := make(map[*node]bool, 2*len(s.running))
	total := 0
	walk := func(nd *node) {
		for ; nd != &s.tree.root && !seen[nd]; nd = nd.parent {
			seen[nd] = true
			total += len(nd.run)
		}
	}
	for _, r := range s.running {
		if !r.parked {
			walk(r.span.leaf)
			total += r.pending()
		}
	}
	if n > 0 {
		walk(s.tree.at(from, n))
	}
	return total
}

// planDecode adds a row for each sequence that has one token to compute, and its draft
// where there is room. Where the cells don't suffice, the youngest give theirs up.
func (s *Scheduler) planDecode(b *Batch) {
	limit, rows := s.rows(), 0
	for {
		rows = min(s.generating(), limit)
		if s.reclaim(rows) || !s.preemptYoungest() {
			break
		}
	}
	rows += s.promptRows() // drafts get what is left
	for _, q := range s.running {
		if len(b.Rows) < limit && !q.parked && q.pending() == 1 {
			b.add(q, 1)
			b.decode++
			b.addDraft(q, s.draft(q, rows+b.drafts))
		}
	}
}

// generating is how many sequences have one token to compute.
func (s *Scheduler) generating() (n int) {
	for _, q := range s.running {
		if !q.parked && q.pending() == 1 {
			n++
		}
	}
	return n
}

// promptRows is how many rows prompts would fill.
func (s *Scheduler) promptRows() (n int) {
	for _, q := range s.running {
		if !q.parked && q.pending() >= 2 {
			n += q.pending()
		}
	}
	return n
}

// Drafting returns the sequences that the next batch may have drafts of, oldest first, how
// many rows it has without, and how many it may have of drafts. No room: no sequences.
func (s *Scheduler) Drafting() (seqs []*Seq, rows, room int) {
	rows = s.generating() + s.promptRows()
	room = min(s.cfg.DraftRows, s.rows()) - rows
	if room < 1 {
		return nil, rows, 0
	}
	for _, q := range s.running {
		if q.Draft != nil && !q.parked && q.pending() == 1 {
			seqs = append(seqs, q)
		}
	}
	return seqs, rows, room
}

// draft asks for q's draft, for a batch of so many rows without it. Cached prefixes
// give up cells for it, running sequences don't.
func (s *Scheduler) draft(q *Seq, rows int) []Token {
	most := min(min(s.cfg.DraftRows, s.rows())-rows, q.limit-len(q.tokens)-1)
	if q.Draft == nil || most < 1 {
		return nil
	}
	draft := q.Draft(rows, most)
	if !s.reclaim(rows + len(draft)) {
		return draft[:max(0, s.unused()-rows)]
	}
	return draft
}

// planPrompts fills the batch with prompt chunks in order of arrival.
func (s *Scheduler) planPrompts(b *Batch) {
	room := s.rows() - len(b.Rows)
	if b.decode > 0 {
		room = min(room, s.pace.chunk(s.cfg.MaxGap))
	}
	if over := (len(b.Rows) + room) % rowGroup; over < room {
		room -= over
	}
	for i := 0; i < len(s.running) && room > 0; i++ {
		q := s.running[i]
		if q.parked || q.pending() < 2 {
			continue
		}
		n := min(room, q.untilStop())
		s.reclaim(len(b.Rows) + n)
		for len(b.Rows) == 0 && s.unused() == 0 && s.preemptYoungest() {
			s.reclaim(n)
		}
		n = min(n, s.unused()-len(b.Rows))
		if n <= 0 {
			return
		}
		b.add(q, n)
		room -= n
	}
}

func (s *Scheduler) rows() int {
	if s.shrink > 0 {
		return min(s.shrink, s.cfg.Batch)
	}
	return s.cfg.Batch
}

func (s *Scheduler) unused() int { return s.cfg.Cells - s.tree.cells }

// add puts the next n pending tokens of q into the batch.
func (b *Batch) add(q *Seq, n int) {
	at, first := q.span.n, len(b.Rows)
	for i, t := range q.tokens[at : at+n] {
		b.Rows = append(b.Rows, Row{Token: t, Pos: int32(at + i), ID: q.span.id})
	}
	last := at+n == len(q.tokens)
	b.Rows[len(b.Rows)-1].Output = last
	b.Chunks = append(b.Chunks, Chunk{Seq: q, First: first, N: n, Output: last})
}

// addDraft puts tokens that may follow q's behind its row.
func (b *Batch) addDraft(q *Seq, draft []Token) {
	for i, t := range draft {
		b.Rows = append(b.Rows, Row{Token: t, Pos: int32(len(q.tokens) + i), ID: q.span.id, Output: true})
	}
	c := &b.Chunks[len(b.Chunks)-1]
	c.N, c.Draft = c.N+len(draft), len(draft)
	b.drafts += len(draft)
	q.draft = draft
}
