package sched

import (
	"cmp"
	"slices"
)

// minTidy is how many tokens of a prompt make it worth moving prefixes that it
// doesn't use out of its way: attention passes over their cells for each of them.
const minTidy = 64

// store keeps copies of prefixes that left the cells, within a budget, least recently
// used first to go: elsewhere where that is possible, then for good.
type store struct {
	budget int64 // bytes
	bytes  int64 // of all copies but those elsewhere
	copies []*stored
	next   uint64 // key
	now    uint64 // logical time
	pinned *stored

	fetch *stored // of which what was read, or is being read, is in memory beside the budget; nil: none
	read  bool    // [Scheduler.Fetched] was called for it
}

// stored is a copy of a sequence outside the cells.
type stored struct {
	key    uint64
	tokens []Token
	bytes  int64 // 0: it is elsewhere
	used   uint64
	kept   bool // [Scheduler.Unkept] returned it, or the span that it is a copy of
}

// Adopt makes a copy known that is kept elsewhere, such as one of an earlier run.
func (s *Scheduler) Adopt(tokens []Token) (key uint64) {
	return s.add(slices.Clone(tokens), 0).key
}

// Lost says, after the ops of a Plan were applied and before its batch is decoded, that
// the copy under key is gone. The batch fails, and what the Plan admitted begins anew,
// since any of it may share what the copy didn't give.
func (s *Scheduler) Lost(b *Batch, key uint64) {
	if s.cfg.Plain { // nothing was computed, so no other state is in doubt
		s.Fail(b)
	}
	for _, p := range s.admitted {
		if p.seq != nil {
			s.cut(p, 0)
			p.seq.cached = 0
			s.planStops(p.seq)
		} else if at := slices.Index(s.cached, p); at >= 0 { // preempted at once
			s.cached = slices.Delete(s.cached, at, at+1)
			s.release(p)
		}
	}
	s.admitted = s.admitted[:0]
	st := &s.store
	i := slices.IndexFunc(st.copies, func(c *stored) bool { return c.key == key })
	if i >= 0 && (st.copies[i] != st.fetch || st.read) { // one that left memory since, and is being read, may be good
		s.forget(st.copies[i])
	}
}

// Fetched says that the copy of the last [Fetch] was read; one that can't be is forgotten.
func (s *Scheduler) Fetched(ok bool) {
	s.store.read = true
	if !ok {
		s.forget(s.store.fetch)
	}
}

// Prefix is a computed prefix that no sequence runs on.
type Prefix struct {
	Tokens []Token
	Stored bool // it is under Key, else in cells of ID
	ID     ID
	Key    uint64
}

// Prefixes lists the copies in memory, then the prefixes in cells, least recently used
// first within each.
func (s *Scheduler) Prefixes() []Prefix {
	var list []Prefix
	for _, c := range slices.SortedFunc(slices.Values(s.store.copies), func(a, b *stored) int { return cmp.Compare(a.used, b.used) }) {
		if c.bytes > 0 {
			list = append(list, Prefix{Tokens: c.tokens, Stored: true, Key: c.key})
		}
	}
	for _, p := range slices.SortedFunc(slices.Values(s.cached), func(a, b *span) int { return cmp.Compare(a.used, b.used) }) {
		list = append(list, Prefix{Tokens: p.tokens(), ID: p.id})
	}
	return list
}

// Unkept returns a prefix, in cells or in memory, that it didn't return since its
// sequence finished, the most recently used one first within each; ok is false when
// there is none, or none worth keeping.
func (s *Scheduler) Unkept() (p Prefix, ok bool) {
	var span *span
	for _, c := range s.cached {
		if !c.kept && c.n >= minShare && (span == nil || c.used > span.used) {
			span = c
		}
	}
	if span != nil {
		span.kept = true
		return Prefix{Tokens: span.tokens(), ID: span.id}, true
	}
	var last *stored
	for _, c := range s.store.copies {
		if !c.kept && c.bytes > 0 && (last == nil || c.used > last.used) {
			last = c
		}
	}
	if last == nil {
		return Prefix{}, false
	}
	last.kept = true
	return Prefix{Tokens: last.tokens, Stored: true, Key: last.key}, true
}

// match finds the copy that has the most of tokens from the start.
func (st *store) match(tokens []Token) (*stored, int) {
	var best *stored
	n := 0
	for _, c := range st.copies {
		if l := common(c.tokens, tokens); l > n {
			best, n = c, l
		}
	}
	return best, n
}

func (st *store) touch(c *stored) {
	st.now++
	c.used = st.now
}

// save keeps a copy of p, unless one has nearly all of it.
func (s *Scheduler) save(p *span) {
	st := &s.store
	if !s.storable(p.n) {
		return
	}
	size := s.copySize(p.n)
	tokens := p.tokens()
	if c, n := s.stored(tokens); n > p.n-minShare {
		st.touch(c)
		return
	}
	for i := len(st.copies) - 1; i >= 0 && s.cfg.Plain; i-- { // copies that the new one begins with
		if c := st.copies[i]; !st.inUse(c) && common(c.tokens, tokens) == len(c.tokens) {
			s.forget(c)
		}
	}
	if !s.makeRoom(size) {
		return
	}
	c := s.add(tokens, size)
	c.kept = p.kept
	s.ops = append(s.ops, Op{Kind: Save, Src: p.id, Key: c.key, Tokens: tokens})
}

// storable reports whether a copy of so many tokens has a place and is worth it.
func (s *Scheduler) storable(tokens int) bool {
	return s.store.budget > 0 && tokens >= minShare && s.copySize(tokens) <= s.store.budget
}

