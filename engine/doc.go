// Package engine runs GGUF models in this process: chat to tokens, tokens to
// events.
//
// An [Engine] loads the compute kernels once; a [Model] is one file's weights and
// the contexts that decode with them. A context belongs to one goroutine (package
// engine/loop), which plans batches (engine/sched) with drafts where text repeats
// (engine/spec) or a smaller model foretells it (engine/ahead), decodes, samples (engine/sample) and hands out the text. Callers
// render templates, tokenize and parse answers in their own goroutines.
//
// Embeddings are computed by a context of their own (package engine/embedding), over
// the same weights. Contexts that share threads take turns, step by step.
//
// Caveats: a process has one set of kernels, so every Engine of a process shares
// those that the first one loaded. Weights are never loaded again for a request;
// a request whose num_ctx doesn't fit the context in use gets a larger one. With
// several requests in one batch, or drafts, kernels that aren't batch-invariant round
// differently than they do for one request alone, so greedy answers may differ
// where two tokens are almost equally likely.
package engine
