package llama

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestCloneKeepsState(t *testing.T) {
	noLeaks(t)
	m := loadTiny(t)
	g, err := m.Vocab().SamplerInitGrammar(`root ::= "ab" | "xy"`, "root")
	require.NoError(t, err)
	chain := chainOf(t, g, SamplerInitGreedy())
	require.NoError(t, chain.Accept('a'))
	clone, err := chain.Clone()
	require.NoError(t, err)
	defer clone.Close()
	require.NoError(t, chain.Accept('b'))
	require.ErrorIs(t, clone.Accept('y'), ErrGrammar)
	require.NoError(t, clone.Reset())
	require.NoError(t, clone.Accept('x'))
}

func TestGrammar(t *testing.T) {
	noLeaks(t)
	m := loadTiny(t)
	v := m.Vocab()
	c := candidatesOf(t, v.NTokens())
	logits := randomLogits(2, v.NTokens())
	s, err := v.SamplerInitGrammar(`root ::= [0-9]+ ("." [0-9])?`, "root")
	require.NoError(t, err)
	defer s.Close()
	allowed := func() []Token {
		require.NoError(t, c.Fill(logits))
		require.NoError(t, s.Apply(c))
		return ids(c)
	}
	var digits []Token
	for d := Token('0'); d <= '9'; d++ {
		digits = append(digits, d)
	}
	assert.Equal(t, digits, allowed())
	require.ErrorIs(t, s.Accept(v.EOS()), ErrGrammar, "llama.cpp would abort: the grammar isn't done")
	require.NoError(t, s.Reset())
	require.NoError(t, s.Accept('7'))
	more := append(append([]Token{'.'}, digits...), v.EOS())
	assert.Equal(t, more, allowed())
	require.NoError(t, s.Accept(v.EOS()))

	require.NoError(t, s.Reset())
	require.ErrorIs(t, s.Accept('x'), ErrGrammar)
	require.ErrorIs(t, s.Accept('7'), ErrGrammar, "stays failed")
	require.ErrorIs(t, s.Apply(c), ErrGrammar)
	_, err = s.Clone()
	require.ErrorIs(t, err, ErrGrammar)
}

func TestGrammarSamples(t *testing.T) {
	v := loadTiny(t).Vocab()
	c := candidatesOf(t, v.NTokens())
	g, err := v.SamplerInitGrammar(`root ::= "yes" | "no" | "maybe " [a-c] [a-c]`, "root")
	require.NoError(t, err)
	chain := chainOf(t, g, SamplerInitDist(5))
	for i := range uint64(30) {
		require.NoError(t, chain.Reset())
		text := ""
		for range 20 {
			tok, err := chain.Sample(c, randomLogits(i, v.NTokens()), true)
			require.NoError(t, err)
			if v.IsEOG(tok) {
				break
			}
			text += v.TokenToPiece(tok, 0, false)
		}
		assert.Regexp(t, `^(yes|no|maybe [a-c][a-c])$`, text)
	}
}

func TestGrammarLazy(t *testing.T) {
	v := loadTiny(t).Vocab()
	c := candidatesOf(t, v.NTokens())
	s, err := v.SamplerInitGrammarLazyPatterns(`root ::= "<" [a-b] ">"`, "root", []string{`[\s\S]*?(<)[\s\S]*`}, []Token{'!'})
	require.NoError(t, err)
	defer s.Close()
	require.NoError(t, c.Fill(make([]float32, v.NTokens())))
	require.NoError(t, s.Apply(c))
	assert.Len(t, ids(c), v.NTokens(), "asleep")
	for _, b := range []byte("text<") {
		require.NoError(t, s.Accept(Token(b)))
	}
	require.NoError(t, s.Apply(c))
	assert.Equal(t, []Token{'a', 'b'}, ids(c))
	_, err = v.SamplerInitGrammarLazyPatterns(`root ::= "a"`, "root", nil, []Token{-1})
	assert.ErrorIs(t, err, ErrGrammar)
	_, err = v.SamplerInitGrammarLazyPatterns(`root ::= "a"`, "root", []string{"("}, nil)
	assert.ErrorIs(t, err, ErrGrammar, "std::regex_error is caught")
}

