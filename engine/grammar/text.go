package grammar

import (
	"fmt"
	"regexp/syntax"
	"slices"
	"strings"
	"unicode"
)

// formats are patterns of the formats that a grammar can hold to.
var formats = map[string]string{
	"date":      date,
	"time":      clock,
	"date-time": date + "T" + clock,
	"uuid":      `[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`,
	"ipv4":      octet + `(\.` + octet + `){3}`,
	"email":     `[a-zA-Z0-9]{1,16}([._+-][a-zA-Z0-9]{1,16}){0,2}@` + host,
	"hostname":  host,
	"uri":       `[a-z][a-z0-9]{1,9}://` + host + `(/[a-zA-Z0-9._~-]{1,40}){0,10}/?`,
}

const (
	date = `[0-9]{4}-((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)|02-(0[1-9]|1[0-9]|2[0-8]))`
	// RFC 3339 has leap seconds, but only at some times: left out.
	clock = `([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,9})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])`
	octet = `(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])`
	host  = `[a-zA-Z0-9]{1,30}(-[a-zA-Z0-9]{1,30})?(\.[a-zA-Z][a-zA-Z0-9]{0,20}){1,4}`
)

// str is a JSON string.
func (b *builder) str(s schema, hint string) string {
	o := s.object()
	lo, hi := s.integer("minLength", 0), -1
	if o.has("maxLength") {
		hi = s.integer("maxLength", -1)
	}
	var shaped []string
	for _, key := range []string{"pattern", "format"} {
		if o.has(key) {
			shaped = append(shaped, key)
		}
	}
	switch {
	case len(shaped) == 0 && lo == 0 && hi < 0:
		return b.prim("string")
	case len(shaped) == 0:
		if hi >= 0 && lo > hi {
			impossible(s.pointer+escape("minLength"), "no string has at least %d and at most %d characters", lo, hi)
		}
		return b.rule(s.pointer, hint, fmt.Sprintf(`"\"" %s "\""`, b.repeat(s.pointer, b.prim("char"), lo, hi)))
	case len(shaped) == 2:
		fail(s.pointer+escape("format"), "pattern and format together are not supported")
	case lo > 0 || hi >= 0:
		key := "minLength"
		if hi >= 0 {
			key = "maxLength"
		}
		fail(s.pointer+escape(key), "%s together with %s is not supported: say the length in the pattern", key, shaped[0])
	}
	pattern, _ := o.values[shaped[0]].(string)
	at := s.pointer + escape(shaped[0])
	if shaped[0] == "format" {
		shape, ok := formats[pattern]
		if !ok {
			fail(at, "the format %q is not supported", pattern)
		}
		pattern = "^(" + shape + ")$"
	}
	return b.rule(s.pointer, hint, fmt.Sprintf(`"\"" %s "\""`, b.pattern(at, pattern)))
}

// pattern is what a regular expression matches, as it stands within a JSON string.
// Where it isn't anchored, anything may come before or after.
func (b *builder) pattern(at, pattern string) string {
	re, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		fail(at, "the pattern %q is not supported: %v", pattern, err)
	}
	r := &regex{b: b, at: at, pattern: pattern}
	alts := []*syntax.Regexp{re}
	if re.Op == syntax.OpAlternate {
		alts = re.Sub
	}
	var terms []string
	for _, alt := range alts {
		terms = append(terms, r.anchored(alt))
	}
	return alternatives(terms)
}

// regex translates one regular expression.
type regex struct {
	b       *builder
	at      string
	pattern string
}

func (r *regex) fail(format string, args ...any) {
	fail(r.at, "the pattern %q is not supported: %s", r.pattern, fmt.Sprintf(format, args...))
}

func (r *regex) anchored(re *syntax.Regexp) string {
	parts := []*syntax.Regexp{re}
	if re.Op == syntax.OpConcat {
		parts = re.Sub
	}
	before, after := r.b.prim("char")+"* ", " "+r.b.prim("char")+"*"
	if len(parts) > 0 && parts[0].Op == syntax.OpBeginText {
		before, parts = "", parts[1:]
	}
	if len(parts) > 0 && parts[len(parts)-1].Op == syntax.OpEndText {
		after, parts = "", parts[:len(parts)-1]
	}
	var terms []string
	for _, part := range parts {
		terms = append(terms, r.term(part))
	}
	if len(terms) == 0 {
		terms = []string{`""`}
	}
	return before + strings.Join(terms, " ") + after
}

