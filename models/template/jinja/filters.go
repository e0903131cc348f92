package jinja

import (
	"maps"
	"math"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"
)

// filterFunc computes v|name(a).
type filterFunc func(r *run, line int, v any, a args) any

// filters are filled in init, since some of them look up others.
var filters = map[string]filterFunc{}

func init() {
	maps.Copy(filters, valueFilters)
	maps.Copy(filters, listFilters)
}

// valueFilters are the filters of texts, numbers and single values.
var valueFilters = map[string]filterFunc{
	"default": filterDefault, "d": filterDefault,
	"tojson": filterJSON,
	"length": filterLength, "count": filterLength,
	"trim":       viaMethod("strip"),
	"upper":      viaMethod("upper"),
	"lower":      viaMethod("lower"),
	"title":      textFilter(filterTitle),
	"capitalize": viaMethod("capitalize"),
	"string":     textFilter(func(s string) string { return s }),
	"safe":       textFilter(func(s string) string { return s }),
	"escape":     textFilter(escape), "e": textFilter(escape), "forceescape": textFilter(escape),
	"urlencode": textFilter(func(s string) string {
		return strings.ReplaceAll(strings.ReplaceAll(url.QueryEscape(s), "+", "%20"), "%2F", "/")
	}),
	"wordcount": func(r *run, _ int, v any, _ args) any { return len(strings.FieldsFunc(r.str(v), isSpace)) },
	"replace":   filterReplace,
	"indent":    filterIndent,
	"center": func(r *run, line int, v any, a args) any {
		width := intArg(line, "center", or(a.bind(line, "center", "width")[0], 80))
		return stringMethods["center"](r, line, r.str(v), args{pos: []any{width}})
	},
	"truncate": filterTruncate,
	"format":   func(r *run, line int, v any, a args) any { return r.format(line, r.str(v), a.pos) },
	"int":      filterInt,
	"float": func(r *run, line int, v any, a args) any {
		if f, ok := toFloat(v); ok {
			return f
		}
		return or(a.bind(line, "float", "default")[0], 0.0)
	},
	"abs": func(_ *run, line int, v any, _ args) any {
		if i, ok := integer(v); ok {
			return abs(i)
		}
		f, ok := v.(float64)
		if !ok {
			fail(line, "abs needs a number, not %s", typeName(v))
		}
		return math.Abs(f)
	},
	"round": filterRound,
	"attr": func(r *run, line int, v any, a args) any {
		return r.attr(line, v, strArg(line, "attr", a.bind(line, "attr", "name")[0]))
	},
	"items": func(r *run, line int, v any, _ args) any {
		if isUndefined(v) {
			return List()
		}
		d, ok := v.(*Dict)
		if !ok {
			fail(line, "items needs a dict, not %s", typeName(v))
		}
		return r.pairs(d)
	},
}

func textFilter(fn func(string) string) filterFunc {
	return func(r *run, line int, v any, a args) any {
		s := r.str(v)
		r.alloc(len(s))
		out := fn(s)
		r.alloc(len(out))
		return out
	}
}

// viaMethod makes a filter of a method of strings.
func viaMethod(name string) filterFunc {
	return func(r *run, line int, v any, a args) any {
		s := r.str(v)
		r.alloc(len(s))
		return stringMethods[name](r, line, s, a)
	}
}

// filterTitle begins words with capitals; unlike str.title, apostrophes don't end
// a word.
func filterTitle(s string) string {
	start := true
	return strings.Map(func(c rune) rune {
		first := start
		start = isSpace(c) || strings.ContainsRune("-([{<", c)
		if first {
			return []rune(strings.ToUpper(string(c)))[0]
		}
		return []rune(strings.ToLower(string(c)))[0]
	}, s)
}

func escape(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&#34;", "'", "&#39;").Replace(s)
}

func filterDefault(r *run, line int, v any, a args) any {
	b := a.bind(line, "default", "default_value", "boolean")
	if isUndefined(v) || truth(or(b[1], false)) && !truth(v) {
		return or(b[0], "")
	}
	return v
}

func filterLength(r *run, line int, v any, _ args) any {
	switch v := v.(type) {
	case string:
		r.step(len(v) / 64)
		return utf8.RuneCountInString(v)
	case *list:
		return len(v.items)
	case *Dict:
		return len(v.keys)
	case undefined:
		return 0
	}
	fail(line, "%s has no length", typeName(v))
	return nil
}

