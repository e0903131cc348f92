package llama

import (
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
	for name, grammar := range map[string]string{
		"syntax":         `root ::= "a`,
		"no root":        `start ::= "a"`,
		"unknown rule":   `root ::= other`,
		"left recursion": `root ::= root "a"`,
		"zero byte":      "root ::= \"a\" \x00",
		"deep":           "root ::= " + strings.Repeat("(", 100_000) + `"a"` + strings.Repeat(")", 100_000),
		"many rules":     strings.Repeat("r ::= \"a\"\n", 100_000),
		"repetitions":    `root ::= "a"{1000000}`,
		"huge":           strings.Repeat(" ", maxGrammarBytes+1),
	} {
		_, err := v.SamplerInitGrammar(grammar, "root")
		assert.ErrorIs(t, err, ErrGrammar, name)
	}
	_, err := v.SamplerInitGrammar(`root ::= "a"`, "other")
	assert.ErrorIs(t, err, ErrGrammar)
	empty, err := v.SamplerInitGrammar("", "root")
	require.NoError(t, err)
	empty.Close()
	quoted, err := v.SamplerInitGrammar(`root ::= "`+strings.Repeat("(", 2000)+`" [(] # ((((`, "root")
	require.NoError(t, err, "parentheses in literals don't nest")
	quoted.Close()
}

func TestGrammarLazySleepsLong(t *testing.T) {
	v := loadTiny(t).Vocab()
	s, err := v.SamplerInitGrammarLazyPatterns(`root ::= "<" [a-b] ">"`, "root", []string{`[\s\S]*?(<)[\s\S]*`}, nil)
	require.NoError(t, err)
	chain := chainOf(t, s, SamplerInitGreedy())
	word := Token(261) // " the"
	chain.lazy.bytes = deepest - 100_000
	before := chain.lazy.bytes
	for range 300 {
		require.NoError(t, chain.Accept(word))
	}
	require.Equal(t, before+300*len(" the"), chain.lazy.bytes)
	clone, err := chain.Clone()
	require.NoError(t, err)
	defer clone.Close()
	require.NoError(t, chain.Accept('<'))
	require.ErrorIs(t, chain.Accept('c'), ErrGrammar)
	clone.lazy.bytes = deepest
	require.ErrorContains(t, clone.Accept(word), "sleeps")
	require.NoError(t, clone.Reset())
	require.NoError(t, clone.Accept(word))
}
