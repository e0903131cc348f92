// Package sched decides what each step of a model context computes. It is pure: no
// C, no goroutines, no clock (durations are passed in), no logging, so that scripts
// and random runs can test every decision.
//
// A [Scheduler] tracks sequences from [Scheduler.Add] to [Scheduler.Finish] against
// two budgets: the cells of a unified KV cache, and sequence ids. Each step goes
//
//	ops, batch := s.Plan()          // apply ops, then decode batch
//	s.Commit(batch, took)           // or s.Fail(batch) when nothing was computed
//	s.Append(seq, token)            // or s.Finish(seq), for each row with an output
//
// A batch has one row for each sequence that is generating, then chunks of prompts
// in order of arrival, as large as [Config.MaxGap] lets them be beside generating
// sequences.
//
// While batches are small ([Config.DraftRows]), generating sequences may add rows with
// drafts of the tokens that come next ([Seq.Draft]). A row's output counts when all of
// the draft before it was right, so the owner appends one token after another until
// one isn't as drafted; the cells of the rest go with the next ops. [Scheduler.Drafting]
// says who may, for drafts that are made together before the step. What makes them can be
// scheduled here, too: it appends what it guesses and takes it back ([Scheduler.Rewind]).
//
// Finished sequences stay in the cache as prefixes until their cells or ids are
// needed, least recently used first and from their ends. A prompt shares the cells
// of the longest prefix that any other sequence, running or finished, has computed;
// one whose prefix is being computed right now waits for it. When no cell is free,
// the youngest sequence is preempted: its tokens wait as a prompt again.
//
// Prefixes that leave the cells are copied to other memory, within [Config.Store]
// bytes, and a prompt that begins with a copy gets it back. Copies for which there is no
// room may be kept elsewhere, from where they have to be read before: a prompt that begins
// with one waits for [Scheduler.Fetched], and those behind it pass. One is read at a time.
//
// Recurrent states and sliding windows can't be shared or cut (Config.Plain is false).
// There prefixes are reused only from copies, each where it ends; copies are made near
// the end of a prompt, where prompts part, and at the end of a sequence.
//
// Caveats: a Scheduler belongs to one goroutine. Every sequence's limit must be at most the
// number of cells; then the oldest one can always go on, so nothing starves.
package sched