func TestGrammarRefuses(t *testing.T) {
	noLeaks(t)
	v := loadTiny(t).Vocab()
	nested := `"a"?`
	for range 5 {
		nested = "(" + nested + "){0,50}"
	}
	double := `root ::= r0` + "\n"
	for i := range 40 {
		double += fmt.Sprintf("r%d ::= r%d | r%d\n", i, i+1, i+1)
	}
	double += `r40 ::= "a"`
	for want, grammar := range map[string]string{
		"line 1: a '\"' is missing":         `root ::= "a`,
		"line 2: a ']' is missing":          "root ::= \n[a",
		"no rule \"root\"":                  `start ::= "a"`,
		"there is no rule \"other\"":        `root ::= other`,
		`rule "root": it is left-recursive`: `root ::= root "a"`,
		"zero byte":                         "root ::= \"a\" \x00",
		"not UTF-8":                         "root ::= \"\xff\"",
		"nest deeper":                       "root ::= " + strings.Repeat("(", 100_000) + `"a"` + strings.Repeat(")", 100_000),
		"more than 8192 rules":              many(100_000),
		"\"1000000\" repetitions":           `root ::= "a"{1000000}`,
		"its least after its most":          `root ::= "a"{3,1}`,
		"4194305 bytes":                     strings.Repeat(" ", maxGrammarBytes+1),
		"too ambiguous":                     "root ::= " + nested,
		"without end what may be empty":     `root ::= ("a"?)*`,
		"longer than":                       `root ::= "` + strings.Repeat("a", 10_000) + `"{1000}`,
		"'*' repeats nothing":               `root ::= * "a"`,
		"has no ::=":                        "root ::= \"a\"\nrule = \"b\"",
		"goes on with \")\"":                `root ::= "a")`,
		"a ) is missing":                    `root ::= ("a"`,
		"line 3: a rule's name":             "root ::= \"a\"\n\n::= \"b\"",
		"more than 100000 ways":             double,
	} {
		_, err := v.SamplerInitGrammar(grammar, "root")
		require.ErrorIs(t, err, ErrGrammar, want)
		assert.ErrorContains(t, err, want)
	}
	_, err := v.SamplerInitGrammar(`root ::= "a"`, "other")
	assert.ErrorContains(t, err, "no rule \"other\"")
}

// many is a grammar with n rules.
func many(n int) string {
	var b strings.Builder
	b.WriteString("root ::= r0\n")
	for i := range n {
		fmt.Fprintf(&b, "r%d ::= \"a\"\n", i)
	}
	return b.String()
}

func TestGrammarTakes(t *testing.T) {
	noLeaks(t)
	v := loadTiny(t).Vocab()
	for _, grammar := range []string{
		"",
		"root ::= \"" + strings.Repeat("(", 2000) + `" [(] # ((((`, // parentheses that don't nest
		"# comment\n\nroot ::= a | # or\n  b\na ::= \"x\"\r\nb ::= [^\\]\"a-z] .\n",
		"root ::= (\n \"a\"\n | \"b\" \n)+ \"c\"{2} \"d\"{1,} \"e\"{0,3} [0-9]?",
		"root ::= \"\\x41\\u00e9\\U0001F999\\n\\t\\\\ \\\"\"",
		"root ::= <[97]> !<[98]> <think> \"\"",
		"root ::= object\nobject ::= \"{\" ws (pair (\",\" ws pair)*)? \"}\" ws\npair ::= string \":\" ws value\n" +
			"string ::= \"\\\"\" [^\"]* \"\\\"\" ws\nvalue ::= object | string | (\"-\"? [0-9]{1,15}) ws\nws ::= | \" \" | \"\\n\" [ \\t]{0,20}",
	} {
		s, err := v.SamplerInitGrammar(grammar, "root")
		require.NoError(t, err, grammar)
		s.Close()
	}
}

// Whatever a grammar is, loading it and sampling with it ends, in bounded memory.
func FuzzGrammar(f *testing.F) {
	for _, seed := range []string{`root ::= "a"{0,3} | [a-z]+`, "root ::= (a | \"b\")?\na ::= !<[97]> .", `root ::= "é" # x`} {
		f.Add(seed)
	}
	v := loadTiny(f).Vocab()
	c := candidatesOf(f, v.NTokens())
	logits := randomLogits(1, v.NTokens())
	f.Fuzz(func(t *testing.T, grammar string) {
		s, err := v.SamplerInitGrammar(grammar, "root")
		if err != nil {
			return
		}
		defer s.Close()
		for range 5 {
			if c.Fill(logits) != nil || s.Apply(c) != nil {
				return
			}
			left := ids(c)
			if len(left) == 0 || s.Accept(left[0]) != nil {
				return
			}
		}
	})
}
