package llama

import (
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/puna-ai/puna/internal/testmodel"
)

func TestVocab(t *testing.T) {
	v := loadTiny(t).Vocab()
	assert.Equal(t, VocabBPE, v.Type())
	assert.Equal(t, testmodel.Tiny.Vocab, v.NTokens())
	assert.Equal(t, testmodel.BOS, v.GetText(v.BOS()))
	assert.Equal(t, testmodel.EOT, v.GetText(v.EOS()))
	assert.True(t, v.IsEOG(v.EOS()))
	assert.False(t, v.IsEOG('a'))
	assert.True(t, v.IsControl(v.BOS()))
	assert.False(t, v.IsControl('a'))
	assert.NotZero(t, v.GetAttr(v.BOS())&TokenAttrControl)
	assert.NotZero(t, v.GetAttr('a')&TokenAttrNormal)
	assert.True(t, v.GetAddBOS())
	assert.False(t, v.GetAddEOS() || v.GetAddSEP())
	assert.Equal(t, "<|fim_prefix|>", v.GetText(v.FIMPre()))
	assert.Equal(t, "<|fim_suffix|>", v.GetText(v.FIMSuf()))
	assert.Equal(t, "<|fim_middle|>", v.GetText(v.FIMMid()))
	for _, none := range []Token{v.SEP(), v.PAD(), v.MASK(), v.FIMPad(), v.FIMRep(), v.FIMSep()} {
		assert.Equal(t, TokenNull, none)
	}
	assert.Equal(t, "\n", v.TokenToPiece(v.NL(), 0, false))
}

// llama.cpp aborts, or throws, on each of these.
func TestVocabOutOfRange(t *testing.T) {
	v := loadTiny(t).Vocab()
	for _, tok := range []Token{-1, -1 << 31, Token(v.NTokens()), 1<<31 - 1} {
		assert.Empty(t, v.GetText(tok))
		assert.Zero(t, v.GetScore(tok))
		assert.Zero(t, v.GetAttr(tok))
		assert.False(t, v.IsEOG(tok) || v.IsControl(tok))
		assert.Empty(t, v.TokenToPiece(tok, 0, true))
		_, err := v.Detokenize([]Token{tok}, false, true)
		assert.ErrorContains(t, err, "need 0 to")
	}
}

func TestTokenize(t *testing.T) {
	v := loadTiny(t).Vocab()
	for _, tt := range []struct {
		text           string
		special, parse bool
		want           []Token
	}{
		{"", false, false, nil},
		{"", true, false, []Token{v.BOS()}},
		{"a", false, false, []Token{'a'}},
		{"a", true, false, []Token{v.BOS(), 'a'}},
		{" the", false, false, []Token{261}}, // by the merges "Ġ t", "h e", "Ġt he"
		{testmodel.EOT, false, true, []Token{v.EOT()}},
		{"a\x00b", false, false, []Token{'a', 0, 'b'}},
	} {
		got, err := v.Tokenize(tt.text, tt.special, tt.parse)
		require.NoError(t, err)
		assert.Equal(t, tt.want, append([]Token(nil), got...), "%q", tt.text)
	}
	plain, err := v.Tokenize(testmodel.EOT, false, false)
	require.NoError(t, err)
	assert.Greater(t, len(plain), 1, "control tokens in plain text stay text")
}

// A text comes back, whatever its bytes, alone and from many goroutines at once.
func TestTokenizeRoundTrip(t *testing.T) {
	v := loadTiny(t).Vocab()
	texts := []string{"Hello, world!", "  two  spaces\n\n", "naïve café 日本語 🦙", strings.Repeat("long ", 5000)}
	rng := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		runes := make([]rune, rng.IntN(60))
		for i := range runes {
			runes[i] = rune(rng.IntN(0xd7ff))
		}
		texts = append(texts, string(runes))
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for _, text := range texts {
				toks, err := v.Tokenize(text, false, false)
				assert.NoError(t, err)
				back, err := v.Detokenize(toks, false, false)
				assert.NoError(t, err)
				assert.Equal(t, text, back)
				var pieces []byte
				for _, tok := range toks {
					pieces = v.AppendPiece(pieces, tok, 0, false)
				}
				assert.Equal(t, text, string(pieces))
			}
		})
	}
	wg.Wait()
}

func TestTokenizeInvalidUTF8(t *testing.T) {
	v := loadTiny(t).Vocab()
	for _, text := range []string{"\xff", "\xc3", "a\xe2\x82", "\xed\xa0\x80", "\xf8\x88\x80\x80\x80"} {
		_, err := v.Tokenize(text, true, true)
		assert.NoError(t, err, "%q", text)
	}
}

func TestPieces(t *testing.T) {
	v := loadTiny(t).Vocab()
	assert.Equal(t, " the", v.TokenToPiece(261, 0, false))
	assert.Equal(t, "the", v.TokenToPiece(261, 1, false))
	assert.Empty(t, v.TokenToPiece(v.BOS(), 0, false))
	assert.Equal(t, testmodel.BOS, v.TokenToPiece(v.BOS(), 0, true))
	assert.Equal(t, "\xe2", v.TokenToPiece(0xe2, 0, false), "a part of a character")

	short := make([]byte, 0, 3) // shorter than the piece
	assert.Equal(t, testmodel.BOS, string(v.AppendPiece(short, v.BOS(), 0, true)))

	text, err := v.Detokenize([]Token{v.BOS(), 'h', 'i'}, true, true)
	require.NoError(t, err)
	assert.Equal(t, "hi", text)
}

func TestAppendTokensKeepsPrefix(t *testing.T) {
	v := loadTiny(t).Vocab()
	toks, err := v.AppendTokens([]Token{7, 8}, "ab", false, false)
	require.NoError(t, err)
	assert.Equal(t, []Token{7, 8, 'a', 'b'}, toks)
}

// A long word overflows the stack of llama.cpp's regular expressions, unless it gets
// one of its size; most tokenizers are like qwen2's.
func TestTokenizeLongWords(t *testing.T) {
	p := ModelDefaultParams()
	p.VocabOnly = true
	p.KVOverrides = []KVOverride{{"tokenizer.ggml.pre", "qwen2"}}
	m, err := LoadModelFromFile(testmodel.Path(t), p)
	require.NoError(t, err)
	defer m.Close()
	v := m.Vocab()
	for _, s := range []string{"a", " ", "\n", "é", "!", " \n", "1"} {
		text := strings.Repeat(s, 100_000/len(s))
		toks, err := v.Tokenize(text, false, false)
		require.NoError(t, err)
		back, err := v.Detokenize(toks, false, false)
		require.NoError(t, err)
		assert.True(t, text == back, "%q", s)
	}
	_, err = v.Tokenize(strings.Repeat("a", deepest), false, false)
	assert.NoError(t, err)
	_, err = v.Tokenize(strings.Repeat("a", deepest+1), false, false)
	assert.ErrorContains(t, err, "without a space")
}

func TestLongestWord(t *testing.T) {
	x := strings.Repeat("x", 300)
	for text, want := range map[string]int{
		"":                            0,
		"a b":                         3, // short texts count whole
		x:                             300,
		x + " " + x:                   601,
		x + " y " + x:                 302,
		x + strings.Repeat(" y", 300): 302,
		strings.Repeat(" ", 400):      400,
		" " + x + "  ":                303,
	} {
		assert.Equal(t, want, longestWord(text), "%.20q", text)
	}
}
