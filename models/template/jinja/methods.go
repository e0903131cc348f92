package jinja

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// method gives x's method, bound to x, or nil.
func method(x any, name string) any {
	var fn func(r *run, line int, a args) any
	switch x := x.(type) {
	case string:
		if m := stringMethods[name]; m != nil {
			fn = func(r *run, line int, a args) any {
				r.alloc(len(x))
				return m(r, line, x, a)
			}
		}
	case *Dict:
		if m := dictMethods[name]; m != nil {
			fn = func(r *run, line int, a args) any { return m(r, line, x, a) }
		}
	case *list:
		if m := listMethods[name]; m != nil {
			fn = func(r *run, line int, a args) any { return m(r, line, x, a) }
		}
	}
	if fn == nil {
		return nil
	}
	return &callable{name, fn}
}

var listMethods = map[string]func(r *run, line int, l *list, a args) any{
	"count": func(r *run, line int, l *list, a args) any {
		n, x := 0, a.bind(line, "count", "value")[0]
		for _, item := range l.items {
			n += b2i(r.equal(item, x))
		}
		return n
	},
	"index": func(r *run, line int, l *list, a args) any {
		x := a.bind(line, "index", "value")[0]
		i := slices.IndexFunc(l.items, func(item any) bool { return r.equal(item, x) })
		if i < 0 {
			fail(line, "the value is not in the list")
		}
		return i
	},
}

var dictMethods = map[string]func(r *run, line int, d *Dict, a args) any{
	"get": func(r *run, line int, d *Dict, a args) any {
		b := a.bind(line, "get", "key", "default")
		if hashable(b[0]) {
			if v, ok := d.Get(b[0]); ok {
				return v
			}
		}
		return or(b[1], nil)
	},
	"keys": func(r *run, line int, d *Dict, a args) any {
		a.bind(line, "keys")
		return &list{items: d.keys}
	},
	"values": func(r *run, line int, d *Dict, a args) any {
		a.bind(line, "values")
		return &list{items: d.values}
	},
	"items": func(r *run, line int, d *Dict, a args) any {
		a.bind(line, "items")
		return r.pairs(d)
	},
	"copy": func(r *run, line int, d *Dict, a args) any { return d },
}

func (r *run) pairs(d *Dict) *list {
	r.alloc(64 * len(d.keys))
	l := &list{items: make([]any, len(d.keys))}
	for i, key := range d.keys {
		l.items[i] = &list{[]any{key, d.values[i]}, true}
	}
	return l
}

type stringMethod = func(r *run, line int, s string, a args) any

var stringMethods = map[string]stringMethod{
	"lower":      plain(strings.ToLower),
	"upper":      plain(strings.ToUpper),
	"casefold":   plain(strings.ToLower),
	"capitalize": plain(capitalize),
	"title":      plain(title),
	"swapcase": plain(func(s string) string {
		return strings.Map(func(c rune) rune {
			if unicode.IsUpper(c) {
				return unicode.ToLower(c)
			}
			return unicode.ToUpper(c)
		}, s)
	}),
	"strip":        stripper(strings.TrimFunc),
	"lstrip":       stripper(strings.TrimLeftFunc),
	"rstrip":       stripper(strings.TrimRightFunc),
	"startswith":   affix(strings.HasPrefix),
	"endswith":     affix(strings.HasSuffix),
	"removeprefix": cutter(strings.TrimPrefix),
	"removesuffix": cutter(strings.TrimSuffix),
	"find":         finder(strings.Index, false),
	"rfind":        finder(strings.LastIndex, false),
	"index":        finder(strings.Index, true),
	"rindex":       finder(strings.LastIndex, true),
	"isalpha":      every(unicode.IsLetter),
	"isdigit":      every(unicode.IsDigit),
	"isdecimal":    every(unicode.IsDigit),
	"isnumeric":    every(unicode.IsNumber),
	"isalnum":      every(func(c rune) bool { return unicode.IsLetter(c) || unicode.IsNumber(c) }),
	"isspace":      every(isSpace),
	"islower":      func(r *run, line int, s string, a args) any { return tests["lower"](r, line, s, a) },
	"isupper":      func(r *run, line int, s string, a args) any { return tests["upper"](r, line, s, a) },
	"split":        split,
	"rsplit":       rsplit,
	"splitlines":   splitlines,
	"partition":    partition(strings.Index, false),
	"rpartition":   partition(strings.LastIndex, true),
	"replace": func(r *run, line int, s string, a args) any {
		b := a.bind(line, "replace", "old", "new", "count")
		return r.replace(s, strArg(line, "replace", b[0]), strArg(line, "replace", b[1]), intArg(line, "replace", or(b[2], -1)))
	},
	"count": func(r *run, line int, s string, a args) any {
		return strings.Count(s, strArg(line, "count", a.bind(line, "count", "sub")[0]))
	},
	"join": func(r *run, line int, s string, a args) any {
		items := r.iterate(line, a.bind(line, "join", "items")[0])
		for _, item := range items {
			strArg(line, "join", item)
		}
		return r.join(items, s)
	},
	"format": func(r *run, line int, s string, a args) any { return r.formatFields(line, s, a) },
	"ljust":  padder(func(n, _ int) int { return 0 }),
	"rjust":  padder(func(n, _ int) int { return n }),
	"center": padder(func(n, width int) int { return n/2 + n&width&1 }),
	"zfill": func(r *run, line int, s string, a args) any {
		n := intArg(line, "zfill", a.bind(line, "zfill", "width")[0]) - utf8.RuneCountInString(s)
		sign := len(s) - len(strings.TrimLeft(s[:min(1, len(s))], "+-")) - len(s[min(1, len(s)):])
		return s[:sign] + r.pad("0", n) + s[sign:]
	},
}

