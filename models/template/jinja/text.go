package jinja

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// str is Python's str().
func (r *run) str(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case undefined:
		return ""
	}
	var b strings.Builder
	r.writeRepr(&b, v)
	return b.String()
}

// writeRepr writes Python's repr().
func (r *run) writeRepr(b *strings.Builder, v any) {
	r.down()
	defer r.up()
	before := b.Len()
	switch v := v.(type) {
	case nil:
		b.WriteString("None")
	case undefined:
		b.WriteString("Undefined")
	case bool:
		b.WriteString(map[bool]string{true: "True", false: "False"}[v])
	case int:
		b.WriteString(strconv.Itoa(v))
	case float64:
		b.WriteString(floatText(v, "inf", "nan"))
	case string:
		b.WriteString(quote(v))
	case *list:
		r.writeList(b, v)
		return
	case *Dict:
		b.WriteByte('{')
		for i, key := range v.keys {
			if i > 0 {
				b.WriteString(", ")
			}
			r.writeRepr(b, key)
			b.WriteString(": ")
			r.writeRepr(b, v.values[i])
		}
		b.WriteByte('}')
		return
	case *callable:
		b.WriteString("<function " + v.name + ">")
	case *namespace:
		b.WriteString("<Namespace>")
	}
	r.alloc(b.Len() - before)
}

func (r *run) writeList(b *strings.Builder, l *list) {
	ends := "[]"
	if l.tuple {
		ends = "()"
	}
	b.WriteByte(ends[0])
	for i, item := range l.items {
		if i > 0 {
			b.WriteString(", ")
		}
		r.writeRepr(b, item)
	}
	if l.tuple && len(l.items) == 1 {
		b.WriteByte(',')
	}
	b.WriteByte(ends[1])
}

// quote is Python's repr() of a string.
func quote(s string) string {
	q := '\''
	if strings.Contains(s, "'") && !strings.Contains(s, `"`) {
		q = '"'
	}
	var b strings.Builder
	b.WriteRune(q)
	for i, c := range s {
		switch {
		case c == q || c == '\\':
			b.WriteByte('\\')
			b.WriteRune(c)
		case c == '\n':
			b.WriteString(`\n`)
		case c == '\r':
			b.WriteString(`\r`)
		case c == '\t':
			b.WriteString(`\t`)
		case c == utf8.RuneError && !strings.HasPrefix(s[i:], "\uFFFD"):
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case c == ' ' || unicode.IsPrint(c):
			b.WriteRune(c)
		case c < 0x100:
			fmt.Fprintf(&b, `\x%02x`, c)
		case c < 0x10000:
			fmt.Fprintf(&b, `\u%04x`, c)
		default:
			fmt.Fprintf(&b, `\U%08x`, c)
		}
	}
	b.WriteRune(q)
	return b.String()
}

// floatText is Python's repr() of a float.
func floatText(f float64, inf, nan string) string {
	switch {
	case math.IsNaN(f):
		return nan
	case math.IsInf(f, 1):
		return inf
	case math.IsInf(f, -1):
		return "-" + inf
	}
	if a := math.Abs(f); a != 0 && (a < 1e-4 || a >= 1e16) {
		return strconv.FormatFloat(f, 'e', -1, 64)
	}
	s := strconv.FormatFloat(f, 'f', -1, 64)
	if !strings.Contains(s, ".") {
		s += ".0"
	}
	return s
}

// jsonStyle is what tojson takes of json.dumps' parameters.
type jsonStyle struct {
	indent     string // of one level; with pretty
	pretty     bool
	comma      string
	colon      string
	ascii      bool
	sortedKeys bool
}

func (r *run) writeJSON(b *strings.Builder, line int, v any, s *jsonStyle, prefix string) {
	r.down()
	defer r.up()
	before := b.Len()
	switch v := v.(type) {
	case nil:
		b.WriteString("null")
	case bool:
		b.WriteString(strconv.FormatBool(v))
	case int:
		b.WriteString(strconv.Itoa(v))
	case float64:
		b.WriteString(floatText(v, "Infinity", "NaN"))
	case string:
		writeJSONString(b, v, s.ascii)
	case *list:
		r.writeJSONSeq(b, "[]", len(v.items), s, prefix, func(i int, inner string) {
			r.writeJSON(b, line, v.items[i], s, inner)
		})
		return
	case *Dict:
		order := make([]int, len(v.keys))
		for i := range order {
			order[i] = i
		}
		if s.sortedKeys {
			slices.SortFunc(order, func(i, j int) int { return r.compare(line, v.keys[i], v.keys[j]) })
		}
		r.writeJSONSeq(b, "{}", len(v.keys), s, prefix, func(i int, inner string) {
			r.writeJSONKey(b, line, v.keys[order[i]], s)
			b.WriteString(s.colon)
			r.writeJSON(b, line, v.values[order[i]], s, inner)
		})
		return
	default:
		fail(line, "%s has no JSON form", typeName(v))
	}
	r.alloc(b.Len() - before)
}

func (r *run) writeJSONSeq(b *strings.Builder, ends string, n int, s *jsonStyle, prefix string, item func(i int, inner string)) {
	if n == 0 {
		b.WriteString(ends)
		return
	}
	inner := prefix + s.indent
	b.WriteByte(ends[0])
	for i := range n {
		if i > 0 {
			b.WriteString(s.comma)
		}
		if s.pretty {
			b.WriteString("\n" + inner)
		}
		r.alloc(len(inner) + 2)
		item(i, inner)
	}
	if s.pretty {
		b.WriteString("\n" + prefix)
	}
	b.WriteByte(ends[1])
}

func (r *run) writeJSONKey(b *strings.Builder, line int, key any, s *jsonStyle) {
	text, ok := key.(string)
	if !ok {
		var k strings.Builder
		r.writeJSON(&k, line, key, s, "")
		text = k.String()
	}
	writeJSONString(b, text, s.ascii)
	r.alloc(len(text))
}

var jsonEscapes = map[rune]string{'"': `\"`, '\\': `\\`, '\n': `\n`, '\r': `\r`, '\t': `\t`, '\b': `\b`, '\f': `\f`}

func writeJSONString(b *strings.Builder, s string, ascii bool) {
	b.WriteByte('"')
	for _, c := range s {
		switch esc, ok := jsonEscapes[c]; {
		case ok:
			b.WriteString(esc)
		case c < 0x20 || c >= 0x7f && c < 0x10000 && ascii:
			fmt.Fprintf(b, `\u%04x`, c)
		case c >= 0x10000 && ascii:
			hi, lo := 0xd800+(c-0x10000)>>10, 0xdc00+(c-0x10000)&0x3ff
			fmt.Fprintf(b, `\u%04x\u%04x`, hi, lo)
		default:
			b.WriteRune(c)
		}
	}
	b.WriteByte('"')
}
