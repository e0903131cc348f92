package sample_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/puna-ai/puna"
	"github.com/puna-ai/puna/cgo/llama"
	"github.com/puna-ai/puna/engine/sample"
	"github.com/puna-ai/puna/internal/testmodel"
)

func TestMain(m *testing.M) {
	code := m.Run()
	for kind, n := range llama.Live() {
		if n != 0 && code == 0 {
			fmt.Fprintf(os.Stderr, "%d handles of type %s are left open\n", n, kind)
			code = 1
		}
	}
	os.Exit(code)
}

func vocab(t testing.TB) *llama.Vocab {
	params := llama.ModelDefaultParams()
	params.VocabOnly = true
	m, err := llama.LoadModelFromFile(testmodel.Path(t), params)
	require.NoError(t, err)
	t.Cleanup(m.Close)
	return m.Vocab()
}

func scratch(t testing.TB, n int) *sample.Scratch {
	x, err := sample.NewScratch(n)
	require.NoError(t, err)
	t.Cleanup(x.Close)
	return x
}

func sampler(t testing.TB, c sample.Config) *sample.Sampler {
	if c.Limit == 0 {
		c.Limit, c.Train = 4096, 4096
	}
	s, err := sample.New(c)
	require.NoError(t, err)
	t.Cleanup(s.Close)
	return s
}

// reference is llama.cpp's chain built as common_sampler_init does, with every
// sampler in it.
func reference(t testing.TB, v *llama.Vocab, o puna.Options) *llama.Sampler {
	seed := uint32(puna.Or(o.Seed, -1))
	f := func(p *float64, def float64) float32 { return float32(puna.Or(p, def)) }
	pen, err := llama.SamplerInitPenalties(int32(puna.Or(o.RepeatLastN, 64)), f(o.RepeatPenalty, 1), f(o.FrequencyPenalty, 0), f(o.PresencePenalty, 0))
	require.NoError(t, err)
	dry, err := v.SamplerInitDRY(4096, f(o.DryMultiplier, 0), f(o.DryBase, 1.75), int32(puna.Or(o.DryAllowedLength, 2)), 4096, []string{"\n", ":", "\"", "*"})
	require.NoError(t, err)
	c := llama.SamplerChainInit(true)
	t.Cleanup(c.Close)
	c.ChainAdd(pen, dry,
		llama.SamplerInitTopNSigma(f(o.TopNSigma, -1)),
		llama.SamplerInitTopK(int32(puna.Or(o.TopK, 40))),
		llama.SamplerInitTypical(f(o.TypicalP, 1), 0),
		llama.SamplerInitTopP(f(o.TopP, 0.9), 0),
		llama.SamplerInitMinP(f(o.MinP, 0), 0),
		llama.SamplerInitXTC(f(o.XTCProbability, 0), f(o.XTCThreshold, 0.1), 0, seed),
		llama.SamplerInitTempExt(f(o.Temperature, 0.8), f(o.DynatempRange, 0), f(o.DynatempExponent, 1)),
		llama.SamplerInitDist(seed))
	return c
}

// The kinds of random logits.
const (
	smooth = iota
	tied   // most have equals
	holes  // -infinity among them
	kinds
)

func logits(rng *rand.Rand, n, kind int) []float32 {
	l := make([]float32, n)
	for i := range l {
		l[i] = float32(rng.NormFloat64() * 4)
		switch {
		case kind == tied:
			l[i] = float32(math.Round(float64(l[i]) * 2))
		case kind == holes && rng.IntN(3) == 0:
			l[i] = float32(math.Inf(-1))
		}
	}
	return l
}

func pick[T any](rng *rand.Rand, vals ...T) *T {
	if i := rng.IntN(len(vals) + 1); i < len(vals) {
		return &vals[i]
	}
	return nil
}

func options(rng *rand.Rand) puna.Options {
	return puna.Options{
		Seed: new(rng.IntN(1 << 30)), Temperature: pick(rng, 0, 0.3, 1.0, 2), TopK: pick(rng, 0, 1, 5, 100, 5000),
		TopP: pick(rng, 0.1, 0.5, 1), MinP: pick(rng, 0.05, 0.3), TypicalP: pick(rng, 0.5, 1.0),
		RepeatPenalty: pick(rng, 1, 1.3), RepeatLastN: pick(rng, 0, 8, 64), FrequencyPenalty: pick(rng, 0, 0.5),
		PresencePenalty: pick(rng, 0, 0.7), TopNSigma: pick(rng, -1.0, 1), XTCProbability: pick(rng, 0, 0.5),
		DynatempRange: pick(rng, 0, 0.2), DryMultiplier: pick(rng, 0, 0.8),
	}
}

