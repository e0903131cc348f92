// Package store keeps models on disk in Ollama's layout, so that one folder can
// serve both programs:
//
//	manifests/HOST/NAMESPACE/MODEL/TAG   JSON: the layers of a model
//	blobs/sha256-HEX                     the layers: weights, template, parameters, ...
//
// Every write is atomic: a blob or manifest is written to a temporary file, synced
// and renamed, so a crash at any point leaves whole files, and at most some that
// nothing refers to ([Store.Prune]). Several processes may use a store at once:
// a [Change] holds a lease on its blobs, and nothing deletes a leased blob. Locks
// and leases live in the folder .puna and end with their process. What a disk or another
// program did to blobs is found by [Store.Verify].
//
// Caveats: Ollama knows nothing of leases, so a model that Ollama deletes may take
// a blob that a running [Change] has reused; Commit then fails. Reading takes no
// locks and works on read-only folders. File systems must support flock.
package store
