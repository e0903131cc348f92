package jinja

import (
	"math"
	"math/bits"
	"strings"
	"unicode/utf8"
)

func (r *run) unary(line int, op string, x any) any {
	if op == "not" {
		return !truth(x)
	}
	if i, ok := integer(x); ok {
		if op == "-" {
			if i == math.MinInt {
				fail(line, "integer overflow")
			}
			return -i
		}
		return i
	}
	f, ok := x.(float64)
	if !ok {
		fail(line, "the sign %s cannot be put before %s", op, typeName(x))
	}
	if op == "-" {
		return -f
	}
	return f
}

func (r *run) binary(line int, op string, x, y any) any {
	if op == "~" {
		a, b := r.str(x), r.str(y)
		r.alloc(len(a) + len(b))
		return a + b
	}
	for _, v := range []any{x, y} {
		if u, ok := v.(undefined); ok {
			fail(line, "%s", u.what)
		}
	}
	if i, ok := integer(x); ok {
		if j, ok := integer(y); ok {
			return r.integers(line, op, i, j)
		}
	}
	if a, ok := number(x); ok {
		if b, ok := number(y); ok {
			return r.floats(line, op, a, b)
		}
	}
	if v, ok := r.sequences(line, op, x, y); ok {
		return v
	}
	fail(line, "%s %s %s is not possible", typeName(x), op, typeName(y))
	return nil
}

func (r *run) integers(line int, op string, i, j int) any {
	overflow := false
	var v int
	switch op {
	case "+":
		v = i + j
		overflow = (v > i) != (j > 0) && j != 0
	case "-":
		v = i - j
		overflow = (v < i) != (j > 0) && j != 0
	case "*":
		v = i * j
		hi, lo := bits.Mul64(uint64(abs(i)), uint64(abs(j)))
		overflow = hi != 0 || lo > math.MaxInt64
	case "**":
		f := math.Pow(float64(i), float64(j))
		if j < 0 || math.Abs(f) >= 1<<53 {
			return r.floats(line, op, float64(i), float64(j))
		}
		v = int(f)
	case "/":
		return r.floats(line, op, float64(i), float64(j))
	default: // // and %
		if j == 0 {
			fail(line, "division by zero")
		}
		q, m := i/j, i%j
		if m != 0 && (m < 0) != (j < 0) {
			q, m = q-1, m+j
		}
		if op == "//" {
			return q
		}
		return m
	}
	if overflow {
		fail(line, "integer overflow")
	}
	return v
}

func abs(i int) int {
	if i < 0 {
		return -i
	}
	return i
}

func (r *run) floats(line int, op string, a, b float64) any {
	switch op {
	case "+":
		return a + b
	case "-":
		return a - b
	case "*":
		return a * b
	case "**":
		return math.Pow(a, b)
	}
	if b == 0 {
		fail(line, "division by zero")
	}
	switch op {
	case "/":
		return a / b
	case "//":
		return math.Floor(a / b)
	default:
		m := math.Mod(a, b)
		if m != 0 && (m < 0) != (b < 0) {
			m += b
		}
		return m
	}
}

// sequences does text + text, list + list, either * int, and text % values.
func (r *run) sequences(line int, op string, x, y any) (any, bool) {
	switch op {
	case "+":
		if a, ok := x.(string); ok {
			if b, ok := y.(string); ok {
				r.alloc(len(a) + len(b))
				return a + b, true
			}
		}
		if a, ok := x.(*list); ok {
			if b, ok := y.(*list); ok && a.tuple == b.tuple {
				r.alloc(16 * (len(a.items) + len(b.items)))
				return &list{append(append([]any{}, a.items...), b.items...), a.tuple}, true
			}
		}
	case "*":
		if _, ok := integer(x); ok {
			x, y = y, x
		}
		if n, ok := integer(y); ok {
			return r.repeat(x, max(n, 0))
		}
	case "%":
		if s, ok := x.(string); ok {
			values := []any{y}
			if l, ok := y.(*list); ok && l.tuple {
				values = l.items
			}
			return r.format(line, s, values), true
		}
	}
	return nil, false
}

func (r *run) repeat(x any, n int) (any, bool) {
	switch x := x.(type) {
	case string:
		r.allocTimes(len(x), n)
		return strings.Repeat(x, n), true
	case *list:
		r.allocTimes(16*len(x.items), n)
		var items []any
		for range n {
			items = append(items, x.items...)
		}
		return &list{items, x.tuple}, true
	}
	return nil, false
}

// allocTimes counts n pieces of size bytes.
func (r *run) allocTimes(size, n int) {
	hi, lo := bits.Mul64(uint64(size), uint64(n))
	if hi != 0 || lo > uint64(r.bytes) {
		fail(r.line, "the template makes too much text")
	}
	r.alloc(int(lo))
}

