package sample

import (
	"math"

	"github.com/puna-ai/puna/cgo/llama"
)

// Logprob is a token's log-probability (natural log) by the model alone, before any
// sampler.
type Logprob struct {
	Token   llama.Token
	Logprob float64
}

// negligible is how far below the highest a logit adds nothing to a float64 sum.
const negligible = 40

// Logprobs returns the log-probability of token and those of the n likeliest tokens,
// likeliest first, from logits (vocabulary,). It reads all logits twice.
func Logprobs(x *Scratch, logits []float32, token llama.Token, n int) (Logprob, []Logprob, error) {
	if err := x.all.FillTopK(logits, max(1, n)); err != nil {
		return Logprob{}, nil, err
	}
	best := x.all.Data()
	top := float64(best[0].Logit)
	sum := 0.0
	for _, l := range logits {
		if d := float64(l) - top; d > -negligible {
			sum += math.Exp(d)
		}
	}
	norm := top + math.Log(sum)
	var likeliest []Logprob
	for _, d := range best[:min(n, len(best))] {
		likeliest = append(likeliest, Logprob{d.ID, float64(d.Logit) - norm})
	}
	return Logprob{token, float64(logits[token]) - norm}, likeliest, nil
}
