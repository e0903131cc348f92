package jinja

import (
	"math"
	"slices"
	"strconv"
	"strings"
)

// listFilters are the filters of sequences. What are generators in Jinja2 are
// lists here.
var listFilters = map[string]filterFunc{
	"list": func(r *run, line int, v any, _ args) any {
		return &list{items: slices.Clone(r.iterate(line, v))}
	},
	"first": func(r *run, line int, v any, _ args) any {
		if items := r.iterate(line, v); len(items) > 0 {
			return items[0]
		}
		return undefined{"there is no first item"}
	},
	"last": func(r *run, line int, v any, _ args) any {
		if items := r.iterate(line, v); len(items) > 0 {
			return items[len(items)-1]
		}
		return undefined{"there is no last item"}
	},
	"reverse": func(r *run, line int, v any, _ args) any {
		if s, ok := v.(string); ok {
			return string(cut(line, []rune(s), [3]*int{nil, nil, new(-1)}))
		}
		items := slices.Clone(r.iterate(line, v))
		slices.Reverse(items)
		return &list{items: items}
	},
	"join": func(r *run, line int, v any, a args) any {
		b := a.bind(line, "join", "d", "attribute")
		return r.join(r.mapped(line, r.iterate(line, v), or(b[1], nil), nil), r.str(or(b[0], "")))
	},
	"map":        filterMap,
	"select":     selector(true, false),
	"reject":     selector(false, false),
	"selectattr": selector(true, true),
	"rejectattr": selector(false, true),
	"sort":       filterSort,
	"dictsort":   filterDictSort,
	"unique":     filterUnique,
	"min":        extreme(-1),
	"max":        extreme(1),
	"sum": func(r *run, line int, v any, a args) any {
		b := a.bind(line, "sum", "attribute", "start")
		total := or(b[1], 0)
		for _, item := range r.mapped(line, r.iterate(line, v), or(b[0], nil), nil) {
			total = r.binary(line, "+", total, item)
		}
		return total
	},
	"batch":   filterBatch,
	"slice":   filterSlice,
	"groupby": filterGroupBy,
}

// path reads an attribute path such as "function.name" or 0 off an item.
func (r *run) path(line int, item, attribute any) any {
	name, ok := attribute.(string)
	if !ok {
		return r.item(line, item, attribute)
	}
	for _, part := range strings.Split(name, ".") {
		if isUndefined(item) {
			return item
		}
		if i, err := strconv.Atoi(part); err == nil {
			item = r.item(line, item, i)
			continue
		}
		item = r.item(line, item, part)
	}
	return item
}

// mapped replaces items by one of their attributes, if there is one to take.
func (r *run) mapped(line int, items []any, attribute, def any) []any {
	if attribute == nil {
		return items
	}
	out := make([]any, len(items))
	for i, item := range items {
		out[i] = r.path(line, item, attribute)
		if isUndefined(out[i]) && def != nil {
			out[i] = def
		}
	}
	return out
}

func filterMap(r *run, line int, v any, a args) any {
	items := r.iterate(line, v)
	if len(a.pos) == 0 {
		b := a.bind(line, "map", "attribute", "default")
		return &list{items: r.mapped(line, items, or(b[0], nil), or(b[1], nil))}
	}
	name := strArg(line, "map", a.pos[0])
	fn, ok := filters[name]
	if !ok {
		fail(line, "there is no filter %q", name)
	}
	a.pos = a.pos[1:]
	out := &list{items: make([]any, len(items))}
	for i, item := range items {
		out.items[i] = fn(r, line, item, a)
	}
	return out
}

// selector makes select, reject and their forms with an attribute.
func selector(keep, attr bool) filterFunc {
	return func(r *run, line int, v any, a args) any {
		var attribute any
		if attr {
			if len(a.pos) == 0 {
				fail(line, "the attribute is missing")
			}
			attribute, a.pos = a.pos[0], a.pos[1:]
		}
		test := func(v any) bool { return truth(v) }
		if len(a.pos) > 0 {
			name := strArg(line, "select", a.pos[0])
			rest := args{pos: a.pos[1:], names: a.names, values: a.values}
			test = func(v any) bool { return r.testBy(line, name, v, rest) }
		}
		out := &list{items: []any{}}
		for _, item := range r.iterate(line, v) {
			subject := item
			if attr {
				subject = r.path(line, item, attribute)
			}
			if test(subject) == keep {
				out.items = append(out.items, item)
			}
		}
		return out
	}
}

// folded is v without case unless the case counts.
func folded(v any, caseSensitive bool) any {
	if s, ok := v.(string); ok && !caseSensitive {
		return strings.ToLower(s)
	}
	return v
}