func TestSamplerIsLlamasChain(t *testing.T) {
	v := vocab(t)
	x := scratch(t, v.NTokens())
	all, err := llama.NewCandidates(v.NTokens())
	require.NoError(t, err)
	defer all.Close()
	for seed := range uint64(400) {
		rng := rand.New(rand.NewPCG(seed, 1))
		o := options(rng)
		s, err := sample.New(sample.Config{Vocab: v, Train: 4096, Limit: 4096, Options: o})
		require.NoError(t, err)
		ref := reference(t, v, o)
		for step := range 8 {
			kind := rng.IntN(kinds)
			if kind == tied && puna.Or(o.Temperature, 1) == 0 {
				kind = smooth // the chain's top-k leaves open which of the best comes first
			}
			l := logits(rng, v.NTokens(), kind)
			before := slices.Clone(l)
			got, err := s.Sample(x, l)
			require.NoError(t, err)
			want, err := ref.Sample(all, l, true)
			require.NoError(t, err)
			require.Equal(t, want, got, "seed %d, step %d, %+v", seed, step, o)
			require.Equal(t, before, l, "logits are left alone")
		}
		s.Close()
		ref.Close()
	}
}

func TestGreedyTakesTheFirstOfTies(t *testing.T) {
	v := vocab(t)
	s := sampler(t, sample.Config{Vocab: v, Options: puna.Options{Temperature: new(0.0)}})
	l := make([]float32, v.NTokens())
	l[77], l[200] = 3, 3
	got, err := s.Sample(scratch(t, v.NTokens()), l)
	require.NoError(t, err)
	assert.Equal(t, llama.Token(77), got)
}

func TestNonsenseLogitsAreAnError(t *testing.T) {
	v := vocab(t)
	x := scratch(t, v.NTokens())
	for _, bad := range []float64{math.NaN(), math.Inf(1)} {
		l := make([]float32, v.NTokens())
		l[5] = float32(bad)
		for _, o := range []puna.Options{{}, {TopK: new(0)}, {Mirostat: new(2)}} {
			_, err := sampler(t, sample.Config{Vocab: v, Options: o}).Sample(x, l)
			assert.Error(t, err, "%v %+v", bad, o)
		}
	}
	l := slices.Repeat([]float32{float32(math.NaN())}, v.NTokens())
	_, err := sampler(t, sample.Config{Vocab: v, Options: puna.Options{Temperature: new(0.0)}}).Sample(x, l)
	assert.Error(t, err)
}

func TestSeedsRepeat(t *testing.T) {
	v := vocab(t)
	x := scratch(t, v.NTokens())
	for i, o := range []puna.Options{{}, {Mirostat: new(1)}, {Mirostat: new(2)}, {XTCProbability: new(0.5), TopK: new(0)}} {
		o.Seed = new([]int{42, math.MaxUint32}[i%2])
		var runs [2][]llama.Token
		for i := range runs {
			s := sampler(t, sample.Config{Vocab: v, Options: o})
			rng := rand.New(rand.NewPCG(1, 2))
			for range 30 {
				tok, err := s.Sample(x, logits(rng, v.NTokens(), smooth))
				require.NoError(t, err)
				runs[i] = append(runs[i], tok)
			}
		}
		assert.Equal(t, runs[0], runs[1], "%+v", o)
	}
}

func TestPenaltiesLookBackOnThePrompt(t *testing.T) {
	v := vocab(t)
	o := puna.Options{Temperature: new(0.0), PresencePenalty: new(2.0)}
	l := make([]float32, v.NTokens())
	l[10], l[11] = 2, 1
	for _, prompt := range [][]llama.Token{nil, {10}} {
		s := sampler(t, sample.Config{Vocab: v, Options: o, Prompt: prompt})
		got, err := s.Sample(scratch(t, v.NTokens()), l)
		require.NoError(t, err)
		assert.Equal(t, llama.Token(10+len(prompt)), got)
	}
}

// The longest look-back costs no more than there is to look back on.
func TestPenaltiesLookBackNoFurtherThanTheContext(t *testing.T) {
	far := puna.Options{RepeatLastN: new(math.MaxInt32), RepeatPenalty: new(1.1), DryMultiplier: new(0.8), DryPenaltyLastN: new(math.MaxInt32)}
	sampler(t, sample.Config{Vocab: vocab(t), Options: far, Limit: 100})
}