func plain(fn func(string) string) stringMethod {
	return func(_ *run, _ int, s string, _ args) any { return fn(s) }
}

func capitalize(s string) string {
	c, n := utf8.DecodeRuneInString(s)
	if n == 0 {
		return s
	}
	return string(unicode.ToTitle(c)) + strings.ToLower(s[n:])
}

// title is str.title: a capital begins every run of letters.
func title(s string) string {
	letter := false
	return strings.Map(func(c rune) rune {
		first := !letter
		letter = unicode.IsLetter(c)
		if first {
			return unicode.ToTitle(c)
		}
		return unicode.ToLower(c)
	}, s)
}

func stripper(trim func(string, func(rune) bool) string) stringMethod {
	return func(_ *run, line int, s string, a args) any {
		chars := or(a.bind(line, "strip", "chars")[0], nil)
		if chars == nil {
			return trim(s, isSpace)
		}
		set := strArg(line, "strip", chars)
		return trim(s, func(c rune) bool { return strings.ContainsRune(set, c) })
	}
}

func affix(has func(s, part string) bool) stringMethod {
	return func(_ *run, line int, s string, a args) any {
		part := a.bind(line, "startswith", "prefix")[0]
		if l, ok := part.(*list); ok {
			return slices.ContainsFunc(l.items, func(p any) bool { return has(s, strArg(line, "startswith", p)) })
		}
		return has(s, strArg(line, "startswith", part))
	}
}

func cutter(cut func(s, part string) string) stringMethod {
	return func(_ *run, line int, s string, a args) any {
		return cut(s, strArg(line, "removeprefix", a.bind(line, "removeprefix", "part")[0]))
	}
}

func finder(index func(s, sub string) int, must bool) stringMethod {
	return func(_ *run, line int, s string, a args) any {
		i := index(s, strArg(line, "find", a.bind(line, "find", "sub")[0]))
		if i < 0 {
			if must {
				fail(line, "the substring is not found")
			}
			return i
		}
		return utf8.RuneCountInString(s[:i])
	}
}

func every(is func(rune) bool) stringMethod {
	return func(_ *run, _ int, s string, _ args) any {
		return s != "" && !strings.ContainsFunc(s, func(c rune) bool { return !is(c) })
	}
}

// padder makes a method that puts left(n, width) of n fill characters first.
func padder(left func(n, width int) int) stringMethod {
	return func(r *run, line int, s string, a args) any {
		b := a.bind(line, "ljust", "width", "fillchar")
		width := intArg(line, "ljust", b[0])
		n := max(0, width-utf8.RuneCountInString(s))
		fill, before := strArg(line, "ljust", or(b[1], " ")), left(n, width)
		return r.pad(fill, before) + s + r.pad(fill, n-before)
	}
}

func (r *run) pad(fill string, n int) string {
	n = max(n, 0)
	r.allocTimes(len(fill), n)
	return strings.Repeat(fill, n)
}

// replace is str.replace; n < 0 means every occurrence.
func (r *run) replace(s, old, new string, n int) string {
	count := strings.Count(s, old)
	if n >= 0 {
		count = min(count, n)
	}
	r.allocTimes(len(new), count)
	return strings.Replace(s, old, new, n)
}

func (r *run) join(items []any, sep string) string {
	parts := make([]string, len(items))
	for i, item := range items {
		parts[i] = r.str(item)
		r.alloc(len(parts[i]) + len(sep))
	}
	return strings.Join(parts, sep)
}

func (r *run) strings(parts []string) *list {
	r.alloc(16 * len(parts))
	l := &list{items: make([]any, len(parts))}
	for i, p := range parts {
		l.items[i] = p
	}
	return l
}
