// Package local is a [puna.Service] over the models of this machine: the store on
// disk, the built-in model, GGUF files by path, and the engine in this process.
//
// A model is loaded by the first request that names it, shared by all that
// follow, and unloaded when it hasn't been used for its keep-alive. Requests that
// arrive while it loads wait for the same load. A load that fails answers those who
// waited with its error; for a short time, longer with each failure, later requests
// get the same error unless the file changes.
//
// Models are loaded side by side as long as memory holds them. For one more, idle ones
// are unloaded, the least recently used first; if that isn't enough, it waits until
// others are no longer in use, in the order of arrival (see [Options.Memory]).
//
// Caveats: a request that holds a model and asks for another may wait for itself.
// What is unknown is not bounded: elsewhere than on Linux set [Options.Memory], or at
// most three models are loaded.
package local
