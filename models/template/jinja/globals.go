package jinja

import (
	"fmt"
	"strings"
	"time"
)

// function is a global function's body.
type function = func(r *run, line int, a args) any

// missing stands for a parameter that got no argument.
type missing struct{}

// bind sorts arguments by parameter; those without one are [missing].
func (a args) bind(line int, what string, params ...string) []any {
	if len(a.pos) > len(params) {
		fail(line, "%s takes at most %d arguments, %d were given", what, len(params), len(a.pos))
	}
	bound := make([]any, len(params))
	for i := range bound {
		bound[i] = missing{}
	}
	copy(bound, a.pos)
next:
	for i, name := range a.names {
		for j, param := range params {
			if param == name {
				bound[j] = a.values[i]
				continue next
			}
		}
		fail(line, "%s takes no argument %q", what, name)
	}
	return bound
}

// or gives v, or def where v is missing.
func or(v, def any) any {
	if _, ok := v.(missing); ok {
		return def
	}
	return v
}

func given(v any) bool { _, no := v.(missing); return !no }

// strArg and intArg give arguments that must have that type.
func strArg(line int, what string, v any) string {
	s, ok := v.(string)
	if !ok {
		fail(line, "%s needs a str, not %s", what, argType(v))
	}
	return s
}

func intArg(line int, what string, v any) int {
	i, ok := integer(v)
	if !ok {
		fail(line, "%s needs an int, not %s", what, argType(v))
	}
	return i
}

func argType(v any) string {
	if !given(v) {
		return "nothing"
	}
	return typeName(v)
}

var globals = map[string]function{
	"range": func(r *run, line int, a args) any {
		b := a.bind(line, "range", "start", "stop", "step")
		lo, hi, step := 0, intArg(line, "range", b[0]), 1
		if given(b[1]) {
			lo, hi = hi, intArg(line, "range", b[1])
		}
		if given(b[2]) {
			step = intArg(line, "range", b[2])
		}
		if step == 0 {
			fail(line, "the step of range is 0")
		}
		n := 0
		if step > 0 && hi > lo {
			n = (hi-lo-1)/step + 1
		} else if step < 0 && hi < lo {
			n = (lo-hi-1)/-step + 1
		}
		r.allocTimes(16, max(n, 0))
		l := &list{items: make([]any, max(n, 0))}
		for i := range l.items {
			l.items[i] = lo + i*step
		}
		return l
	},
	"dict":      func(r *run, line int, a args) any { return makeDict(r, line, a) },
	"namespace": func(r *run, line int, a args) any { return &namespace{makeDict(r, line, a)} },
	"raise_exception": func(r *run, line int, a args) any {
		text := ""
		if len(a.pos) > 0 {
			text = r.str(a.pos[0])
		}
		panic(&Error{Line: line, Text: "the template refuses: " + text, Raised: true})
	},
	"strftime_now": func(r *run, line int, a args) any {
		b := a.bind(line, "strftime_now", "format")
		return strftime(r, line, r.now, strArg(line, "strftime_now", b[0]))
	},
	"joiner": func(r *run, line int, a args) any {
		sep := or(a.bind(line, "joiner", "sep")[0], ", ")
		used := false
		return &callable{"joiner", func(*run, int, args) any {
			if !used {
				used = true
				return ""
			}
			return sep
		}}
	},
}

func makeDict(r *run, line int, a args) *Dict {
	d := NewDict()
	if len(a.pos) > 0 {
		from, ok := a.pos[0].(*Dict)
		if !ok {
			fail(line, "dict needs a dict, not %s", typeName(a.pos[0]))
		}
		r.alloc(64 * len(from.keys))
		for i, key := range from.keys {
			d.Set(key, from.values[i])
		}
	}
	for i, name := range a.names {
		d.Set(name, a.values[i])
	}
	return d
}

// strftimeCodes are C's conversions by the layouts of Go.
var strftimeCodes = map[byte]string{
	'd': "02", 'b': "Jan", 'B': "January", 'm': "01", 'y': "06", 'Y': "2006", 'H': "15", 'I': "03",
	'M': "04", 'S': "05", 'p': "PM", 'a': "Mon", 'A': "Monday", 'j': "002", 'Z': "MST", 'z': "-0700",
	'F': "2006-01-02", 'T': "15:04:05", 'R': "15:04", 'D': "01/02/06", 'e': "_2", 'f': "000000",
	'c': "Mon Jan _2 15:04:05 2006", 'x': "01/02/06", 'X': "15:04:05", 'h': "Jan",
}

// unpadded are the conversions that glibc's flag - strips of zeros.
var unpadded = map[byte]string{'d': "2", 'm': "1", 'I': "3", 'M': "4", 'S': "5", 'e': "2"}

func strftime(r *run, line int, now time.Time, format string) string {
	var b strings.Builder
	for i := 0; i < len(format); i++ {
		if format[i] != '%' || i+1 == len(format) {
			b.WriteByte(format[i])
			continue
		}
		i++
		code := format[i]
		layout, ok := strftimeCodes[code]
		if code == '-' && i+1 < len(format) {
			i++
			code = format[i]
			layout, ok = unpadded[code]
			if code == 'H' || code == 'j' {
				fmt.Fprint(&b, map[byte]int{'H': now.Hour(), 'j': now.YearDay()}[code])
				continue
			}
		}
		switch {
		case code == '%':
			b.WriteByte('%')
		case code == 'f':
			fmt.Fprintf(&b, "%06d", now.Nanosecond()/1000)
		case ok:
			b.WriteString(now.Format(layout))
		default:
			fail(line, "strftime_now knows no %%%c", code)
		}
	}
	r.alloc(b.Len())
	return b.String()
}
