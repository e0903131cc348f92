package jinja

import (
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// kind is the kind of a token.
type kind byte

const (
	tEOF    kind = iota
	tData        // text between tags
	tBegin       // {{ or {%
	tEnd         // }} or %}
	tName        // also keywords
	tString      // unescaped
	tInt
	tFloat
	tOp
)

type token struct {
	kind kind
	text string
	line int
}

// lexer splits a template the way Jinja2 does with trim_blocks and lstrip_blocks
// on, as Hugging Face's transformers sets it up.
type lexer struct {
	src       string
	pos       int
	line      int
	lineStart bool // what came before ended a line
	tokens    []token
}

var (
	rawTag    = regexp.MustCompile(`^\{%[-+]?\s*raw\s*(-%\}\s*|%\})`)
	rawEnd    = regexp.MustCompile(`\{%([-+]?)\s*endraw\s*(\+%\}|-%\}\s*|%\}\n?)`)
	commentRe = regexp.MustCompile(`(?s)^\{#.*?(\+#\}|-#\}\s*|#\}\n?)`)
	blockEnd  = regexp.MustCompile(`^(\+%\}|-%\}\s*|%\}\n?)`)
	printEnd  = regexp.MustCompile(`^(-\}\}\s*|\}\})`)
	floatRe   = regexp.MustCompile(`^(\d+_)*\d+((\.(\d+_)*\d+)?[eE][+-]?(\d+_)*\d+|\.(\d+_)*\d+)`)
	intRe     = regexp.MustCompile(`^(0[bB](_?[01])+|0[oO](_?[0-7])+|0[xX](_?[0-9a-fA-F])+|\d+(_\d+)*)`)
	nameRe    = regexp.MustCompile(`^[\p{L}\p{Nl}_][\p{L}\p{Nl}\p{Mn}\p{Mc}\p{Nd}\p{Pc}]*`)
	stringRe  = regexp.MustCompile(`(?s)^('([^'\\]*(?:\\.[^'\\]*)*)'|"([^"\\]*(?:\\.[^"\\]*)*)")`)
	opRe      = regexp.MustCompile(`^(\*\*|//|==|!=|<=|>=|[-+*/%~()\[\]{}=<>.:|,;])`)
)

func lex(src string) []token {
	src = strings.ReplaceAll(strings.ReplaceAll(src, "\r\n", "\n"), "\r", "\n")
	l := &lexer{src: strings.TrimSuffix(src, "\n"), line: 1, lineStart: true}
	for l.pos < len(l.src) {
		l.data()
	}
	l.add(tEOF, "")
	return l.tokens
}

func (l *lexer) add(k kind, text string) {
	l.tokens = append(l.tokens, token{k, text, l.line})
}

// advance moves past n bytes.
func (l *lexer) advance(n int) {
	passed := l.src[l.pos : l.pos+n]
	l.line += strings.Count(passed, "\n")
	l.lineStart = strings.HasSuffix(passed, "\n")
	l.pos += n
}

// data reads text and the tag after it.
func (l *lexer) data() {
	rest := l.src[l.pos:]
	i := 0
	for {
		j := strings.IndexByte(rest[i:], '{')
		if j < 0 || i+j+1 >= len(rest) {
			l.add(tData, rest)
			l.advance(len(rest))
			return
		}
		i += j
		if c := rest[i+1]; c == '{' || c == '%' || c == '#' {
			break
		}
		i++
	}
	if text := l.strip(rest[:i], rest[i+1] != '{', rest[i+2:]); text != "" {
		l.add(tData, text)
	}
	if i > 0 {
		l.advance(i)
	}
	l.tag()
}

// strip applies whitespace control of the tag that follows text.
func (l *lexer) strip(text string, block bool, tag string) string {
	switch {
	case strings.HasPrefix(tag, "-"):
		return strings.TrimRightFunc(text, isSpace)
	case strings.HasPrefix(tag, "+") || !block:
		return text
	}
	start := strings.LastIndexByte(text, '\n') + 1
	if (start > 0 || l.lineStart) && strings.TrimFunc(text[start:], isSpace) == "" {
		return text[:start]
	}
	return text
}

func (l *lexer) tag() {
	rest := l.src[l.pos:]
	switch rest[1] {
	case '#':
		m := commentRe.FindString(rest)
		if m == "" {
			fail(l.line, "a comment is not closed")
		}
		l.advance(len(m))
	case '%':
		if m := rawTag.FindString(rest); m != "" {
			l.advance(len(m))
			l.raw()
			return
		}
		l.inside("{%", blockEnd)
	default:
		l.inside("{{", printEnd)
	}
}

func (l *lexer) raw() {
	rest := l.src[l.pos:]
	m := rawEnd.FindStringSubmatchIndex(rest)
	if m == nil {
		fail(l.line, "a raw block is not closed")
	}
	if text := l.strip(rest[:m[0]], true, rest[m[2]:]); text != "" {
		l.add(tData, text)
	}
	l.advance(m[1])
}

// inside reads the tokens of a tag up to its end.
func (l *lexer) inside(begin string, end *regexp.Regexp) {
	l.add(tBegin, begin)
	l.advance(2)
	if l.pos < len(l.src) && (l.src[l.pos] == '-' || l.src[l.pos] == '+') {
		l.advance(1)
	}
	var open []byte // brackets; within them }} and %} are operators
	for l.pos < len(l.src) {
		rest := l.src[l.pos:]
		if len(open) == 0 {
			if m := end.FindString(rest); m != "" {
				l.add(tEnd, begin)
				l.advance(len(m))
				return
			}
		}
		open = l.token(rest, open)
	}
	fail(l.line, "a %s tag is not closed", begin)
}

func (l *lexer) token(rest string, open []byte) []byte {
	c, _ := utf8.DecodeRuneInString(rest)
	switch {
	case isSpace(c):
		l.advance(len(rest) - len(strings.TrimLeftFunc(rest, isSpace)))
		return open
	case c == '\'' || c == '"':
		m := stringRe.FindString(rest)
		if m == "" {
			fail(l.line, "a string is not closed")
		}
		l.add(tString, unescape(m[1:len(m)-1]))
		l.advance(len(m))
		return open
	case c >= '0' && c <= '9':
		l.number(rest)
		return open
	}
	if m := nameRe.FindString(rest); m != "" {
		l.add(tName, m)
		l.advance(len(m))
		return open
	}
	m := opRe.FindString(rest)
	if m == "" {
		fail(l.line, "unexpected character %q", c)
	}
	l.add(tOp, m)
	open = l.balance(m[0], open)
	l.advance(len(m))
	return open
}

func (l *lexer) number(rest string) {
	afterDot := l.tokens[len(l.tokens)-1].text == "." && l.src[l.pos-1] == '.'
	if m := floatRe.FindString(rest); m != "" && !afterDot {
		l.add(tFloat, strings.ReplaceAll(m, "_", ""))
		l.advance(len(m))
		return
	}
	m := intRe.FindString(rest)
	l.add(tInt, strings.ReplaceAll(m, "_", ""))
	l.advance(len(m))
}

// balance keeps the brackets that are open.
func (l *lexer) balance(c byte, open []byte) []byte {
	switch c {
	case '(':
		return append(open, ')')
	case '[':
		return append(open, ']')
	case '{':
		return append(open, '}')
	case ')', ']', '}':
		if len(open) == 0 || open[len(open)-1] != c {
			fail(l.line, "unexpected %q", string(c))
		}
		return open[:len(open)-1]
	}
	return open
}

var simpleEscapes = map[byte]string{'\n': "", '\\': "\\", '\'': "'", '"': "\"", 'a': "\a", 'b': "\b",
	'f': "\f", 'n': "\n", 'r': "\r", 't': "\t", 'v': "\v"}

// unescape resolves Python's escapes; unknown ones stay as they are.
func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		if s[i] != '\\' || i+1 == len(s) {
			b.WriteByte(s[i])
			i++
			continue
		}
		if plain, ok := simpleEscapes[s[i+1]]; ok {
			b.WriteString(plain)
			i += 2
			continue
		}
		code, n := codeEscape(s[i+1:])
		if n == 0 {
			b.WriteByte('\\')
			i++
			continue
		}
		b.WriteRune(code)
		i += 1 + n
	}
	return b.String()
}

// codeEscape reads what follows a backslash: xHH, uHHHH, UHHHHHHHH or up to three
// octal digits. n is 0 for anything else.
func codeEscape(s string) (code rune, n int) {
	if digits := map[byte]int{'x': 2, 'u': 4, 'U': 8}[s[0]]; digits > 0 {
		if len(s) > digits {
			if v, err := strconv.ParseUint(s[1:1+digits], 16, 31); err == nil {
				return rune(v), 1 + digits
			}
		}
		return 0, 0
	}
	for n < 3 && n < len(s) && s[n] >= '0' && s[n] <= '7' {
		code = code*8 + rune(s[n]-'0')
		n++
	}
	return code, n
}

// isSpace is Python's str.isspace.
func isSpace(c rune) bool { return unicode.IsSpace(c) || c >= 0x1c && c <= 0x1f }