// ordered sorts items by what key makes of each.
func (r *run) ordered(line int, items []any, reverse bool, key func(any) any) []any {
	out := slices.Clone(items)
	slices.SortStableFunc(out, func(x, y any) int {
		c := r.compare(line, key(x), key(y))
		if reverse {
			return -c
		}
		return c
	})
	return out
}

func filterSort(r *run, line int, v any, a args) any {
	b := a.bind(line, "sort", "reverse", "case_sensitive", "attribute")
	sensitive, attribute := truth(or(b[1], false)), or(b[2], nil)
	return &list{items: r.ordered(line, r.iterate(line, v), truth(or(b[0], false)), func(x any) any {
		if attribute != nil {
			x = r.path(line, x, attribute)
		}
		return folded(x, sensitive)
	})}
}

func filterDictSort(r *run, line int, v any, a args) any {
	b := a.bind(line, "dictsort", "case_sensitive", "by", "reverse")
	d, ok := v.(*Dict)
	if !ok {
		fail(line, "dictsort needs a dict, not %s", typeName(v))
	}
	by := b2i(r.str(or(b[1], "key")) == "value")
	return &list{items: r.ordered(line, r.pairs(d).items, truth(or(b[2], false)), func(x any) any {
		return folded(x.(*list).items[by], truth(or(b[0], false)))
	})}
}

func filterUnique(r *run, line int, v any, a args) any {
	b := a.bind(line, "unique", "case_sensitive", "attribute")
	var seen []any
	out := &list{items: []any{}}
	items := r.iterate(line, v)
	for i, x := range r.mapped(line, items, or(b[1], nil), nil) {
		x = folded(x, truth(or(b[0], false)))
		if !slices.ContainsFunc(seen, func(y any) bool { return r.equal(x, y) }) {
			seen = append(seen, x)
			out.items = append(out.items, items[i])
		}
	}
	return out
}

// extreme makes min and max.
func extreme(sign int) filterFunc {
	return func(r *run, line int, v any, a args) any {
		b := a.bind(line, "min", "case_sensitive", "attribute")
		items := r.iterate(line, v)
		if len(items) == 0 {
			return undefined{"the sequence is empty"}
		}
		keys := r.mapped(line, items, or(b[1], nil), nil)
		best := 0
		for i := range items {
			sensitive := truth(or(b[0], false))
			if r.compare(line, folded(keys[i], sensitive), folded(keys[best], sensitive))*sign > 0 {
				best = i
			}
		}
		return items[best]
	}
}

func filterBatch(r *run, line int, v any, a args) any {
	b := a.bind(line, "batch", "linecount", "fill_with")
	n := intArg(line, "batch", b[0])
	if n < 1 {
		fail(line, "batch needs a positive size")
	}
	out := &list{items: []any{}}
	for chunk := range slices.Chunk(r.iterate(line, v), n) {
		chunk = slices.Clone(chunk)
		if fill := or(b[1], nil); fill != nil {
			r.allocTimes(16, n-len(chunk))
			for len(chunk) < n {
				chunk = append(chunk, fill)
			}
		}
		out.items = append(out.items, &list{items: chunk})
	}
	return out
}

func filterSlice(r *run, line int, v any, a args) any {
	b := a.bind(line, "slice", "slices", "fill_with")
	items, n := r.iterate(line, v), intArg(line, "slice", b[0])
	if n < 1 || n > math.MaxInt32 {
		fail(line, "slice needs a positive number")
	}
	r.allocTimes(64, n)
	out := &list{}
	size, longer := len(items)/n, len(items)%n
	for i := range n {
		chunk := slices.Clone(items[:size+b2i(i < longer)])
		items = items[len(chunk):]
		if fill := or(b[1], nil); fill != nil && longer > 0 && i >= longer {
			chunk = append(chunk, fill)
		}
		out.items = append(out.items, &list{items: chunk})
	}
	return out
}

func filterGroupBy(r *run, line int, v any, a args) any {
	b := a.bind(line, "groupby", "attribute", "default", "case_sensitive")
	key := func(x any) any {
		k := r.path(line, x, b[0])
		if isUndefined(k) {
			k = or(b[1], k)
		}
		return k
	}
	sensitive := truth(or(b[2], false))
	out := &list{items: []any{}}
	var members *list
	var last any
	for _, item := range r.ordered(line, r.iterate(line, v), false, func(x any) any { return folded(key(x), sensitive) }) {
		k := key(item)
		if members == nil || !r.equal(folded(k, sensitive), folded(last, sensitive)) {
			members, last = &list{}, k
			out.items = append(out.items, &list{[]any{k, members}, true})
		}
		members.items = append(members.items, item)
	}
	return out
}
