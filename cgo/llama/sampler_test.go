package llama

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func candidatesOf(t testing.TB, n int) *Candidates {
	t.Helper()
	c, err := NewCandidates(n)
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

func chainOf(t testing.TB, samplers ...*Sampler) *Sampler {
	t.Helper()
	chain := SamplerChainInit(false)
	t.Cleanup(chain.Close)
	chain.ChainAdd(samplers...)
	return chain
}

// randomLogits draws n normal logits.
func randomLogits(seed uint64, n int) []float32 {
	rng := rand.New(rand.NewPCG(seed, 0))
	logits := make([]float32, n)
	for i := range logits {
		logits[i] = float32(rng.NormFloat64() * 3)
	}
	return logits
}

// ids are the candidates left, sorted.
func ids(c *Candidates) []Token {
	var out []Token
	for _, d := range c.Data() {
		if !math.IsInf(float64(d.Logit), -1) {
			out = append(out, d.ID)
		}
	}
	slices.Sort(out)
	return out
}

// Each sampler on five candidates with logits 4, 3, 2, 1, 0 leaves what its paper says.
func TestFilters(t *testing.T) {
	noLeaks(t)
	logits := []float32{2, 4, 0, 3, 1} // tokens 1, 3, 0, 4, 2 in order
	for _, tt := range []struct {
		name string
		s    *Sampler
		want []Token
	}{
		{"top-k", SamplerInitTopK(2), []Token{1, 3}},
		{"top-k", SamplerInitTopK(0), []Token{0, 1, 2, 3, 4}},
		{"top-p", SamplerInitTopP(0.7, 1), []Token{1, 3}}, // .64 + .23
		{"min-p", SamplerInitMinP(0.1, 1), []Token{0, 1, 3}},
		{"min-p", SamplerInitMinP(0.9, 3), []Token{0, 1, 3}},
		{"typical", SamplerInitTypical(0.2, 1), []Token{3}},     // entropy 1.0; surprise .45 and 1.45
		{"top-n-sigma", SamplerInitTopNSigma(1), []Token{1, 3}}, // sigma is 1.41
		{"temp", SamplerInitTemp(0), []Token{1}},
		{"xtc", SamplerInitXTC(1, 0.05, 1, 1), []Token{0, 2, 4}}, // .64 and .23 go, .09 stays
	} {
		c := candidatesOf(t, 5)
		require.NoError(t, c.Fill(logits))
		require.NoError(t, tt.s.Apply(c))
		assert.Equal(t, tt.want, ids(c), tt.name)
		assert.Equal(t, tt.name, tt.s.Name())
		tt.s.Close()
	}
}

func TestTemperature(t *testing.T) {
	c := candidatesOf(t, 2)
	s := SamplerInitTemp(2)
	defer s.Close()
	require.NoError(t, c.Fill([]float32{3, 5}))
	require.NoError(t, s.Apply(c))
	assert.Equal(t, float32(1.5), c.Data()[0].Logit)

	ext := SamplerInitTempExt(2, 0, 1)
	defer ext.Close()
	require.NoError(t, c.Fill([]float32{3, 5}))
	require.NoError(t, ext.Apply(c))
	assert.Equal(t, float32(1.5), c.Data()[0].Logit)
}

func TestSample(t *testing.T) {
	noLeaks(t)
	logits := randomLogits(1, 1000)
	best := Argmax(logits)
	c := candidatesOf(t, 1000)
	for _, s := range []*Sampler{
		chainOf(t, SamplerInitGreedy()),
		chainOf(t, SamplerInitTopK(1), SamplerInitDist(3)),
		chainOf(t, SamplerInitTemp(0), SamplerInitDist(3)),
	} {
		got, err := s.Sample(c, logits, true)
		require.NoError(t, err)
		assert.Equal(t, best, got)
		assert.Equal(t, best, c.Selected())
	}
	for _, s := range []*Sampler{SamplerInitMirostat(1000, 7, 3, 0.1, 100), SamplerInitMirostatV2(7, 3, 0.1)} {
		got, err := s.Sample(c, logits, true)
		require.NoError(t, err)
		assert.True(t, got >= 0 && got < 1000)
		s.Close()
	}

	unfinished := chainOf(t, SamplerInitTopK(10))
	_, err := unfinished.Sample(c, logits, false)
	require.ErrorContains(t, err, "no token was selected")
	_, err = unfinished.Sample(c, make([]float32, 1001), false)
	require.ErrorContains(t, err, "no token was selected", "the sampler stays failed")
	require.NoError(t, unfinished.Reset())
	_, err = unfinished.Sample(c, make([]float32, 1001), false)
	require.ErrorContains(t, err, "1001 logits")
	_, err = unfinished.Sample(c, nil, false)
	require.ErrorContains(t, err, "0 logits")
}

// A seed gives the same draws, Reset starts them over, and they follow the probabilities.
func TestDist(t *testing.T) {
	logits := []float32{0, float32(math.Log(3)), float32(math.Log(6))}
	c := candidatesOf(t, 3)
	draw := func(s *Sampler, n int) (out []Token) {
		for range n {
			tok, err := s.Sample(c, logits, true)
			require.NoError(t, err)
			out = append(out, tok)
		}
		return out
	}
	a, b := chainOf(t, SamplerInitDist(42)), chainOf(t, SamplerInitDist(42))
	assert.EqualValues(t, 42, a.GetSeed())
	first := draw(a, 5000)
	assert.Equal(t, first, draw(b, 5000))
	require.NoError(t, a.Reset())
	assert.Equal(t, first, draw(a, 5000))
	var count [3]int
	for _, tok := range first {
		count[tok]++
	}
	for i, want := range []float64{0.1, 0.3, 0.6} {
		assert.InDelta(t, want, float64(count[i])/5000, 0.02)
	}
	g := SamplerInitGreedy()
	defer g.Close()
	assert.Equal(t, DefaultSeed, g.GetSeed())
}

func TestPenalties(t *testing.T) {
	s, err := SamplerInitPenalties(3, 2, 0.5, 0.25)
	require.NoError(t, err)
	defer s.Close()
	for _, tok := range []Token{0, 1, 1, 2} { // token 0 falls out of the last three
		require.NoError(t, s.Accept(tok))
	}
	c := candidatesOf(t, 4)
	require.NoError(t, c.Fill([]float32{8, 8, -8, 8}))
	require.NoError(t, s.Apply(c))
	var got []float32
	for _, d := range c.Data() {
		got = append(got, d.Logit)
	}
	assert.Equal(t, []float32{8, 8.0/2 - 2*0.5 - 0.25, -8*2 - 0.5 - 0.25, 8}, got)
	_, err = SamplerInitPenalties(1<<30, 1, 0, 0)
	assert.Error(t, err)
}

func TestLogitBias(t *testing.T) {
	s, err := SamplerInitLogitBias(4, []LogitBias{{2, 5}, {0, float32(math.Inf(-1))}})
	require.NoError(t, err)
	defer s.Close()
	c := candidatesOf(t, 4)
	require.NoError(t, c.Fill([]float32{1, 1, 1, 1}))
	require.NoError(t, s.Apply(c))
	assert.Equal(t, []Token{1, 2, 3}, ids(c))
	assert.Equal(t, float32(6), c.Data()[2].Logit)
	for _, tok := range []Token{-1, 4} {
		_, err := SamplerInitLogitBias(4, []LogitBias{{tok, 1}})
		assert.ErrorContains(t, err, "need 0 to 3")
	}
	none, err := SamplerInitLogitBias(4, nil)
	require.NoError(t, err)
	none.Close()
}

func TestDRY(t *testing.T) {
	v := loadTiny(t).Vocab()
	s, err := v.SamplerInitDRY(1000, 1, 2, 2, -1, []string{"\n"})
	require.NoError(t, err)
	defer s.Close()
	for _, b := range []byte("abcdXabc") {
		require.NoError(t, s.Accept(Token(b)))
	}
	c := candidatesOf(t, v.NTokens())
	require.NoError(t, c.Fill(make([]float32, v.NTokens())))
	require.NoError(t, s.Apply(c))
	for _, d := range c.Data() {
		if d.ID == 'd' { // would repeat "abcd": 1 * 2^(3-2)
			assert.Equal(t, float32(-2), d.Logit)
		} else {
			assert.Zero(t, d.Logit)
		}
	}
	_, err = v.SamplerInitDRY(1<<30, 1, 2, 2, -1, nil)
	assert.Error(t, err)
}

func TestInfill(t *testing.T) {
	v := loadTiny(t).Vocab()
	s, err := v.SamplerInitInfill()
	require.NoError(t, err)
	defer s.Close()
	c := candidatesOf(t, v.NTokens())
	logits := make([]float32, v.NTokens())
	logits[v.EOT()] = 20
	require.NoError(t, c.Fill(logits))
	require.NoError(t, s.Apply(c))
	assert.Equal(t, []Token{v.EOT()}, ids(c), "the end is more likely than all others")
}

func TestChain(t *testing.T) {
	noLeaks(t)
	chain := SamplerChainInit(false)
	k, d := SamplerInitTopK(3), SamplerInitDist(9)
	chain.ChainAdd(k, d)
	k.Close() // does nothing: the chain owns it
	assert.PanicsWithValue(t, "llama: use of a closed Sampler", func() { k.Name() })
	assert.PanicsWithValue(t, "llama: use of a closed Sampler", func() { chain.ChainAdd(k) })
	require.Equal(t, 2, chain.ChainN())
	assert.Equal(t, "chain", chain.Name())
	assert.Equal(t, "dist", chain.ChainGet(1).Name())
	assert.Nil(t, chain.ChainGet(2))
	assert.Nil(t, chain.ChainGet(-1))
	assert.EqualValues(t, 9, chain.GetSeed())
	assert.Panics(t, func() { chain.ChainGet(0).ChainN() }, "not a chain")

	got := chain.ChainGet(0)
	got.Close() // borrowed
	removed := chain.ChainRemove(0)
	assert.Equal(t, "top-k", removed.Name())
	assert.Nil(t, chain.ChainRemove(5))
	assert.Equal(t, 1, chain.ChainN())
	removed.Close()

	c := candidatesOf(t, 10)
	_, err := chain.Sample(c, make([]float32, 10), true)
	require.NoError(t, err)
	assert.Equal(t, 1, chain.PerfSampler().NSample)
	chain.PerfSamplerReset()
	assert.Zero(t, chain.PerfSampler().NSample)
	assert.Panics(t, func() { s := SamplerInitGreedy(); defer s.Close(); s.PerfSampler() }, "llama.cpp would abort")
	borrowed := chain.ChainGet(0)
	chain.Close()
	chain.Close()
	assert.PanicsWithValue(t, "llama: use of a closed Sampler", func() { borrowed.Name() })
}

// With a grammar in the chain, sampling only ever gives what it allows.
func TestFillTopK(t *testing.T) {
	c := candidatesOf(t, 2000)
	for _, k := range []int{-1, 1, 2, 40, 1999, 2000, 3000} {
		logits := randomLogits(uint64(k+1), 2000)
		logits[17], logits[900] = 50, 50 // equals
		require.NoError(t, c.FillTopK(logits, k))
		want := make([]Token, 2000)
		for i := range want {
			want[i] = Token(i)
		}
		slices.SortStableFunc(want, func(a, b Token) int {
			return -int(math.Copysign(1, float64(logits[a]-logits[b]))) * boolInt(logits[a] != logits[b])
		})
		want = want[:min(max(k, 1), 2000)]
		var got []Token
		for _, d := range c.Data() {
			got = append(got, d.ID)
			assert.Equal(t, logits[d.ID], d.Logit)
		}
		assert.Equal(t, want, got, "k = %d", k)
		assert.True(t, c.Sorted())
	}
	c.SetLen(1)
	assert.Len(t, c.Data(), 1)
	c.SetLen(5)
	assert.Len(t, c.Data(), 1)
	assert.Equal(t, TokenNull, c.Selected())
	_, err := NewCandidates(0)
	assert.Error(t, err)
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// llama.cpp's dist aborts on each of these.
func TestNothingToSelect(t *testing.T) {
	v := loadTiny(t).Vocab()
	n := v.NTokens()
	c := candidatesOf(t, n)
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	for _, bad := range []float32{nan, inf} {
		logits := randomLogits(3, n)
		logits[n/2] = bad
		s := chainOf(t, SamplerInitDist(1))
		_, err := s.Sample(c, logits, true)
		assert.ErrorContains(t, err, "NaN or infinity")
		assert.ErrorIs(t, c.Fill(logits), errNaN)
		assert.ErrorIs(t, c.FillTopK(logits, 3), errNaN)
	}
	none := slices.Repeat([]float32{-inf}, n)
	_, err := chainOf(t, SamplerInitDist(1)).Sample(c, none, true)
	assert.ErrorContains(t, err, "no token is left for dist")
	_, err = chainOf(t, SamplerInitTemp(1e-44), SamplerInitDist(1)).Sample(c, randomLogits(3, n), true)
	assert.ErrorContains(t, err, "temp made a logit")

	g, err := v.SamplerInitGrammar(`root ::= "a"`, "root")
	require.NoError(t, err)
	bias, err := SamplerInitLogitBias(int32(n), []LogitBias{{'a', -inf}})
	require.NoError(t, err)
	_, err = chainOf(t, bias, g, SamplerInitDist(1)).Sample(c, randomLogits(3, n), true)
	assert.ErrorContains(t, err, "no token is left for dist")
	assert.Equal(t, TokenNull, Argmax(slices.Repeat([]float32{nan}, 100)))
}

// What is no number in a sampler's own settings is refused: it would reach the logits.
func TestSamplersRefuse(t *testing.T) {
	v := loadTiny(t).Vocab()
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	_, err := SamplerInitLogitBias(4, []LogitBias{{1, nan}})
	assert.Error(t, err)
	_, err = SamplerInitLogitBias(4, []LogitBias{{1, inf}})
	assert.Error(t, err)
	for _, p := range [][3]float32{{0, 0, 0}, {-1, 0, 0}, {nan, 0, 0}, {1, inf, 0}, {1, 0, nan}} {
		_, err = SamplerInitPenalties(64, p[0], p[1], p[2])
		assert.Error(t, err, "%v", p)
	}
	_, err = v.SamplerInitDRY(100, nan, 1.75, 2, -1, nil)
	assert.Error(t, err)
	_, err = v.SamplerInitDRY(100, -1, 1.75, 2, -1, nil)
	assert.Error(t, err)
}

// A lazy grammar that sleeps through a long text doesn't overflow the stack.