func TestBiasesAndEOS(t *testing.T) {
	v := vocab(t)
	x := scratch(t, v.NTokens())
	l := make([]float32, v.NTokens())
	l[v.EOS()], l[12], l[13] = 9, 5, 1
	for _, c := range []struct {
		o    puna.Options
		want llama.Token
	}{
		{puna.Options{}, v.EOS()},
		{puna.Options{IgnoreEOS: new(true)}, 12},
		{puna.Options{IgnoreEOS: new(true), LogitBias: map[string]float64{"12": -7}}, 13},
		{puna.Options{LogitBias: map[string]float64{strconv.Itoa(20): 100}}, 20},
	} {
		c.o.Temperature = new(0.0)
		got, err := sampler(t, sample.Config{Vocab: v, EOG: []llama.Token{v.EOS()}, Options: c.o}).Sample(x, l)
		require.NoError(t, err)
		assert.Equal(t, c.want, got, "%+v", c.o)
	}
	_, err := sample.New(sample.Config{Vocab: v, Options: puna.Options{LogitBias: map[string]float64{"999999": 1}}})
	assert.Equal(t, puna.Invalid, puna.KindOf(err))
	assert.ErrorContains(t, err, `option "logit_bias": the model has no token 999999`)
}

func TestAGrammarAllowsOnlyItsSentences(t *testing.T) {
	v := vocab(t)
	x := scratch(t, v.NTokens())
	for seed := range uint64(20) {
		rng := rand.New(rand.NewPCG(seed, 3))
		o := puna.Options{Seed: new(int(seed)), TopK: pick(rng, 0, 10), Temperature: pick(rng, 0, 1.0)}
		s := sampler(t, sample.Config{Vocab: v, Options: o, Grammar: `root ::= "yes" | "no" [0-9] [0-9]`})
		var b strings.Builder
		for range 20 {
			tok, err := s.Sample(x, logits(rng, v.NTokens(), smooth))
			require.NoError(t, err)
			if v.IsEOG(tok) {
				break
			}
			b.WriteString(v.TokenToPiece(tok, 0, true))
		}
		assert.Regexp(t, `^(yes|no\d\d)$`, b.String())
	}
	_, err := sample.New(sample.Config{Vocab: v, Grammar: `root ::= "`})
	assert.Equal(t, puna.Invalid, puna.KindOf(err))
}

func TestASleepingGrammarWaits(t *testing.T) {
	v := vocab(t)
	x := scratch(t, v.NTokens())
	s := sampler(t, sample.Config{Vocab: v, Options: puna.Options{Temperature: new(0.0)}, Grammar: `root ::= "a"`, Asleep: true})
	l := make([]float32, v.NTokens())
	l[30] = 5
	got, err := s.Sample(x, l)
	require.NoError(t, err)
	assert.Equal(t, llama.Token(30), got)
	s.StartGrammar()
	got, err = s.Sample(x, l)
	require.NoError(t, err)
	assert.Equal(t, "a", v.TokenToPiece(got, 0, true))
}

func TestLogprobs(t *testing.T) {
	x := scratch(t, 50)
	l := logits(rand.New(rand.NewPCG(1, 1)), 50, smooth)
	sum := 0.0
	for _, v := range l {
		sum += math.Exp(float64(v))
	}
	one, top, err := sample.Logprobs(x, l, 7, 5)
	require.NoError(t, err)
	assert.InDelta(t, float64(l[7])-math.Log(sum), one.Logprob, 1e-9)
	require.Len(t, top, 5)
	for i, p := range top {
		assert.InDelta(t, float64(l[p.Token])-math.Log(sum), p.Logprob, 1e-9)
		assert.True(t, i == 0 || p.Logprob <= top[i-1].Logprob)
	}
}

func TestSamplingDoesNotAllocateByVocabulary(t *testing.T) {
	v := vocab(t)
	x := scratch(t, v.NTokens())
	l := logits(rand.New(rand.NewPCG(0, 9)), v.NTokens(), smooth)
	for _, o := range []puna.Options{{}, {TopK: new(0)}, {Temperature: new(0.0)}, {RepeatPenalty: new(1.1)}} {
		s := sampler(t, sample.Config{Vocab: v, Options: o})
		assert.LessOrEqual(t, testing.AllocsPerRun(50, func() { _, _ = s.Sample(x, l) }), 1.0, "%+v", o) // a pointer, for Accept
	}
}

func BenchmarkSample(b *testing.B) {
	v := vocab(b)
	n := 128256
	x := scratch(b, n)
	l := logits(rand.New(rand.NewPCG(0, 9)), n, smooth)
	for name, o := range map[string]puna.Options{"greedy": {Temperature: new(0.0)}, "default": {}, "topk0": {TopK: new(0)}} {
		b.Run(name, func(b *testing.B) {
			s := sampler(b, sample.Config{Vocab: v, Options: o})
			for b.Loop() {
				if _, err := s.Sample(x, l); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
