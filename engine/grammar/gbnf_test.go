package grammar

import (
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

// A reader of GBNF for the tests, as strict as llama.cpp's (src/llama-grammar.cpp),
// with a sampler of random sentences and a matcher.

type term struct {
	kind   string // seq, alt, class, ref, repeat
	parts  []*term
	class  []rune // pairs
	not    bool
	name   string
	lo, hi int // hi < 0: no end
}

type gbnf struct {
	rules map[string]*term
	text  string
}

func readGBNF(t testing.TB, text string) *gbnf {
	g := &gbnf{rules: map[string]*term{}}
	for line := range strings.Lines(text) {
		name, body, ok := strings.Cut(strings.TrimSuffix(line, "\n"), " ::= ")
		require.True(t, ok, line)
		require.Regexp(t, `^[a-zA-Z0-9-]+$`, name)
		require.NotContains(t, g.rules, name)
		g.text = body
		g.rules[name] = g.alt(t)
		require.Empty(t, g.text, line)
	}
	require.Contains(t, g.rules, "root")
	for name, r := range g.rules {
		g.lint(t, name, r)
		require.False(t, g.leads(r, name, map[string]bool{}), "left recursion of %s in\n%s", name, text)
	}
	return g
}

// lint checks references, and that nothing repeats what may be empty.
func (g *gbnf) lint(t testing.TB, rule string, x *term) {
	if x.kind == "ref" {
		require.Contains(t, g.rules, x.name, "in rule %s", rule)
	}
	if x.kind == "repeat" && (x.hi < 0 || x.hi > 1) {
		require.False(t, g.nullable(x.parts[0], nil), "rule %s repeats what may be empty", rule)
	}
	for _, p := range x.parts {
		g.lint(t, rule, p)
	}
}

func (g *gbnf) nullable(x *term, path []string) bool {
	switch x.kind {
	case "class":
		return false
	case "ref":
		for _, p := range path {
			if p == x.name {
				return false
			}
		}
		return g.nullable(g.rules[x.name], append(path, x.name))
	case "repeat":
		return x.lo == 0 || g.nullable(x.parts[0], path)
	case "alt":
		for _, p := range x.parts {
			if g.nullable(p, path) {
				return true
			}
		}
		return false
	}
	for _, p := range x.parts {
		if !g.nullable(p, path) {
			return false
		}
	}
	return true
}

// leads reports whether x can begin with the rule name.
func (g *gbnf) leads(x *term, name string, seen map[string]bool) bool {
	switch x.kind {
	case "ref":
		if x.name == name {
			return true
		}
		if seen[x.name] {
			return false
		}
		seen[x.name] = true
		return g.leads(g.rules[x.name], name, seen)
	case "alt", "repeat":
		for _, p := range x.parts {
			if g.leads(p, name, seen) {
				return true
			}
		}
	case "seq":
		for _, p := range x.parts {
			if g.leads(p, name, seen) {
				return true
			}
			if !g.nullable(p, nil) {
				return false
			}
		}
	}
	return false
}

func (g *gbnf) space() { g.text = strings.TrimLeft(g.text, " ") }

func (g *gbnf) alt(t testing.TB) *term {
	out := &term{kind: "alt"}
	for {
		g.space()
		out.parts = append(out.parts, g.seq(t))
		if !strings.HasPrefix(g.text, "|") {
			return out
		}
		g.text = g.text[1:]
	}
}

func (g *gbnf) seq(t testing.TB) *term {
	out := &term{kind: "seq"}
	for g.text != "" && !strings.ContainsRune("|)", rune(g.text[0])) {
		switch c := g.text[0]; {
		case c == '"':
			g.text = g.text[1:]
			lit := &term{kind: "seq"}
			for g.text[0] != '"' {
				r := g.char(t)
				lit.parts = append(lit.parts, &term{kind: "class", class: []rune{r, r}})
			}
			g.text = g.text[1:]
			out.parts = append(out.parts, lit)
		case c == '[':
			out.parts = append(out.parts, g.bracket(t))
		case c == '(':
			g.text = g.text[1:]
			out.parts = append(out.parts, g.alt(t))
			require.True(t, strings.HasPrefix(g.text, ")"), g.text)
			g.text = g.text[1:]
		case strings.ContainsRune("*+?{", rune(c)):
			g.repetition(t, out)
		default:
			n := len(g.text) - len(strings.TrimLeft(g.text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-"))
			require.Positive(t, n, g.text)
			out.parts = append(out.parts, &term{kind: "ref", name: g.text[:n]})
			g.text = g.text[n:]
		}
		g.space()
	}
	return out
}

func (g *gbnf) repetition(t testing.TB, out *term) {
	require.NotEmpty(t, out.parts)
	last := out.parts[len(out.parts)-1]
	rep := &term{kind: "repeat", hi: -1}
	switch g.text[0] {
	case '+':
		rep.lo = 1
	case '?':
		rep.hi = 1
	case '{':
		inner, rest, ok := strings.Cut(g.text[1:], "}")
		require.True(t, ok)
		from, to, comma := strings.Cut(inner, ",")
		var err error
		rep.lo, err = strconv.Atoi(from)
		require.NoError(t, err)
		if !comma {
			to = from
		}
		if to != "" {
			rep.hi, err = strconv.Atoi(to)
			require.NoError(t, err)
		}
		require.LessOrEqual(t, max(rep.lo, rep.hi), 2000)
		g.text = "}" + rest
	}
	g.text = g.text[1:]
	require.False(t, last.kind == "seq" && len(last.parts) == 0, "an empty literal can't be repeated")
	rep.parts = []*term{last}
	out.parts[len(out.parts)-1] = rep
}

func (g *gbnf) bracket(t testing.TB) *term {
	g.text = g.text[1:]
	out := &term{kind: "class"}
	if g.text[0] == '^' {
		out.not, g.text = true, g.text[1:]
	}
	for g.text[0] != ']' {
		lo := g.char(t)
		hi := lo
		if g.text[0] == '-' && g.text[1] != ']' {
			g.text = g.text[1:]
			hi = g.char(t)
		}
		require.LessOrEqual(t, lo, hi)
		out.class = append(out.class, lo, hi)
	}
	require.NotEmpty(t, out.class)
	g.text = g.text[1:]
	return out
}

func (g *gbnf) char(t testing.TB) rune {
	if g.text[0] != '\\' {
		c, n := utf8.DecodeRuneInString(g.text)
		g.text = g.text[n:]
		return c
	}
	width := map[byte]int{'x': 2, 'u': 4, 'U': 8}[g.text[1]]
	if width > 0 {
		v, err := strconv.ParseUint(g.text[2:2+width], 16, 32)
		require.NoError(t, err)
		g.text = g.text[2+width:]
		return rune(v)
	}
	c, ok := map[byte]rune{'n': '\n', 'r': '\r', 't': '\t', '\\': '\\', '"': '"', '[': '[', ']': ']'}[g.text[1]]
	require.True(t, ok, g.text)
	g.text = g.text[2:]
	return c
}

func (x *term) holds(c rune) bool {
	for i := 0; i < len(x.class); i += 2 {
		if c >= x.class[i] && c <= x.class[i+1] {
			return !x.not
		}
	}
	return x.not
}

// sample writes a random sentence; from some depth on it takes the shortest way.
func (g *gbnf) sample(rng *rand.Rand, x *term, depth int, out *strings.Builder) {
	if depth > 300 {
		panic("the sampler doesn't end")
	}
	switch x.kind {
	case "class":
		out.WriteRune(g.pick(rng, x))
	case "ref":
		g.sample(rng, g.rules[x.name], depth+1, out)
	case "seq":
		for _, p := range x.parts {
			g.sample(rng, p, depth+1, out)
		}
	case "alt":
		best := x.parts[rng.IntN(len(x.parts))]
		if depth > 40 {
			for _, p := range x.parts {
				if g.height(p, 0) < g.height(best, 0) {
					best = p
				}
			}
		}
		g.sample(rng, best, depth+1, out)
	case "repeat":
		n := x.lo
		for depth < 40 && (x.hi < 0 || n < x.hi) && rng.IntN(3) > 0 {
			n++
		}
		for range n {
			g.sample(rng, x.parts[0], depth+1, out)
		}
	}
}

// height is about how deep x goes at least.
func (g *gbnf) height(x *term, depth int) int {
	if depth > 12 {
		return depth
	}
	most := depth
	switch x.kind {
	case "ref":
		return g.height(g.rules[x.name], depth+1)
	case "alt":
		most = 1 << 20
		for _, p := range x.parts {
			most = min(most, g.height(p, depth+1))
		}
	case "seq":
		for _, p := range x.parts {
			most = max(most, g.height(p, depth+1))
		}
	case "repeat":
		if x.lo > 0 {
			most = g.height(x.parts[0], depth+1)
		}
	}
	return most
}

func (g *gbnf) pick(rng *rand.Rand, x *term) rune {
	for {
		c := rune(0x20 + rng.IntN(0x60))
		switch i := 2 * rng.IntN(len(x.class)/2); {
		case !x.not:
			c = x.class[i] + rune(rng.IntN(int(x.class[i+1]-x.class[i])+1))
		case rng.IntN(8) == 0:
			c = []rune{'é', '日', '😀', 0x85, 0x2028, 0xffff}[rng.IntN(6)]
		}
		if x.holds(c) && (c < 0xd800 || c > 0xdfff) {
			return c
		}
	}
}

// matches reports whether text is a sentence of the grammar.
func (g *gbnf) matches(text string) bool {
	runes := []rune(text)
	return g.match(g.rules["root"], runes, 0, func(i int) bool { return i == len(runes) })
}

func (g *gbnf) match(x *term, s []rune, i int, then func(int) bool) bool {
	switch x.kind {
	case "class":
		return i < len(s) && x.holds(s[i]) && then(i+1)
	case "ref":
		return g.match(g.rules[x.name], s, i, then)
	case "alt":
		for _, p := range x.parts {
			if g.match(p, s, i, then) {
				return true
			}
		}
		return false
	case "seq":
		return g.matchAll(x.parts, s, i, then)
	}
	var more func(n, at int) bool
	more = func(n, at int) bool {
		if n < x.lo || x.hi < 0 || n < x.hi {
			if g.match(x.parts[0], s, at, func(j int) bool { return j > at && more(n+1, j) }) {
				return true
			}
		}
		return n >= x.lo && then(at)
	}
	return more(0, i)
}

func (g *gbnf) matchAll(parts []*term, s []rune, i int, then func(int) bool) bool {
	if len(parts) == 0 {
		return then(i)
	}
	return g.match(parts[0], s, i, func(j int) bool { return g.matchAll(parts[1:], s, j, then) })
}
