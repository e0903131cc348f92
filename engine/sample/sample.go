package sample

import (
	"math"
	"slices"

	"github.com/puna-ai/puna"
	"github.com/puna-ai/puna/cgo/llama"
)

// Config describes one sequence's sampling.
type Config struct {
	Vocab   *llama.Vocab
	EOG     []llama.Token // the end tokens, for ignore_eos
	Train   int           // tokens that the model was trained for
	Limit   int           // tokens that the sequence may have, for windows of -1
	Options puna.Options  // validated
	Grammar string        // GBNF with the rule "root"; goes before Options.Grammar
	Asleep  bool          // the grammar waits for [Sampler.StartGrammar]
	Prompt  []llama.Token // penalties look back on it
}

// Sampler chooses the tokens of one sequence.
type Sampler struct {
	vocab   *llama.Vocab
	chain   *llama.Sampler
	grammar *llama.Sampler // nil: none
	awake   bool           // the grammar is in force
	greedy  bool           // the chain selects the highest logit
	topK    int            // the chain sees no more than so many; 0: all
	history bool           // the chain remembers tokens
}

// New makes a sampler. The caller closes it. Errors are [puna.Invalid].
func New(c Config) (*Sampler, error) {
	s := &Sampler{vocab: c.Vocab, chain: llama.SamplerChainInit(true), awake: !c.Asleep}
	text := c.Grammar
	if text == "" {
		text = c.Options.Grammar
	}
	if text != "" {
		g, err := c.Vocab.SamplerInitGrammar(text, "root")
		if err != nil {
			s.Close()
			return nil, puna.Errorf(puna.Invalid, "the grammar can't be used: %w", err)
		}
		s.grammar = g
	}
	if err := s.build(&c); err != nil {
		s.Close()
		return nil, puna.Errorf(puna.Invalid, "%w", err)
	}
	if s.history {
		for _, t := range c.Prompt {
			if err := s.chain.Accept(t); err != nil {
				s.Close()
				return nil, puna.Errorf(puna.Internal, "%w", err)
			}
		}
	}
	return s, nil
}

// Close frees the samplers. Idempotent.
func (s *Sampler) Close() {
	s.chain.Close()
	if s.grammar != nil {
		s.grammar.Close()
	}
}

// StartGrammar puts a grammar that sleeps in force from the next token on.
func (s *Sampler) StartGrammar() { s.awake = true }

// Sample chooses the token that follows from logits (vocabulary,), and accepts it. A
// grammar that nothing can follow ends with an end token where there is one, even if
// the model never wanted it.
func (s *Sampler) Sample(x *Scratch, logits []float32) (llama.Token, error) {
	t, err := s.choose(x, logits)
	if err != nil {
		return t, err
	}
	if s.grammar != nil && s.awake {
		ok, err := s.allowed(x, t)
		if err != nil {
			return t, err
		}
		if !ok {
			if t, err = s.chooseAllowed(x, logits); err != nil {
				return t, err
			}
		}
		if err := s.grammar.Accept(t); err != nil {
			return t, err
		}
	}
	if s.history {
		err = s.chain.Accept(t)
	}
	return t, err
}

func (s *Sampler) choose(x *Scratch, logits []float32) (llama.Token, error) {
	switch {
	case s.greedy:
		if t := llama.Argmax(logits); t != llama.TokenNull {
			return t, nil
		}
	case s.topK > 0 && s.topK < len(logits):
		if err := x.all.FillTopK(logits, s.topK+1); err != nil {
			return llama.TokenNull, err
		}
		if distinct(x.all.Data()) {
			x.all.SetLen(s.topK)
			if err := s.chain.Apply(x.all); err != nil {
				return llama.TokenNull, err
			}
			return x.all.Selected(), nil
		}
	}
	return s.chain.Sample(x.all, logits, false)
}

// distinct reports whether no two neighbours of sorted candidates are equal.
func distinct(sorted []llama.TokenData) bool {
	for i := 1; i < len(sorted); i++ {
		if sorted[i].Logit == sorted[i-1].Logit {
			return false
		}
	}
	return true
}

// allowed asks the grammar about one token.
func (s *Sampler) allowed(x *Scratch, t llama.Token) (bool, error) {
	if err := x.one.Fill(x.zero[:]); err != nil {
		return false, err
	}
	x.one.Data()[0] = llama.TokenData{ID: t}
	if err := s.grammar.Apply(x.one); err != nil {
		return false, err
	}
	return !math.IsInf(float64(x.one.Data()[0].Logit), -1), nil
}

// chooseAllowed lets the chain choose from what the grammar allows.
func (s *Sampler) chooseAllowed(x *Scratch, logits []float32) (llama.Token, error) {
	if err := x.all.Fill(logits); err != nil {
		return llama.TokenNull, err
	}
	if err := s.grammar.Apply(x.all); err != nil {
		return llama.TokenNull, err
	}
	if !slices.ContainsFunc(x.all.Data(), func(d llama.TokenData) bool { return !math.IsInf(float64(d.Logit), -1) }) {
		return llama.TokenNull, puna.Errorf(puna.Invalid, "the grammar allows no token of this model here")
	}
	if err := s.chain.Apply(x.all); err != nil {
		return llama.TokenNull, err
	}
	return x.all.Selected(), nil
}

// Scratch is the memory that sampling works in, one for each goroutine that samples:
// 12 bytes for each token of the vocabulary, in C.
type Scratch struct {
	all  *llama.Candidates
	one  *llama.Candidates
	zero [1]float32
}

// NewScratch makes room for a vocabulary of n tokens. The caller closes it.
func NewScratch(n int) (*Scratch, error) {
	all, err := llama.NewCandidates(n)
	if err != nil {
		return nil, err
	}
	one, err := llama.NewCandidates(1)
	if err != nil {
		all.Close()
		return nil, err
	}
	return &Scratch{all: all, one: one}, nil
}

// Close frees the memory. Idempotent.
func (x *Scratch) Close() {
	x.all.Close()
	x.one.Close()
}
