// Package sample chooses tokens: llama.cpp's samplers, in the order of llama.cpp's
// own chain (common_sampler_init), set up from [puna.Options].
//
// Two cases take a shortcut over the logits in place. Greedy choice (temperature 0)
// is one pass for the highest logit. Where nothing but a top-k sampler would see
// more than k candidates, one pass finds these and the chain gets only them; it is
// taken only where no two of the best k+1 logits are equal, since llama.cpp leaves
// open which of equal ones its top-k keeps. Both give what the chain gives, for the
// same random numbers; tests compare them on random logits.
//
// A grammar is applied as llama.cpp does it: the chain chooses, and only when the
// grammar forbids the choice all candidates go through the grammar and the chain
// chooses again.
//
// Caveats: a Sampler isn't safe for concurrent use; a [Scratch] belongs to one
// goroutine at a time and may serve many samplers.
package sample
