// Package loop runs one model context: a goroutine that owns it plans a batch,
// decodes it, samples a token for each row that has an output, and hands the text
// to the requests.
//
// Rows of drafted tokens are sampled one after another, as long as each token is the
// one that the next row was computed for; what a step makes is one output. Drafters that
// compute together do so before a step ([Config.Prepare]).
//
// What computes is behind interfaces, [Backend] (a context), [Picker] (a request's
// sampler) and [Drafter], so the package has no C and its tests run fakes under the race
// detector.
//
// Requests enter with [Loop.Submit] and read their outputs with [Request.Next]. A
// reader that falls behind parks its own sequence and nobody else's. A canceled
// request leaves at the next step; when every request of a running batch is
// canceled, the batch is aborted.
//
// A request whose prefix is outside memory waits until the backend has read it
// ([Backend.Fetched]); others go on meanwhile.
//
// What finished requests computed stays in the cache as prefixes. They are kept for a
// later context when the loop ends, and before that where it is quiet ([Config.Quiet]).
//
// Caveats: text is handed out as the picker returns it. A picker is called from one
// goroutine at a time, but not always from the same one.
package loop
