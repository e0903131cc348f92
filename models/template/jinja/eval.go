package jinja

import "fmt"

// eval computes an expression.
func (r *run) eval(e expr, s *scope) any {
	r.down()
	defer r.up()
	r.step(1)
	r.line = e.at()
	switch e := e.(type) {
	case *constExpr:
		return e.value
	case *nameExpr:
		if v, ok := r.lookup(s, e.name); ok {
			return v
		}
		return undefined{quote(e.name) + " is undefined"}
	case *seqExpr:
		return &list{items: r.evalAll(e.items, s), tuple: e.tuple}
	case *dictExpr:
		return r.dict(e, s)
	case *attrExpr:
		return r.attr(e.at(), r.eval(e.of, s), e.name)
	case *itemExpr:
		of := r.eval(e.of, s)
		return r.item(e.at(), of, r.eval(e.index, s))
	case *sliceExpr:
		return r.slice(e, s)
	case *callExpr:
		return r.callWith(e, s, nil, nil)
	case *filterExpr:
		return r.filterOne(e.call, r.eval(e.of, s), s)
	case *testExpr:
		return r.test(e, s)
	case *unaryExpr:
		return r.unary(e.at(), e.op, r.eval(e.x, s))
	case *binaryExpr:
		return r.evalBinary(e, s)
	case *compareExpr:
		return r.evalCompare(e, s)
	case *condExpr:
		if truth(r.eval(e.cond, s)) {
			return r.eval(e.then, s)
		}
		if e.orElse == nil {
			return undefined{"the condition was false and there is no else"}
		}
		return r.eval(e.orElse, s)
	}
	panic(fmt.Sprintf("expression %T", e))
}

func (r *run) evalAll(es []expr, s *scope) []any {
	r.alloc(16 * len(es))
	values := make([]any, len(es))
	for i, e := range es {
		values[i] = r.eval(e, s)
	}
	return values
}

func (r *run) dict(e *dictExpr, s *scope) any {
	d := NewDict()
	r.alloc(64 * len(e.keys))
	for i, key := range e.keys {
		k := r.eval(key, s)
		if !hashable(k) {
			fail(e.at(), "%s cannot be a key of a dict", typeName(k))
		}
		d.Set(k, r.eval(e.values[i], s))
	}
	return d
}

func (r *run) evalBinary(e *binaryExpr, s *scope) any {
	x := r.eval(e.x, s)
	switch {
	case e.op == "and" && !truth(x), e.op == "or" && truth(x):
		return x
	}
	y := r.eval(e.y, s)
	if e.op == "and" || e.op == "or" {
		return y
	}
	return r.binary(e.at(), e.op, x, y)
}

func (r *run) evalCompare(e *compareExpr, s *scope) any {
	x := r.eval(e.x, s)
	for i, op := range e.ops {
		y := r.eval(e.rest[i], s)
		if !r.holds(e.at(), op, x, y) {
			return false
		}
		x = y
	}
	return true
}

func (r *run) evalArgs(line int, l *argList, s *scope) args {
	a := args{pos: r.evalAll(l.pos, s), names: l.names[:len(l.names):len(l.names)], values: r.evalAll(l.values, s)}
	if l.list != nil {
		a.pos = append(a.pos, r.iterate(line, r.eval(l.list, s))...)
	}
	if l.kw != nil {
		d, ok := r.eval(l.kw, s).(*Dict)
		if !ok {
			fail(line, "what follows ** must be a dict")
		}
		for i, key := range d.keys {
			a.names = append(a.names, r.str(key))
			a.values = append(a.values, d.values[i])
		}
	}
	return a
}

// callWith calls e's function with additional keyword arguments.
func (r *run) callWith(e *callExpr, s *scope, names []string, values []any) any {
	fn := r.eval(e.fn, s)
	a := r.evalArgs(e.at(), &e.args, s)
	a.names = append(a.names, names...)
	a.values = append(a.values, values...)
	r.line = e.at()
	return r.call(e.at(), fn, a)
}

func (r *run) call(line int, fn any, a args) any {
	switch fn := fn.(type) {
	case *callable:
		return fn.call(r, line, a)
	case *loopState:
		if fn.again != nil && len(a.pos) == 1 {
			return fn.again(line, a.pos[0])
		}
		fail(line, "the loop is not recursive")
	case undefined:
		fail(line, "%s, so it cannot be called", fn.what)
	}
	fail(line, "%s cannot be called", typeName(fn))
	return nil
}

func (r *run) filter(calls []filterCall, v any, s *scope) any {
	for _, c := range calls {
		v = r.filterOne(c, v, s)
	}
	return v
}

func (r *run) filterOne(c filterCall, v any, s *scope) any {
	fn, ok := filters[c.name]
	if !ok {
		fail(c.line, "there is no filter %q", c.name)
	}
	a := r.evalArgs(c.line, &c.args, s)
	r.line = c.line
	return fn(r, c.line, v, a)
}

func (r *run) test(e *testExpr, s *scope) any {
	v := r.eval(e.of, s)
	return r.testBy(e.at(), e.name, v, r.evalArgs(e.at(), &e.args, s))
}

func (r *run) testBy(line int, name string, v any, a args) bool {
	fn, ok := tests[name]
	if !ok {
		fail(line, "there is no test %q", name)
	}
	r.line = line
	return fn(r, line, v, a)
}

// attr is x.name: an attribute or method first, then an item.
func (r *run) attr(line int, x any, name string) any {
	switch x := x.(type) {
	case undefined:
		fail(line, "%s, so it has no attribute %q", x.what, name)
	case *Dict:
		if m := method(x, name); m != nil {
			return m
		}
		if v, ok := x.Get(name); ok {
			return v
		}
	case *namespace:
		if v, ok := x.attrs.Get(name); ok {
			return v
		}
	case *loopState:
		if v, ok := x.attr(r, name); ok {
			return v
		}
	default:
		if m := method(x, name); m != nil {
			return m
		}
	}
	return undefined{fmt.Sprintf("%s has no attribute %q", typeName(x), name)}
}

// item is x[key]: an item first, then an attribute.
func (r *run) item(line int, x, key any) any {
	switch x := x.(type) {
	case undefined:
		fail(line, "%s, so it has no items", x.what)
	case *Dict:
		if hashable(key) {
			if v, ok := x.Get(key); ok {
				return v
			}
		}
	case *list:
		if i, ok := integer(key); ok {
			if i < 0 {
				i += len(x.items)
			}
			if i >= 0 && i < len(x.items) {
				return x.items[i]
			}
		}
	case string:
		if i, ok := integer(key); ok {
			return r.char(x, i)
		}
	}
	name, ok := key.(string)
	if !ok {
		return undefined{fmt.Sprintf("%s has no item %s", typeName(x), r.str(key))}
	}
	if d, ok := x.(*Dict); ok {
		if m := method(d, name); m != nil {
			return m
		}
		return undefined{fmt.Sprintf("dict has no item %q", name)}
	}
	return r.attr(line, x, name)
}
