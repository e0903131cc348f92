package jinja

import (
	"slices"
	"strings"
)

// jump says how a block ended.
type jump byte

const (
	done jump = iota
	broke
	continued
)

// block runs statements and writes to out.
func (r *run) block(body []node, s *scope, out *strings.Builder) jump {
	r.down()
	defer r.up()
	for _, n := range body {
		r.step(1)
		if j := r.statement(n, s, out); j != done {
			return j
		}
	}
	return done
}

func (r *run) statement(n node, s *scope, out *strings.Builder) jump {
	switch n := n.(type) {
	case textNode:
		r.write(out, n.text)
	case printNode:
		r.line = n.line
		r.write(out, r.str(r.eval(n.expr, s)))
	case ifNode:
		for _, c := range n.cases {
			r.line = n.line
			if truth(r.eval(c.cond, s)) {
				return r.block(c.body, s, out)
			}
		}
		return r.block(n.orElse, s, out)
	case forNode:
		r.loop(&n, s, out)
	case setNode:
		r.line = n.line
		r.assign(n.target, r.setValue(&n, s), s)
	case *macroNode:
		s.set(n.name, r.macro(n, s))
	case callNode:
		r.line = n.line
		r.write(out, r.str(r.callWith(n.call, s, []string{"caller"}, []any{r.macro(n.macro, s)})))
	case filterNode:
		r.line = n.line
		r.write(out, r.str(r.filter(n.filters, r.capture(n.body, s.inner()), s)))
	case withNode:
		inner := s.inner()
		for i, target := range n.targets {
			r.assign(target, r.eval(n.values[i], s), inner)
		}
		return r.block(n.body, inner, out)
	case scopeNode:
		return r.block(n.body, s, out)
	case jumpNode:
		if n.next {
			return continued
		}
		return broke
	}
	return done
}

func (r *run) write(out *strings.Builder, text string) {
	r.alloc(len(text))
	out.WriteString(text)
}

// capture runs a block and returns what it writes.
func (r *run) capture(body []node, s *scope) string {
	var out strings.Builder
	r.block(body, s, &out)
	return out.String()
}

func (r *run) setValue(n *setNode, s *scope) any {
	if n.value != nil {
		return r.eval(n.value, s)
	}
	return r.filter(n.filters, r.capture(n.body, s.inner()), s)
}

func (r *run) assign(target expr, v any, s *scope) {
	switch t := target.(type) {
	case *nameExpr:
		s.set(t.name, v)
	case *attrExpr:
		ns, ok := r.eval(t.of, s).(*namespace)
		if !ok {
			fail(t.at(), "cannot assign to an attribute of anything but a namespace")
		}
		ns.attrs.Set(t.name, v)
	case *seqExpr:
		items := r.iterate(t.at(), v)
		if len(items) != len(t.items) {
			fail(t.at(), "cannot unpack %d values into %d names", len(items), len(t.items))
		}
		for i, item := range t.items {
			r.assign(item, items[i], s)
		}
	}
}

func (r *run) loop(n *forNode, s *scope, out *strings.Builder) {
	r.line = n.line
	r.loopOver(n, r.eval(n.iter, s), s, out, 0)
}

// loopOver runs the loop over v's items; depth counts recursive calls.
func (r *run) loopOver(n *forNode, v any, s *scope, out *strings.Builder, depth int) {
	items := r.iterate(n.line, v)
	if n.cond != nil {
		var kept []any
		for _, item := range items {
			inner := s.inner()
			r.assign(n.target, item, inner)
			if truth(r.eval(n.cond, inner)) {
				kept = append(kept, item)
			}
		}
		items = kept
	}
	if len(items) == 0 {
		r.block(n.orElse, s.inner(), out)
		return
	}
	state := &loopState{items: items, depth: depth}
	if n.recursive {
		state.again = func(line int, v any) any {
			var inner strings.Builder
			r.line = line
			r.loopOver(n, v, s, &inner, depth+1)
			return inner.String()
		}
	}
	for state.i = range items {
		r.step(2)
		inner := s.inner()
		inner.set("loop", state)
		r.assign(n.target, items[state.i], inner)
		if r.block(n.body, inner, out) == broke {
			return
		}
	}
}

// loopState is the variable loop.
type loopState struct {
	items   []any
	i       int
	depth   int
	again   func(line int, v any) any // of recursive loops
	changed any                       // what loop.changed saw last
}

func (l *loopState) attr(r *run, name string) (any, bool) {
	n := len(l.items)
	switch name {
	case "index":
		return l.i + 1, true
	case "index0":
		return l.i, true
	case "revindex":
		return n - l.i, true
	case "revindex0":
		return n - l.i - 1, true
	case "first":
		return l.i == 0, true
	case "last":
		return l.i == n-1, true
	case "length":
		return n, true
	case "depth":
		return l.depth + 1, true
	case "depth0":
		return l.depth, true
	case "previtem":
		if l.i == 0 {
			return undefined{"there is no previous item"}, true
		}
		return l.items[l.i-1], true
	case "nextitem":
		if l.i == n-1 {
			return undefined{"there is no next item"}, true
		}
		return l.items[l.i+1], true
	case "cycle":
		return &callable{"cycle", func(r *run, line int, a args) any {
			if len(a.pos) == 0 {
				fail(line, "loop.cycle needs values")
			}
			return a.pos[l.i%len(a.pos)]
		}}, true
	case "changed":
		return &callable{"changed", func(r *run, line int, a args) any {
			now := &list{items: a.pos, tuple: true}
			changed := l.changed == nil || !r.equal(l.changed, now)
			l.changed = now
			return changed
		}}, true
	}
	return nil, false
}

// macro makes a function of a macro defined in s.
func (r *run) macro(m *macroNode, s *scope) *callable {
	return &callable{m.name, func(r *run, line int, a args) any {
		inner := s.inner()
		bound := map[string]bool{}
		for i, v := range a.pos[:min(len(a.pos), len(m.params))] {
			inner.set(m.params[i], v)
			bound[m.params[i]] = true
		}
		rest, extra := a.pos[min(len(a.pos), len(m.params)):], NewDict()
		for i, name := range a.names {
			switch {
			case bound[name]:
				fail(line, "macro %q got the argument %q twice", m.name, name)
			case slices.Contains(m.params, name):
				inner.set(name, a.values[i])
				bound[name] = true
			case name == "caller" && m.catches:
				inner.set("caller", a.values[i])
			case m.catches:
				extra.Set(name, a.values[i])
			default:
				fail(line, "macro %q takes no argument %q", m.name, name)
			}
		}
		if len(rest) > 0 && !m.catches {
			fail(line, "macro %q takes at most %d arguments, %d were given", m.name, len(m.params), len(a.pos))
		}
		if m.catches {
			inner.set("varargs", &list{items: rest, tuple: true})
			inner.set("kwargs", extra)
		}
		r.defaults(m, bound, inner)
		return r.capture(m.body, inner)
	}}
}

// defaults sets the parameters of a macro that got no argument.
func (r *run) defaults(m *macroNode, bound map[string]bool, inner *scope) {
	first := len(m.params) - len(m.defaults)
	for i, name := range m.params {
		switch {
		case bound[name]:
		case i >= first:
			inner.set(name, r.eval(m.defaults[i-first], inner))
		default:
			inner.set(name, undefined{"the argument " + quote(name) + " was not given"})
		}
	}
}