func (s *Scheduler) copySize(tokens int) int64 { return s.cfg.SeqBytes + int64(tokens)*s.cfg.CellBytes }

// add lists a copy of so many bytes; 0: it is elsewhere.
func (s *Scheduler) add(tokens []Token, bytes int64) *stored {
	st := &s.store
	c := &stored{key: st.next, tokens: tokens, bytes: bytes}
	st.next++
	st.touch(c)
	st.bytes += bytes
	st.copies = append(st.copies, c)
	return c
}

// makeRoom sends copies elsewhere until size bytes fit.
func (s *Scheduler) makeRoom(size int64) bool {
	st := &s.store
	for st.bytes+size > st.budget || !s.cfg.Plain && st.inMemory() >= maxCheckpoints {
		old := st.oldest(func(c *stored) bool { return c.bytes > 0 && !st.inUse(c) })
		if old == nil {
			return false
		}
		s.demote(old)
	}
	return true
}

// oldest is the least recently used copy of those that fit; nil where none does.
func (st *store) oldest(fits func(*stored) bool) *stored {
	var old *stored
	for _, c := range st.copies {
		if fits(c) && (old == nil || c.used < old.used) {
			old = c
		}
	}
	return old
}

// inUse reports whether c has to stay where it is.
func (st *store) inUse(c *stored) bool { return c == st.pinned || c == st.fetch }

// demote moves a copy out of the store: elsewhere, where one that is there may have to
// make way.
func (s *Scheduler) demote(c *stored) {
	if s.cfg.Elsewhere == 0 {
		s.forget(c)
		return
	}
	st := &s.store
	elsewhere := func(c *stored) bool { return c.bytes == 0 && !st.inUse(c) }
	if old := st.oldest(elsewhere); len(st.copies)-st.inMemory() >= s.cfg.Elsewhere && old != nil {
		s.forget(old)
	}
	st.bytes -= c.bytes
	c.bytes = 0
	s.ops = append(s.ops, Op{Kind: Demote, Key: c.key})
}

func (s *Scheduler) forget(c *stored) {
	st := &s.store
	st.copies = slices.DeleteFunc(st.copies, func(o *stored) bool { return o == c })
	st.bytes -= c.bytes
	s.ops = append(s.ops, Op{Kind: Forget, Key: c.key})
	if st.fetch == c {
		st.fetch = nil
	}
	for _, q := range s.waiting {
		if q.fetch == c {
			q.fetch = nil
		}
	}
}

// source is the copy that q should begin with, and how many of q's tokens it has; nil
// where cells have about as many.
func (s *Scheduler) source(q *Seq) (*stored, int) {
	c, n := s.stored(q.tokens[:len(q.tokens)-1])
	if _, have := s.match(q); c == nil || n < have+minShare {
		return nil, 0
	}
	return c, n
}

// fits reports whether there is room for q to begin with the whole of c.
func (s *Scheduler) fits(q *Seq, c *stored) bool {
	need := max(len(q.tokens)+s.slack(q), len(c.tokens))
	return len(s.free)+len(s.cached) > 0 && s.demand(nil, 0)+need <= s.cfg.Cells
}

// fetching reports whether q should wait for a copy that is elsewhere to be read.
func (s *Scheduler) fetching(q *Seq) bool {
	c, _ := s.source(q)
	if c == nil || c.bytes > 0 || q.fetch != c && !s.fits(q, c) {
		q.fetch = nil
		return false
	}
	q.fetch = c
	return c != s.store.fetch || !s.store.read
}

// planFetch lets go of a copy that was read when no sequence waits for it any more, and
// then has the next one read, in order of arrival.
func (s *Scheduler) planFetch() {
	st := &s.store
	var wanted []*stored
	for _, q := range s.waiting {
		if q.fetch != nil && !q.parked {
			wanted = append(wanted, q.fetch)
		}
	}
	if c := st.fetch; c != nil && st.read && !slices.Contains(wanted, c) {
		s.ops = append(s.ops, Op{Kind: Release, Key: c.key})
		st.fetch = nil
	}
	if st.fetch == nil && len(wanted) > 0 {
		s.ops = append(s.ops, Op{Kind: Fetch, Key: wanted[0].key})
		st.fetch, st.read = wanted[0], false
	}
}

// restore gives q an id and the tokens that a copy has of it, if these are more than
// are in cells and there is room for the whole copy; else nil.
func (s *Scheduler) restore(q *Seq) *span {
	c, n := s.source(q)
	if c == nil || !s.fits(q, c) {
		return nil
	}
	s.store.pinned = c
	defer func() { s.store.pinned = nil }()
	if !s.reclaim(len(c.tokens)) {
		return nil // parked sequences hold the cells
	}
	p := s.takeSpan(nil, 0)
	if p == nil {
		return nil
	}
	s.store.touch(c)
	s.ops = append(s.ops, Op{Kind: Restore, Dst: p.id, Key: c.key})
	s.tree.extend(p, c.tokens)
	if s.cfg.Plain {
		n = reused(len(q.tokens), n)
	}
	s.cut(p, n)
	return p
}

// tidy moves cached prefixes out of the way of q, a prompt that doesn't use them,
// unless another that waits will.
func (s *Scheduler) tidy(q *Seq) {
	if !s.cfg.Tidy || s.store.budget == 0 || q.pending() < minTidy {
		return
	}
	wanted := map[*span]bool{}
	for _, w := range s.waiting {
		if p, n := s.tree.match(w.tokens); n >= minShare {
			wanted[p] = true
		}
	}
	for _, p := range slices.Clone(s.cached) {
		if !wanted[p] && s.tree.own(p) >= minShare {
			s.evict(p)
		}
	}
}
