package sched

import "slices"

// tree mirrors which cells spans share: each node is a run of cells, and a span is
// the path from the root to its leaf. Two kids of a node may begin with the same
// token where two sequences computed it at the same time.
type tree struct {
	root  node
	cells int // sum of all runs
}

type node struct {
	parent *node
	kids   []*node
	ends   []*span // the spans whose path ends here; not kept for the root
	run    []Token
}

// tokens collects the path from the root.
func (p *span) tokens() []Token {
	var runs [][]Token
	for n := p.leaf; n != nil; n = n.parent {
		runs = append(runs, n.run)
	}
	slices.Reverse(runs)
	return slices.Concat(runs...)
}

// under reports whether n is on or below top.
func (n *node) under(top *node) bool {
	for ; n != nil; n = n.parent {
		if n == top {
			return true
		}
	}
	return false
}

// anySpan is a span that runs through n.
func (n *node) anySpan() *span {
	for len(n.ends) == 0 {
		n = n.kids[0]
	}
	return n.ends[0]
}

// extend puts tokens at the end of p, in cells of its own.
func (t *tree) extend(p *span, tokens []Token) {
	if len(tokens) == 0 {
		return
	}
	leaf := p.leaf
	if leaf == &t.root || len(leaf.kids) > 0 || len(leaf.ends) > 1 {
		leaf.leave(p)
		kid := &node{parent: leaf, ends: []*span{p}}
		leaf.kids = append(leaf.kids, kid)
		p.leaf = kid
	}
	p.leaf.run = append(p.leaf.run, tokens...)
	p.n += len(tokens)
	t.cells += len(tokens)
}

// share makes the empty span p the first n tokens of from.
func (t *tree) share(p, from *span, n int) {
	p.leaf = t.at(from, n)
	p.leaf.ends = append(p.leaf.ends, p)
	p.n = n
}

// at returns the node that ends at position n of p, splitting one if need be.
func (t *tree) at(p *span, n int) *node {
	end, nd := p.n, p.leaf
	for end-len(nd.run) >= n && nd != &t.root {
		end -= len(nd.run)
		nd = nd.parent
	}
	if n == end {
		return nd
	}
	split := len(nd.run) - (end - n)
	upper := &node{parent: nd.parent, kids: []*node{nd}, run: slices.Clone(nd.run[:split])}
	nd.parent.kids[slices.Index(nd.parent.kids, nd)] = upper
	nd.parent = upper
	nd.run = slices.Clone(nd.run[split:])
	return upper
}

// cut shortens p to its first n tokens and drops the cells that no span has then.
func (t *tree) cut(p *span, n int) {
	old, nd := p.leaf, t.at(p, n)
	old.leave(p)
	p.leaf, p.n = nd, n
	if n > 0 {
		nd.ends = append(nd.ends, p)
	}
	for old != &t.root && len(old.kids) == 0 && len(old.ends) == 0 {
		t.cells -= len(old.run)
		up := old.parent
		up.kids = slices.DeleteFunc(up.kids, func(k *node) bool { return k == old })
		old = up
	}
	t.merge(old)
}

// merge joins nd with its kid where nothing but the kid is left of it.
func (t *tree) merge(nd *node) {
	if nd == &t.root || len(nd.kids) != 1 || len(nd.ends) > 0 {
		return
	}
	kid := nd.kids[0]
	kid.run = append(nd.run, kid.run...)
	kid.parent = nd.parent
	nd.parent.kids[slices.Index(nd.parent.kids, nd)] = kid
}

func (n *node) leave(p *span) {
	n.ends = slices.DeleteFunc(n.ends, func(e *span) bool { return e == p })
}

// own is how many cells at the end of p no other span has.
func (t *tree) own(p *span) int {
	n, nd, from := 0, p.leaf, (*node)(nil)
	for nd != &t.root {
		for _, e := range nd.ends {
			if e != p {
				return n
			}
		}
		for _, k := range nd.kids {
			if k != from {
				return n
			}
		}
		n, nd, from = n+len(nd.run), nd.parent, nd
	}
	return n
}

// match finds the longest run of tokens from the start that is in cells, and a span
// that has it.
func (t *tree) match(tokens []Token) (*span, int) {
	nd, n := t.root.match(tokens)
	if n == 0 {
		return nil, 0
	}
	return nd.anySpan(), n
}

func (n *node) match(tokens []Token) (*node, int) {
	best, length := n, 0
	for _, k := range n.kids {
		l := common(k.run, tokens)
		if l == 0 {
			continue
		}
		nd := k
		if l == len(k.run) {
			var more int
			nd, more = k.match(tokens[l:])
			l += more
		}
		if l > length {
			best, length = nd, l
		}
	}
	return best, length
}

// common is the length of the longest common prefix.
func common(a, b []Token) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}
