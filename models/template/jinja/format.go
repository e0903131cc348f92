package jinja

import (
	"fmt"
	"strconv"
	"strings"
)

const maxWidth = 1000 // of a formatted value

// format is Python's text % values for the conversions s, r, d, i, f, x, X, o, c,
// e, g and %.
func (r *run) format(line int, s string, values []any) string {
	var b strings.Builder
	for {
		text, rest, found := strings.Cut(s, "%")
		b.WriteString(text)
		if !found {
			break
		}
		n := len(rest) - len(strings.TrimLeft(rest, "-+ #0123456789."))
		if n == len(rest) {
			fail(line, "the format ends within a conversion")
		}
		flags, verb := rest[:n], rest[n]
		s = rest[n+1:]
		if verb == '%' {
			b.WriteByte('%')
			continue
		}
		if len(values) == 0 {
			fail(line, "there are fewer values than the format has conversions")
		}
		b.WriteString(r.convert(line, flags, verb, values[0]))
		values = values[1:]
	}
	if len(values) > 0 {
		fail(line, "there are more values than the format has conversions")
	}
	r.alloc(b.Len())
	return b.String()
}

func (r *run) convert(line int, flags string, verb byte, v any) string {
	for _, width := range strings.FieldsFunc(flags, func(c rune) bool { return c < '0' || c > '9' }) {
		if n, err := strconv.Atoi(width); err != nil || n > maxWidth {
			fail(line, "a width of %s is too large", width)
		}
	}
	switch verb {
	case 's', 'r':
		text := r.str(v)
		if verb == 'r' {
			var b strings.Builder
			r.writeRepr(&b, v)
			text = b.String()
		}
		return fmt.Sprintf("%"+flags+"s", text)
	case 'd', 'i', 'x', 'X', 'o', 'c':
		f, ok := number(v)
		if !ok {
			fail(line, "%%%c needs a number, not %s", verb, typeName(v))
		}
		if verb == 'i' {
			verb = 'd'
		}
		return fmt.Sprintf("%"+flags+string(verb), int(f))
	case 'f', 'F', 'e', 'E', 'g', 'G':
		f, ok := number(v)
		if !ok {
			fail(line, "%%%c needs a number, not %s", verb, typeName(v))
		}
		return fmt.Sprintf("%"+flags+string(verb), f)
	}
	fail(line, "the conversion %%%c is not known", verb)
	return ""
}

// formatFields is str.format for fields {}, {0} and {name}, without conversions.
func (r *run) formatFields(line int, s string, a args) string {
	var b strings.Builder
	auto := 0
	for i := 0; i < len(s); i++ {
		if i+1 < len(s) && (s[i] == '{' || s[i] == '}') && s[i+1] == s[i] {
			b.WriteByte(s[i])
			i++
			continue
		}
		if s[i] != '{' {
			b.WriteByte(s[i])
			continue
		}
		field, _, closed := strings.Cut(s[i+1:], "}")
		if !closed {
			fail(line, "a field of the format is not closed")
		}
		i += len(field) + 1
		text := r.str(r.field(line, field, &auto, a))
		r.alloc(len(text))
		b.WriteString(text)
	}
	return b.String()
}

func (r *run) field(line int, field string, auto *int, a args) any {
	n, err := strconv.Atoi(field)
	if field == "" {
		n, err = *auto, nil
		*auto++
	}
	if err == nil {
		if n < 0 || n >= len(a.pos) {
			fail(line, "the format has no value for field %d", n)
		}
		return a.pos[n]
	}
	for i, name := range a.names {
		if name == field {
			return a.values[i]
		}
	}
	fail(line, "the format has no value for field %q", field)
	return nil
}
