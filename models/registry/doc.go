// Package registry moves models between a store and the world: it pulls from
// registries that speak Ollama's protocol, from Hugging Face, and from the address of
// a GGUF file, and pushes to registries.
//
//	llama3.2, me/mine:8b          registry.ollama.ai
//	host:5000/me/mine             another registry
//	hf.co/user/repo:Q8_0          Hugging Face; Q4_K_M unless a quantization is named
//	https://host/some.gguf        a file
//
// The protocol is that of Docker's registries
// (https://distribution.github.io/distribution/spec/api) with Ollama's media types
// and its sign-in: a challenge is answered with a signature of the user's ed25519
// key, which is sent to the registry's own origin only, as tokens are. Hugging Face
// serves manifests for Ollama (https://huggingface.co/docs/hub/ollama); where an
// endpoint has none, the files of the repository are taken, and the manifest is made
// here.
//
// Large blobs come in ranges, several at a time. What has come is on disk beside a
// journal ([store.Partial]), so that a pull goes on where the last one ended, however
// it ended. Requests that fail, stall or are put off by the server are made again,
// with growing waits, until [Transfer.Tries] fail without a byte between them; a
// registry that has taken a blob may be silent for [Transfer.Answer]. A blob enters the
// store when its digest is right; weights, adapters, projectors and draft models also
// have to pass the checks of models/gguf, which look at the header as soon as it is
// here. The manifest comes last, byte for byte, so a model is there as a whole or not
// at all, and has the digest that Ollama shows. Several processes may pull the same
// blob: one downloads it, the others wait. A model of Hugging Face that is split into
// several files is joined, which takes the space of both for a time.
//
// Caveats: a model that runs only under Ollama's own engine doesn't pass the checks
// and isn't pulled. A file from an address without ETag and Last-Modified starts over
// in each pull, and a split model comes again if it is pulled again. Safetensors are
// refused. Pushing reads blobs without checking them first: the registry does.
package registry
