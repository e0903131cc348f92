// Package ahead drafts tokens with a small model of the same vocabulary: before each step of
// the large model it runs ahead of those sequences whose drafts pay ([spec.Account]).
//
// A [Runner] has a scheduler of its own (engine/sched) for the small model's context, so
// prompts go in chunks, share prefixes and give way when cells run out, as in the
// large one's. A sequence's prompt is computed from its first token on, one chunk before
// each step; then its guesses are appended greedily, all sequences in one batch, and
// those that the large model didn't choose are taken back.
//
// A [Drafter] asks prompt lookup first (engine/spec), since that costs nothing.
//
// Caveats: all but [Runner.Drafter] belong to the goroutine of the large model's loop. A
// context of the small model that fails is not used again: drafts change no answer.
package ahead