// term is re as one GBNF term.
func (r *regex) term(re *syntax.Regexp) string {
	if r.b.visits++; r.b.visits > maxVisits {
		r.fail("it is too large")
	}
	switch re.Op {
	case syntax.OpEmptyMatch:
		return `""`
	case syntax.OpLiteral:
		var terms []string
		for _, c := range re.Rune {
			terms = append(terms, r.char(c, re.Flags&syntax.FoldCase != 0))
		}
		return "(" + strings.Join(terms, " ") + ")"
	case syntax.OpCharClass:
		return r.class(re.Rune)
	case syntax.OpAnyChar:
		return r.class([]rune{0, unicode.MaxRune})
	case syntax.OpAnyCharNotNL:
		return r.class([]rune{0, '\n' - 1, '\n' + 1, unicode.MaxRune})
	case syntax.OpCapture:
		return r.term(re.Sub[0])
	case syntax.OpConcat, syntax.OpAlternate:
		var terms []string
		for _, sub := range re.Sub {
			terms = append(terms, r.term(sub))
		}
		return "(" + strings.Join(terms, map[bool]string{true: " ", false: " | "}[re.Op == syntax.OpConcat]) + ")"
	case syntax.OpQuest:
		return r.repeat(re.Sub[0], 0, 1)
	case syntax.OpStar:
		return r.repeat(re.Sub[0], 0, -1)
	case syntax.OpPlus:
		return r.repeat(re.Sub[0], 1, -1)
	case syntax.OpRepeat:
		return r.repeat(re.Sub[0], re.Min, re.Max)
	case syntax.OpBeginText, syntax.OpEndText, syntax.OpBeginLine, syntax.OpEndLine:
		r.fail("^ and $ may only stand at the ends")
	}
	r.fail("%s", re)
	return ""
}

func (r *regex) repeat(sub *syntax.Regexp, lo, hi int) string {
	term := r.term(sub)
	if empty(sub) {
		if lo == 0 && hi == 1 {
			return term
		}
		r.fail("%s repeats what may be empty", sub)
	}
	return "(" + r.b.repeat(r.at, term, lo, hi) + ")"
}

// empty reports whether re matches "".
func empty(re *syntax.Regexp) bool {
	switch re.Op {
	case syntax.OpLiteral, syntax.OpCharClass, syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		return false
	case syntax.OpConcat:
		return !slices.ContainsFunc(re.Sub, func(s *syntax.Regexp) bool { return !empty(s) })
	case syntax.OpAlternate:
		return slices.ContainsFunc(re.Sub, empty)
	case syntax.OpCapture, syntax.OpPlus:
		return empty(re.Sub[0])
	case syntax.OpRepeat:
		return re.Min == 0 || empty(re.Sub[0])
	}
	return true
}

func (r *regex) char(c rune, fold bool) string {
	class := []rune{c, c}
	for f := unicode.SimpleFold(c); fold && f != c; f = unicode.SimpleFold(f) {
		class = append(class, f, f)
	}
	return r.class(class)
}

// class is the characters of ranges, as JSON writes them.
func (r *regex) class(ranges []rune) string {
	var set strings.Builder
	var terms []string
	for i := 0; i < len(ranges); i += 2 {
		writeRange(&set, ranges[i], ranges[i+1])
		for _, c := range "\"\\\n\r\t" {
			if c >= ranges[i] && c <= ranges[i+1] {
				terms = append(terms, literal(encode(string(c))[1:3]))
			}
		}
	}
	if set.Len() > 0 {
		terms = append([]string{"[" + set.String() + "]"}, terms...)
	}
	if len(terms) == 0 {
		r.fail("it asks for control characters")
	}
	return alternatives(terms)
}

// writeRange adds lo-hi to a GBNF class, without what JSON escapes and what is no
// character.
func writeRange(set *strings.Builder, lo, hi rune) {
	for _, hole := range [][2]rune{{0, 0x1f}, {'"', '"'}, {'\\', '\\'}, {0x7f, 0x7f}, {0xd800, 0xdfff}} {
		if hi < hole[0] || lo > hole[1] {
			continue
		}
		if lo < hole[0] {
			writeRange(set, lo, hole[0]-1)
		}
		if lo = hole[1] + 1; lo > hi {
			return
		}
	}
	if lo > hi || lo > unicode.MaxRune {
		return
	}
	set.WriteString(classChar(lo))
	if hi > lo {
		set.WriteString("-" + classChar(min(hi, unicode.MaxRune)))
	}
}

// classChar is c within the brackets of a GBNF class.
func classChar(c rune) string {
	switch {
	case c < 0x80 && strings.ContainsRune(`]\^-[`, c):
		return fmt.Sprintf(`\x%02X`, c)
	case c < 0x80:
		return string(c)
	case c < 0x10000:
		return fmt.Sprintf(`\u%04X`, c)
	}
	return fmt.Sprintf(`\U%08X`, c)
}
