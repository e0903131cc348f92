// Package spec drafts tokens for speculative decoding by prompt lookup: where the end
// of a sequence repeats an earlier run of its tokens, what followed that run is likely
// to follow again. Copies, edits, code and quotations are full of such runs.
//
// A [Drafter] belongs to one sequence. It follows a match from token to token, and
// measures for matches of each length how often they foretell the next token. That
// needs no drafted rows, so it costs nothing where they don't pay: what is drafted is
// as much as is worth its rows by these rates, and nothing as long as matches fail.
//
// An index of pairs of tokens, linked by place, finds the matches: constant time for
// each token, amortised, and some 20 bytes for it.
//
// An [Account] decides the same for a draft model, whose tokens cost something before they
// are rows.
//
// Caveats: a Drafter isn't safe for concurrent use. What it drafts depends on tokens
// and rows alone, not on time, so that answers can be repeated exactly.
package spec
