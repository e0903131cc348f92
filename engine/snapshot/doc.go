// Package snapshot keeps the computed state of sequences in files, so that a prompt
// that was computed before a restart needn't be computed again.
//
// A folder serves any number of processes. Below it lies a folder for each [Scope],
// which names all that a state depends on: the model, llama.cpp, the context's
// parameters. A file is written beside its place and renamed, is readable by its owner
// alone, and holds checksums of its tokens and of its state; one that is damaged is
// removed when it is met. When the files outgrow their limit, those that were used
// least recently go.
//
// Caveats: checksums find accidents, not attackers, and llama.cpp trusts a state that
// it is given. Whoever can write to the folder can crash the process.
package snapshot
