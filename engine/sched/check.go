package sched

import (
	"fmt"
	"slices"
)

// Check returns an error for the first invariant that doesn't hold. It is for
// tests: it visits every token.
func (s *Scheduler) Check() error {
	ids := make(map[ID]bool)
	claim := func(id ID) error {
		if id < 0 || int(id) >= s.cfg.IDs || ids[id] {
			return fmt.Errorf("sched: id %d is out of range or used twice", id)
		}
		ids[id] = true
		return nil
	}
	spans := slices.Clone(s.cached)
	for _, q := range s.running {
		if q.span == nil || q.span.seq != q {
			return fmt.Errorf("sched: a running sequence of %d tokens doesn't own its cells", len(q.tokens))
		}
		if q.span.n > len(q.tokens) || !slices.Equal(q.span.tokens(), q.tokens[:q.span.n]) {
			return fmt.Errorf("sched: the cells of sequence id %d are not its tokens", q.span.id)
		}
		spans = append(spans, q.span)
	}
	if !s.cfg.Plain && len(s.cached) > 0 {
		return fmt.Errorf("sched: %d prefixes are cached in cells, where they can't be used", len(s.cached))
	}
	for _, q := range s.waiting {
		if q.span != nil {
			return fmt.Errorf("sched: a waiting sequence holds id %d", q.span.id)
		}
		if len(q.draft) > 0 {
			return fmt.Errorf("sched: a waiting sequence has a draft of %d tokens", len(q.draft))
		}
	}
	for _, p := range spans {
		if err := claim(p.id); err != nil {
			return err
		}
	}
	for _, id := range s.free {
		if err := claim(id); err != nil {
			return err
		}
	}
	if len(ids) != s.cfg.IDs {
		return fmt.Errorf("sched: %d of %d ids are accounted for", len(ids), s.cfg.IDs)
	}
	if err := s.checkStore(); err != nil {
		return err
	}
	return s.checkTree(spans)
}

func (s *Scheduler) checkStore() error {
	var bytes int64
	for i, c := range s.store.copies {
		bytes += c.bytes
		for _, other := range s.store.copies[:i] {
			if c.key == other.key {
				return fmt.Errorf("sched: two copies have the key %d", c.key)
			}
		}
	}
	if c := s.store.fetch; c != nil && (c.bytes > 0 || !slices.Contains(s.store.copies, c)) {
		return fmt.Errorf("sched: the copy %d is fetched, and isn't elsewhere", c.key)
	}
	if bytes != s.store.bytes || bytes > s.cfg.Store {
		return fmt.Errorf("sched: copies of %d bytes, %d counted, %d allowed", bytes, s.store.bytes, s.cfg.Store)
	}
	return nil
}

func (s *Scheduler) checkTree(spans []*span) error {
	ends := make(map[*span]*node)
	cells := 0
	var walk func(n *node) error
	walk = func(n *node) error {
		cells += len(n.run)
		if n != &s.tree.root && (len(n.run) == 0 || len(n.kids)+len(n.ends) == 0) {
			return fmt.Errorf("sched: a node of %d cells serves no span", len(n.run))
		}
		for _, p := range n.ends {
			ends[p] = n
		}
		for _, k := range n.kids {
			if k.parent != n {
				return fmt.Errorf("sched: a node's parent isn't")
			}
			if err := walk(k); err != nil {
				return err
			}
		}
		return nil
	}
	if err := walk(&s.tree.root); err != nil {
		return err
	}
	if cells != s.tree.cells || cells > s.cfg.Cells {
		return fmt.Errorf("sched: %d cells in the tree, %d counted, %d there are", cells, s.tree.cells, s.cfg.Cells)
	}
	for _, p := range spans {
		if p.n != len(p.tokens()) || p.n > 0 && ends[p] != p.leaf {
			return fmt.Errorf("sched: id %d has %d tokens and a path of %d", p.id, p.n, len(p.tokens()))
		}
		delete(ends, p)
	}
	if len(ends) > 0 {
		return fmt.Errorf("sched: %d spans in the tree belong to nobody", len(ends))
	}
	return nil
}
