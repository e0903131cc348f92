package sample

import (
	"math"
	"slices"
	"strconv"

	"github.com/puna-ai/puna"
	"github.com/puna-ai/puna/cgo/llama"
)

// mirostatM is how many candidates Mirostat 1 estimates with, as in llama.cpp.
const mirostatM = 100

// defaultBreakers are llama.cpp's breakers of DRY repetitions.
var defaultBreakers = []string{"\n", ":", "\"", "*"}

// build fills the chain in llama.cpp's order. Samplers that would do nothing are
// left out.
func (s *Sampler) build(c *Config) error {
	o := &c.Options
	first := true // nothing before top-k changes or drops candidates
	if bias, err := s.biases(c); err != nil {
		return err
	} else if bias != nil {
		s.chain.ChainAdd(bias)
		first = false
	}
	seed := seedOf(puna.Or(o.Seed, -1))
	temp := float32(puna.Or(o.Temperature, 0.8))
	if m := puna.Or(o.Mirostat, 0); m > 0 {
		s.mirostat(o, m, temp, seed)
		return nil
	}
	added, err := s.penalties(c)
	if err != nil {
		return err
	}
	first = first && !added
	if n := float32(puna.Or(o.TopNSigma, -1)); n > 0 {
		s.chain.ChainAdd(llama.SamplerInitTopNSigma(n))
		first = false
	}
	range_ := float32(puna.Or(o.DynatempRange, 0))
	if temp <= 0 && range_ == 0 && !s.dropsTop(o) {
		s.greedy = first
		s.chain.ChainAdd(llama.SamplerInitGreedy())
		return nil
	}
	if k := puna.Or(o.TopK, 40); k > 0 {
		s.chain.ChainAdd(llama.SamplerInitTopK(int32(k)))
		if first {
			s.topK = k
		}
	}
	s.filters(o, seed)
	s.chain.ChainAdd(
		llama.SamplerInitTempExt(temp, range_, float32(puna.Or(o.DynatempExponent, 1))),
		llama.SamplerInitDist(seed))
	return nil
}

// dropsTop reports whether a filter may drop the likeliest token.
func (s *Sampler) dropsTop(o *puna.Options) bool {
	return puna.Or(o.TypicalP, 1) < 1 || puna.Or(o.XTCProbability, 0) > 0
}

// seedOf is llama.cpp's seed: its largest one would be random.
func seedOf(seed int) uint32 {
	if seed == int(llama.DefaultSeed) {
		return llama.DefaultSeed - 1
	}
	return uint32(seed) // -1 is llama.DefaultSeed
}

// filters adds what comes between top-k and temperature.
func (s *Sampler) filters(o *puna.Options, seed uint32) {
	if p := float32(puna.Or(o.TypicalP, 1)); p < 1 {
		s.chain.ChainAdd(llama.SamplerInitTypical(p, 0))
	}
	if p := float32(puna.Or(o.TopP, 0.9)); p < 1 {
		s.chain.ChainAdd(llama.SamplerInitTopP(p, 0))
	}
	if p := float32(puna.Or(o.MinP, 0)); p > 0 {
		s.chain.ChainAdd(llama.SamplerInitMinP(p, 0))
	}
	if p := float32(puna.Or(o.XTCProbability, 0)); p > 0 {
		s.chain.ChainAdd(llama.SamplerInitXTC(p, float32(puna.Or(o.XTCThreshold, 0.1)), 0, seed))
	}
}

func (s *Sampler) mirostat(o *puna.Options, version int, temp float32, seed uint32) {
	tau, eta := float32(puna.Or(o.MirostatTau, 5)), float32(puna.Or(o.MirostatEta, 0.1))
	s.chain.ChainAdd(llama.SamplerInitTemp(temp))
	if version == 1 {
		s.chain.ChainAdd(llama.SamplerInitMirostat(int32(s.vocab.NTokens()), seed, tau, eta, mirostatM))
	} else {
		s.chain.ChainAdd(llama.SamplerInitMirostatV2(seed, tau, eta))
	}
}

// penalties adds those that look back on tokens.
func (s *Sampler) penalties(c *Config) (added bool, err error) {
	o := &c.Options
	lastN := c.lookBack(puna.Or(o.RepeatLastN, 64))
	repeat, freq, present := puna.Or(o.RepeatPenalty, 1), puna.Or(o.FrequencyPenalty, 0), puna.Or(o.PresencePenalty, 0)
	if lastN > 0 && (repeat != 1 || freq != 0 || present != 0) {
		p, err := llama.SamplerInitPenalties(int32(lastN), float32(repeat), float32(freq), float32(present))
		if err != nil {
			return false, err
		}
		s.chain.ChainAdd(p)
		s.history = true
	}
	multiplier, lastN := puna.Or(o.DryMultiplier, 0), c.lookBack(puna.Or(o.DryPenaltyLastN, -1))
	if multiplier > 0 && lastN != 0 {
		breakers := o.DryBreakers
		if breakers == nil {
			breakers = defaultBreakers
		}
		p, err := s.vocab.SamplerInitDRY(int32(c.Train), float32(multiplier), float32(puna.Or(o.DryBase, 1.75)),
			int32(puna.Or(o.DryAllowedLength, 2)), int32(lastN), breakers)
		if err != nil {
			return false, err
		}
		s.chain.ChainAdd(p)
		s.history = true
	}
	return s.history, nil
}

// lookBack is how many tokens there are to look back on: llama.cpp makes room for them
// all at once.
func (c *Config) lookBack(asked int) int {
	if asked < 0 || asked > c.Limit {
		return c.Limit
	}
	return asked
}

// biases adds what the request adds to logits; ignore_eos forbids end tokens.
func (s *Sampler) biases(c *Config) (*llama.Sampler, error) {
	o := &c.Options
	var bias []llama.LogitBias
	for key, b := range o.LogitBias {
		id, err := strconv.ParseInt(key, 10, 32)
		if err != nil || !s.vocab.Has(llama.Token(id)) {
			return nil, puna.Errorf(puna.Invalid, "option \"logit_bias\": the model has no token %s: it has 0 to %d", key, s.vocab.NTokens()-1)
		}
		bias = append(bias, llama.LogitBias{Token: llama.Token(id), Bias: float32(b)})
	}
	slices.SortFunc(bias, func(a, b llama.LogitBias) int { return int(a.Token) - int(b.Token) })
	if puna.Or(o.IgnoreEOS, false) {
		for _, t := range c.EOG {
			bias = append(bias, llama.LogitBias{Token: t, Bias: float32(math.Inf(-1))})
		}
	}
	if len(bias) == 0 {
		return nil, nil
	}
	return llama.SamplerInitLogitBias(int32(s.vocab.NTokens()), bias)
}