// holds decides a comparison.
func (r *run) holds(line int, op string, x, y any) bool {
	switch op {
	case "==":
		return r.equal(x, y)
	case "!=":
		return !r.equal(x, y)
	case "in":
		return r.contains(line, y, x)
	case "not in":
		return !r.contains(line, y, x)
	case "<":
		return r.compare(line, x, y) < 0
	case ">":
		return r.compare(line, x, y) > 0
	case "<=":
		return r.compare(line, x, y) <= 0
	default:
		return r.compare(line, x, y) >= 0
	}
}

// compare orders x and y: negative, 0, positive.
func (r *run) compare(line int, x, y any) int {
	r.step(1)
	if a, ok := number(x); ok {
		if b, ok := number(y); ok {
			switch {
			case a < b:
				return -1
			case a > b:
				return 1
			}
			return 0
		}
	}
	if a, ok := x.(string); ok {
		if b, ok := y.(string); ok {
			r.step(min(len(a), len(b)) / 64)
			return strings.Compare(a, b)
		}
	}
	if a, ok := x.(*list); ok {
		if b, ok := y.(*list); ok && a.tuple == b.tuple {
			for i := range min(len(a.items), len(b.items)) {
				if !r.equal(a.items[i], b.items[i]) {
					return r.compare(line, a.items[i], b.items[i])
				}
			}
			return len(a.items) - len(b.items)
		}
	}
	fail(line, "%s and %s have no order", typeName(x), typeName(y))
	return 0
}

// contains is x in of.
func (r *run) contains(line int, of, x any) bool {
	switch of := of.(type) {
	case string:
		s, ok := x.(string)
		if !ok {
			fail(line, "%s cannot be in a str", typeName(x))
		}
		r.step(len(of) / 64)
		return strings.Contains(of, s)
	case *Dict:
		if !hashable(x) {
			fail(line, "%s cannot be a key of a dict", typeName(x))
		}
		_, ok := of.Get(x)
		return ok
	case *list:
		for _, item := range of.items {
			if r.equal(item, x) {
				return true
			}
		}
		return false
	case undefined:
		return false
	}
	fail(line, "%s holds no items", typeName(of))
	return false
}

// iterate gives what a for loop over v goes through.
func (r *run) iterate(line int, v any) []any {
	switch v := v.(type) {
	case undefined:
		return nil
	case *list:
		r.step(len(v.items))
		return v.items
	case *Dict:
		r.step(len(v.keys))
		return v.keys
	case string:
		r.allocTimes(16, len(v))
		items := make([]any, 0, len(v))
		for _, c := range v {
			items = append(items, string(c))
		}
		return items
	}
	fail(line, "%s cannot be iterated over", typeName(v))
	return nil
}

// char is s[i] by characters.
func (r *run) char(s string, i int) any {
	r.step(len(s) / 64)
	if i < 0 {
		i += utf8.RuneCountInString(s)
	}
	if i >= 0 {
		for _, c := range s {
			if i == 0 {
				return string(c)
			}
			i--
		}
	}
	return undefined{"the index is out of range"}
}

func (r *run) slice(e *sliceExpr, s *scope) any {
	x := r.eval(e.of, s)
	parts := [3]*int{}
	for i, p := range []expr{e.lo, e.hi, e.step} {
		if p == nil {
			continue
		}
		v := r.eval(p, s)
		if n, ok := integer(v); ok {
			parts[i] = &n
		} else if v != nil {
			fail(e.at(), "a slice needs integers, not %s", typeName(v))
		}
	}
	switch x := x.(type) {
	case string:
		runes := []rune(x)
		r.alloc(4 * len(runes))
		return string(cut(e.at(), runes, parts))
	case *list:
		r.alloc(16 * len(x.items))
		return &list{cut(e.at(), x.items, parts), x.tuple}
	case undefined:
		fail(e.at(), "%s, so it cannot be sliced", x.what)
	}
	fail(e.at(), "%s cannot be sliced", typeName(x))
	return nil
}

// cut is items[lo:hi:step] with Python's rules.
func cut[T any](line int, items []T, parts [3]*int) []T {
	n, step := len(items), 1
	if parts[2] != nil {
		step = *parts[2]
	}
	if step == 0 {
		fail(line, "the step of a slice is 0")
	}
	low, high := 0, n // where bounds are clamped to
	if step < 0 {
		low, high = -1, n-1
	}
	bound := func(p *int, def int) int {
		if p == nil {
			return def
		}
		i := *p
		if i < 0 {
			i = max(i, -n-1) + n
		}
		return min(max(i, low), high)
	}
	lo, hi := bound(parts[0], low), bound(parts[1], high)
	if step < 0 {
		lo, hi = bound(parts[0], high), bound(parts[1], low)
	}
	var out []T
	if step > 0 {
		for i := lo; i < hi; i += min(step, n+1) {
			out = append(out, items[i])
		}
		return out
	}
	for i := lo; i > hi; i += max(step, -n-1) {
		out = append(out, items[i])
	}
	return out
}
