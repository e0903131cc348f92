package sched

import "slices"

// takeSpan returns a span for a new sequence that shares the first n tokens of from:
// from itself where it is a cached prefix that the sequence goes on from, but for the
// last few tokens, or the last one that holds an id. Where no id is free, the least
// recently used prefix gives up its own. It returns nil where every id runs.
func (s *Scheduler) takeSpan(from *span, n int) *span {
	at := slices.Index(s.cached, from)
	whole := from != nil && n > from.n-rowGroup
	if at >= 0 && (whole || len(s.free) == 0 && len(s.cached) == 1) {
		s.cached = slices.Delete(s.cached, at, at+1)
		if !whole {
			s.save(from)
		}
		return from
	}
	if len(s.free) == 0 {
		victim := s.oldest(from)
		if victim == nil {
			return nil
		}
		s.evict(victim)
	}
	last := len(s.free) - 1
	p := &span{id: s.free[last], leaf: &s.tree.root}
	s.free = s.free[:last]
	return p
}

// oldest is the least recently used cached prefix other than except.
func (s *Scheduler) oldest(except *span) *span {
	var old *span
	for _, p := range s.cached {
		if p != except && (old == nil || p.used < old.used) {
			old = p
		}
	}
	return old
}

// evict takes p's id and cells; a copy of it stays where there is a store.
func (s *Scheduler) evict(p *span) {
	s.save(p)
	s.cached = slices.DeleteFunc(s.cached, func(c *span) bool { return c == p })
	s.release(p)
}

// reclaim frees cells of cached prefixes until n are unused, least recently used
// first and from the end of each, so that what prompts share most lasts longest.
func (s *Scheduler) reclaim(n int) bool {
	for s.unused() < n {
		p := s.oldest(nil)
		if p == nil {
			return false
		}
		own := s.tree.own(p)
		if left := p.n - (n - s.unused()); own > 0 && left >= minShare && p.n-left <= own {
			s.save(p)
			s.cut(p, left)
			continue
		}
		s.evict(p)
	}
	return true
}

// preemptYoungest takes the cells of a sequence, a parked one if there is any, and
// queues it in front. It returns false when only one is left to run.
func (s *Scheduler) preemptYoungest() bool {
	victim, active := -1, 0
	for i, q := range s.running {
		if !q.parked {
			active++
		}
		if victim < 0 || q.parked || !s.running[victim].parked {
			victim = i
		}
	}
	if victim < 0 || (active == 1 && !s.running[victim].parked) {
		return false
	}
	s.preemptAt(victim)
	return true
}

func (s *Scheduler) preemptParked() bool {
	i := slices.IndexFunc(s.running, func(q *Seq) bool { return q.parked })
	if i >= 0 {
		s.preemptAt(i)
	}
	return i >= 0
}

func (s *Scheduler) preemptAt(victim int) {
	q := s.running[victim]
	s.running = slices.Delete(s.running, victim, victim+1)
	s.waiting = slices.Insert(s.waiting, 0, q)
	s.retire(q.span)
	q.span, q.again = nil, true
	s.preempt++
}
