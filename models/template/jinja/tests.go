package jinja

import "strings"

// testFunc decides v is name(a).
type testFunc func(r *run, line int, v any, a args) bool

var tests map[string]testFunc

func init() { // in init, since some of the tests look up others
	tests = map[string]testFunc{
		"defined":   func(_ *run, _ int, v any, _ args) bool { return !isUndefined(v) },
		"undefined": func(_ *run, _ int, v any, _ args) bool { return isUndefined(v) },
		"none":      func(_ *run, _ int, v any, _ args) bool { return v == nil },
		"boolean":   func(_ *run, _ int, v any, _ args) bool { _, ok := v.(bool); return ok },
		"true":      func(_ *run, _ int, v any, _ args) bool { return v == true },
		"false":     func(_ *run, _ int, v any, _ args) bool { return v == false },
		"integer":   func(_ *run, _ int, v any, _ args) bool { _, ok := v.(int); return ok },
		"float":     func(_ *run, _ int, v any, _ args) bool { _, ok := v.(float64); return ok },
		"number":    func(_ *run, _ int, v any, _ args) bool { _, ok := number(v); return ok },
		"string":    func(_ *run, _ int, v any, _ args) bool { _, ok := v.(string); return ok },
		"mapping":   func(_ *run, _ int, v any, _ args) bool { _, ok := v.(*Dict); return ok },
		"sequence":  func(_ *run, _ int, v any, _ args) bool { return isIterable(v) },
		"iterable":  func(_ *run, _ int, v any, _ args) bool { return isIterable(v) },
		"callable": func(_ *run, _ int, v any, _ args) bool {
			_, ok := v.(*callable)
			return ok
		},
		"escaped": func(*run, int, any, args) bool { return false },
		"lower": func(r *run, _ int, v any, _ args) bool {
			s := r.str(v)
			return strings.ToLower(s) == s && strings.ToUpper(s) != s
		},
		"upper": func(r *run, _ int, v any, _ args) bool {
			s := r.str(v)
			return strings.ToUpper(s) == s && strings.ToLower(s) != s
		},
		"even": func(_ *run, line int, v any, _ args) bool { return intArg(line, "even", v)%2 == 0 },
		"odd":  func(_ *run, line int, v any, _ args) bool { return intArg(line, "odd", v)%2 != 0 },
		"divisibleby": func(r *run, line int, v any, a args) bool {
			n := intArg(line, "divisibleby", a.bind(line, "divisibleby", "num")[0])
			return r.integers(line, "%", intArg(line, "divisibleby", v), n) == 0
		},
		"sameas": func(r *run, line int, v any, a args) bool {
			other := a.bind(line, "sameas", "other")[0]
			return typeName(v) == typeName(other) && r.equal(v, other)
		},
		"filter": func(_ *run, _ int, v any, _ args) bool {
			name, _ := v.(string)
			return filters[name] != nil
		},
		"test": func(_ *run, _ int, v any, _ args) bool {
			name, _ := v.(string)
			return tests[name] != nil
		},
		"in": func(r *run, line int, v any, a args) bool {
			return r.contains(line, a.bind(line, "in", "seq")[0], v)
		},
	}
	for op, names := range map[string][]string{"==": {"eq", "equalto", "=="}, "!=": {"ne", "!="},
		"<": {"lt", "lessthan", "<"}, ">": {"gt", "greaterthan", ">"}, "<=": {"le", "<="}, ">=": {"ge", ">="}} {
		for _, name := range names {
			tests[name] = func(r *run, line int, v any, a args) bool {
				return r.holds(line, op, v, a.bind(line, name, "other")[0])
			}
		}
	}
}

func isUndefined(v any) bool { _, ok := v.(undefined); return ok }

func isIterable(v any) bool {
	switch v.(type) {
	case string, *list, *Dict, undefined:
		return true
	}
	return false
}
