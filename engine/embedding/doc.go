// Package embedding runs one model context that computes embeddings: a goroutine
// that owns it takes inputs of many requests, by tokens, into one batch, and hands
// each vector to the request that it belongs to.
//
// What computes is behind [Backend], so the package has no C and its tests run a
// fake under the race detector.
//
// Requests enter with [Loop.Do]. A batch takes one input of each request in turn, so
// that a request of ten thousand inputs doesn't keep others waiting, and requests
// take turns at being first, so that none starves. A canceled request's inputs leave
// before their batch; a batch in which nobody is left is aborted.
//
// Where other contexts wait for the same threads, batches shrink until one takes no
// longer than [Config.MaxGap], and grow again afterwards.
//
// Caveats: a batch computes beside its neighbours, and kernels that aren't
// batch-invariant round differently than they do for one input alone.
package embedding
