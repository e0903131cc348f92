// Package local is a [puna.Service] over the models of this machine: the store on
// disk, the built-in model, GGUF files by path, and the engine in this process.
//
// A model is loaded by the first request that names it, shared by all that
// follow, and unloaded when it hasn't been used for its keep-alive. Requests that
// arrive while it loads wait for the same load; a load that fails answers those
// who waited with its error, and the next request tries again.
//
// Caveats: models stay loaded until their keep-alive ends, so a caller that loads
// many at once must watch the memory, or call [Service.Unload].
package local