func filterJSON(r *run, line int, v any, a args) any {
	b := a.bind(line, "tojson", "indent", "ensure_ascii", "separators", "sort_keys")
	if len(a.pos) > 0 { // transformers' first positional parameter is ensure_ascii
		b = args{pos: a.pos, names: a.names, values: a.values}.bind(line, "tojson", "ensure_ascii", "indent", "separators", "sort_keys")
		b[0], b[1] = b[1], b[0]
	}
	style := &jsonStyle{comma: ", ", colon: ": ", ascii: truth(or(b[1], false)), sortedKeys: truth(or(b[3], false))}
	switch indent := or(b[0], nil).(type) {
	case nil:
	case string:
		style.indent, style.pretty, style.comma = indent, true, ","
	default:
		style.indent = r.pad(" ", intArg(line, "tojson", indent))
		style.pretty, style.comma = true, ","
	}
	if l, ok := or(b[2], nil).(*list); ok && len(l.items) == 2 {
		style.comma, style.colon = r.str(l.items[0]), r.str(l.items[1])
	}
	var out strings.Builder
	r.writeJSON(&out, line, v, style, "")
	return out.String()
}

func filterReplace(r *run, line int, v any, a args) any {
	b := a.bind(line, "replace", "old", "new", "count")
	n := or(b[2], nil)
	if n == nil {
		n = -1
	}
	return r.replace(r.str(v), r.str(b[0]), r.str(b[1]), intArg(line, "replace", n))
}

func filterIndent(r *run, line int, v any, a args) any {
	b := a.bind(line, "indent", "width", "first", "blank")
	prefix, ok := or(b[0], 4).(string)
	if !ok {
		prefix = r.pad(" ", intArg(line, "indent", or(b[0], 4)))
	}
	lines := strings.Split(r.str(v), "\n")
	r.allocTimes(len(prefix)+1, len(lines))
	for i, text := range lines {
		if (i > 0 || truth(or(b[1], false))) && (text != "" || truth(or(b[2], false))) {
			lines[i] = prefix + text
		}
	}
	return strings.Join(lines, "\n")
}

func filterTruncate(r *run, line int, v any, a args) any {
	b := a.bind(line, "truncate", "length", "killwords", "end", "leeway")
	s := []rune(r.str(v))
	length, end := intArg(line, "truncate", or(b[0], 255)), strArg(line, "truncate", or(b[2], "..."))
	if len(s) <= length+intArg(line, "truncate", or(b[3], 5)) {
		return string(s)
	}
	kept := string(s[:max(0, min(len(s), length-utf8.RuneCountInString(end)))])
	if !truth(or(b[1], false)) {
		if i := strings.LastIndexByte(kept, ' '); i >= 0 {
			kept = kept[:i]
		}
	}
	r.alloc(len(kept))
	return kept + end
}

func toFloat(v any) (float64, bool) {
	if f, ok := number(v); ok {
		return f, true
	}
	s, ok := v.(string)
	if !ok {
		return 0, false
	}
	f, err := strconv.ParseFloat(strings.TrimFunc(s, isSpace), 64)
	return f, err == nil
}

func filterInt(r *run, line int, v any, a args) any {
	b := a.bind(line, "int", "default", "base")
	if i, ok := integer(v); ok {
		return i
	}
	if s, ok := v.(string); ok {
		if i, err := strconv.ParseInt(strings.TrimFunc(s, isSpace), intArg(line, "int", or(b[1], 10)), 64); err == nil {
			return int(i)
		}
	}
	if f, ok := toFloat(v); ok && math.Abs(f) < 1<<62 {
		return int(f)
	}
	return or(b[0], 0)
}

func filterRound(r *run, line int, v any, a args) any {
	b := a.bind(line, "round", "precision", "method")
	f, ok := number(v)
	if !ok {
		fail(line, "round needs a number, not %s", typeName(v))
	}
	digits := intArg(line, "round", or(b[0], 0))
	scale := math.Pow(10, float64(digits))
	switch method := r.str(or(b[1], "common")); {
	case method == "ceil":
		return math.Ceil(f*scale) / scale
	case method == "floor":
		return math.Floor(f*scale) / scale
	case digits < 0:
		return math.RoundToEven(f*scale) / scale
	}
	rounded, _ := strconv.ParseFloat(strconv.FormatFloat(f, 'f', min(digits, maxWidth), 64), 64)
	return rounded
}
