package engine

import (
	"slices"

	"github.com/puna-ai/puna"
	"github.com/puna-ai/puna/cgo/llama"
	"github.com/puna-ai/puna/engine/loop"
	"github.com/puna-ai/puna/engine/sample"
)

// picker is a request's sampler and the text that its tokens make.
type picker struct {
	vocab   *llama.Vocab
	sampler *sample.Sampler
	scratch []*sample.Scratch // by worker
	eog     []llama.Token
	text    holder
	piece   []byte

	logprobs bool
	top      int
	pending  []puna.TokenLogprob // of tokens whose text is held back

	wake waker // of a grammar
}

// Pick chooses a token and returns its text, less what has to be held back.
func (p *picker) Pick(worker int, logits []float32) loop.Pick {
	x := p.scratch[worker]
	t, err := p.sampler.Sample(x, logits)
	if err != nil {
		return loop.Pick{Err: puna.Errorf(puna.Internal, "sampling: %w", err)}
	}
	if slices.Contains(p.eog, t) {
		pick := p.Flush()
		pick.Token, pick.End = t, puna.DoneStop
		return pick
	}
	p.piece = p.vocab.AppendPiece(p.piece[:0], t, 0, true)
	if p.logprobs {
		if err := p.addLogprob(x, logits, t); err != nil {
			return loop.Pick{Err: puna.Errorf(puna.Internal, "log-probabilities: %w", err)}
		}
	}
	if p.wake.at != "" && p.wake.add(p.piece) {
		p.sampler.StartGrammar()
		p.wake.at = ""
	}
	text, stopped := p.text.add(p.piece)
	pick := loop.Pick{Token: t, Text: text}
	if stopped {
		pick.End = puna.DoneStop
	}
	if text != "" {
		pick.Logprobs, p.pending = p.pending, nil
	}
	return pick
}

// Flush returns what is held back, at the end.
func (p *picker) Flush() loop.Pick {
	pick := loop.Pick{Text: p.text.flush(), Logprobs: p.pending}
	p.pending = nil
	return pick
}

// Close frees the sampler.
func (p *picker) Close() { p.sampler.Close() }

func (p *picker) addLogprob(x *sample.Scratch, logits []float32, t llama.Token) error {
	one, top, err := sample.Logprobs(x, logits, t, p.top)
	if err != nil {
		return err
	}
	lp := p.named(one)
	for _, l := range top {
		lp.Top = append(lp.Top, p.named(l))
	}
	p.pending = append(p.pending, lp)
	return nil
}

func (p *picker) named(l sample.Logprob) puna.TokenLogprob {
	b := p.vocab.AppendPiece(nil, l.Token, 0, true)
	return puna.TokenLogprob{Token: valid(b), Bytes: b, Logprob: l.Logprob}
}
