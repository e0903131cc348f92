package llama

// #include <stdlib.h>
import "C"

import (
	"errors"
	"fmt"
	"unsafe"
)

// The errors of [Context.Decode] and [Context.Encode], by llama_decode's code.
var (
	// ErrNoKVSlot is code 1: no free cells for the batch. The memory is as before
	// the call: try a smaller batch, or free cells.
	ErrNoKVSlot = errors.New("llama: no KV cache slot for the batch")
	// ErrAborted is code 2: the abort flag was set. Ubatches that were computed stay
	// in the memory: ask for each sequence's positions anew.
	ErrAborted = errors.New("llama: decode aborted")
	// ErrInvalidBatch is code -1: the batch contradicts itself, the context or the
	// memory. The memory is as before the call.
	ErrInvalidBatch = errors.New("llama: invalid batch")
	// ErrFatal is every code below -1. Ubatches that were computed stay in the memory.
	ErrFatal = errors.New("llama: decode failed")
)

var (
	// ErrCancelled is returned when the progress callback stopped a load.
	ErrCancelled = errors.New("llama: model load cancelled")
	// ErrUnknownArchitecture says that this llama.cpp doesn't know the file's architecture.
	ErrUnknownArchitecture = errors.New("llama: unknown model architecture")
	// ErrBatchFull is returned by [Batch.Add] when there is no room for another token.
	ErrBatchFull = errors.New("llama: the batch is full")
	// ErrTooManySeqs is returned by [Batch.Add] for more sequences than NewBatch allowed for.
	ErrTooManySeqs = errors.New("llama: more sequence ids for a token than the batch has room for")
	// ErrGrammar is returned when a grammar doesn't parse, or forbids an accepted token.
	ErrGrammar = errors.New("llama: grammar")
)

// take returns a text that the shim allocated, and frees it.
func take(text *C.char) string {
	if text == nil {
		return "no cause given; see the log"
	}
	defer C.free(unsafe.Pointer(text))
	return C.GoString(text)
}

// failed wraps a text from the shim: "llama: what: text".
func failed(what string, text *C.char) error {
	return fmt.Errorf("llama: %s: %s", what, take(text))
}
