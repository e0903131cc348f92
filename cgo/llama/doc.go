// Package llama wraps llama.h one to one: each function and method calls the C
// function that its first line names, in the header's order, and decides nothing. What
// it adds: C++ exceptions and llama.cpp's logged errors are Go errors, arguments that
// llama.cpp would abort the process on are refused, and the memory of the hot path is
// C memory that is allocated once.
//
// The default build compiles the llama.cpp of the pinned module, with baseline CPU
// kernels; cgo/kernels loads faster ones. With the build tag llama_system the library
// that pkg-config finds under the name llama is linked instead. include/llama.h is
// this package's own; header_test.go proves that it matches.
//
// Ownership: what has a Close method is closed by who made it, once nothing uses it;
// Close twice is allowed, any other method afterwards panics. A Model stays in memory
// until everything made from it is closed. [Live] counts open handles; in builds with
// the tag puna_debug, [Leaks] says who opened them.
//
// Goroutines: [Model] and [Vocab] are safe for concurrent use, a [Context], [Batch],
// [Sampler] and [Candidates] are for one goroutine at a time. Each use of a Context is
// counted without synchronization, so that the race detector reports a second user.
//
// Caveats:
//
//   - A model file must have been validated: llama.cpp aborts on some malformed ones
//     (a vocabulary without a newline token, tensors of unexpected shapes). So must a
//     stored state: a damaged count makes it allocate until the process is killed.
//   - A call that a C function is slow in (loading, decoding, quantizing) holds an
//     operating system thread, and can't be interrupted by a Go context: see
//     ModelParams.Progress and [Context.SetAbort].
//   - Loading with UseExtraBufts repacks weights for some kernels: a private copy
//     beside the mapped file. Without it, mapped weights are shared by processes.
//   - Memory that doesn't suffice for a context is an error only if the system
//     refuses it: Linux usually grants it and kills the process at its use.
//   - Adapters must be set before a context's first batch: llama.cpp reuses the graph
//     of the last batch and doesn't notice a change.
//   - Recurrent memory ignores the range of [Context.MemorySeqCp], and cells of a
//     sliding window that two sequences own are never reclaimed.
//   - Grammars are checked before llama.cpp sees them, since it trusts them with its
//     stack and memory. What the check doesn't find is ambiguous recursion
//     (r ::= "x" r{0,3}): the time and memory of a token grow with the text there.
//   - Logits, embeddings and a batch's raw slices are views of C memory. Using one
//     after its owner was closed reads freed memory: Go can't notice.
//   - The abort flag works on CPU backends only.
package llama
