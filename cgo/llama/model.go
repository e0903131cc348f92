package llama

// #include "shim.h"
import "C"

import (
	"errors"
	"fmt"
	"runtime"
	"runtime/cgo"
	"strings"
	"sync/atomic"
	"unsafe"
)

// Model is a loaded model: vocabulary and weights. It wraps struct llama_model. Its
// methods are safe for concurrent use, except Close. What was made from it (contexts,
// adapters, samplers with a vocabulary) keeps its memory alive: Close only gives up
// the caller's share.
type Model struct {
	h        handle[*C.struct_llama_model]
	refs     atomic.Int32
	vocab    *Vocab // nil once closed
	nEmbdInp int
	encoder  bool

	vocabOnly, noAlloc bool // as it was loaded
}

// LoadModelFromFile wraps llama_model_load_from_file: the parts of a split model are
// found by their names, "NAME-00001-of-00003.gguf". The caller closes the model.
//
// The file must have been validated: llama.cpp aborts on some malformed ones. The
// error is, or wraps, [ErrCancelled] or [ErrUnknownArchitecture], or carries
// llama.cpp's text.
func LoadModelFromFile(path string, params ModelParams) (*Model, error) {
	return load([]string{path}, params)
}

// LoadModelFromSplits wraps llama_model_load_from_splits: the parts of a split
// model, in order. See [LoadModelFromFile].
func LoadModelFromSplits(paths []string, params ModelParams) (*Model, error) {
	if len(paths) == 0 {
		return nil, errors.New("llama: no files to load a model from")
	}
	return load(paths, params)
}

func load(paths []string, params ModelParams) (*Model, error) {
	if err := noNUL("path", paths...); err != nil {
		return nil, err
	}
	BackendInit()
	cparams, free, err := params.c()
	if err != nil {
		return nil, err
	}
	defer free()
	var a arena
	defer a.free()

	p := &progress{f: params.Progress}
	var handle cgo.Handle
	if params.Progress != nil {
		handle = cgo.NewHandle(p)
		defer handle.Delete()
	}
	var text *C.char
	c := C.puna_model_load(a.strs(paths), C.size_t(len(paths)), &cparams, C.uintptr_t(handle), &text)
	if p.panicked != nil {
		panic(p.panicked) // on the goroutine that passed the callback, as without C
	}
	if c == nil {
		return nil, loadError(paths[0], p.cancelled, take(text))
	}
	m := newModel(c)
	m.vocabOnly, m.noAlloc = params.VocabOnly, params.NoAlloc
	return m, nil
}

func newModel(c *C.struct_llama_model) *Model {
	m := &Model{nEmbdInp: int(C.llama_model_n_embd_inp(c)), encoder: bool(C.llama_model_has_encoder(c))}
	m.h.open(kindModel, c)
	m.refs.Store(1)
	m.vocab = newVocab(m, C.llama_model_get_vocab(c))
	return m
}

func loadError(path string, cancelled bool, text string) error {
	switch {
	case cancelled:
		return fmt.Errorf("%w: %s", ErrCancelled, path)
	case strings.Contains(text, "unknown model architecture"):
		return fmt.Errorf("%w: %s: %s", ErrUnknownArchitecture, path, text)
	}
	return fmt.Errorf("llama: cannot load %s: %s", path, text)
}

// progress carries a load's callback through C.
type progress struct {
	f         func(float32) bool
	cancelled bool
	panicked  any
}

// punaProgress is the load's progress callback. A panic stops the load and is
// raised again in Go, since it must not unwind through C.
//
//export punaProgress
func punaProgress(fraction C.float, h C.uintptr_t) (ok C.bool) {
	p := cgo.Handle(h).Value().(*progress)
	defer func() {
		if r := recover(); r != nil {
			p.panicked = r
			ok = false
		}
	}()
	if !p.f(float32(fraction)) {
		p.cancelled = true
		return false
	}
	return true
}

// noNUL refuses strings that C would cut at a zero byte.
func noNUL(what string, all ...string) error {
	for _, s := range all {
		if strings.IndexByte(s, 0) >= 0 {
			return fmt.Errorf("llama: %s %q holds a zero byte", what, s)
		}
	}
	return nil
}

// Close gives up the model; llama_model_free runs when nothing made from it is open
// any more. Idempotent.
func (m *Model) Close() {
	if m.h.p == nil || m.vocab == nil {
		return
	}
	m.vocab = nil
	m.release()
}

// retain keeps the C model alive for what was made from it, until release.
func (m *Model) retain() { m.refs.Add(1) }

func (m *Model) release() {
	if m.refs.Add(-1) > 0 {
		return
	}
	if c, ok := m.h.close(); ok {
		C.llama_model_free(c)
	}
}

// ptr panics once the model is closed, even while its memory is kept alive.
func (m *Model) ptr() *C.struct_llama_model {
	if m.vocab == nil {
		panic("llama: use of a closed Model")
	}
	return m.h.ptr()
}

// Pointer returns the struct llama_model *, for other packages under cgo.
func (m *Model) Pointer() unsafe.Pointer { return unsafe.Pointer(m.ptr()) }

// Vocab wraps llama_model_get_vocab. It lives as long as the model.
func (m *Model) Vocab() *Vocab {
	m.ptr()
	return m.vocab
}

// RopeType mirrors enum llama_rope_type.
type RopeType int32

const (
	RopeNone   RopeType = C.LLAMA_ROPE_TYPE_NONE
	RopeNorm   RopeType = C.LLAMA_ROPE_TYPE_NORM
	RopeNeoX   RopeType = C.LLAMA_ROPE_TYPE_NEOX
	RopeMRope  RopeType = C.LLAMA_ROPE_TYPE_MROPE // four positions per token
	RopeVision RopeType = C.LLAMA_ROPE_TYPE_VISION
	RopeIMRope RopeType = C.LLAMA_ROPE_TYPE_IMROPE // four positions per token
)

// RopeType wraps llama_model_rope_type.
func (m *Model) RopeType() RopeType {
	defer runtime.KeepAlive(m)
	return RopeType(C.llama_model_rope_type(m.ptr()))
}

// NCtxTrain wraps llama_model_n_ctx_train, in tokens.
func (m *Model) NCtxTrain() int {
	defer runtime.KeepAlive(m)
	return int(C.llama_model_n_ctx_train(m.ptr()))
}

// NEmbd wraps llama_model_n_embd: the width of an output embedding.
func (m *Model) NEmbd() int {
	defer runtime.KeepAlive(m)
	return int(C.llama_model_n_embd(m.ptr()))
}

// NEmbdInp wraps llama_model_n_embd_inp: the width of an input embedding.
func (m *Model) NEmbdInp() int {
	defer runtime.KeepAlive(m)
	return int(C.llama_model_n_embd_inp(m.ptr()))
}

// NLayer wraps llama_model_n_layer.
func (m *Model) NLayer() int {
	defer runtime.KeepAlive(m)
	return int(C.llama_model_n_layer(m.ptr()))
}

// NHead wraps llama_model_n_head, of the first layer.
func (m *Model) NHead() int {
	defer runtime.KeepAlive(m)
	return int(C.llama_model_n_head(m.ptr()))
}

// NHeadKV wraps llama_model_n_head_kv, of the first layer.
func (m *Model) NHeadKV() int {
	defer runtime.KeepAlive(m)
	return int(C.llama_model_n_head_kv(m.ptr()))
}

// NSWA wraps llama_model_n_swa: the sliding window in tokens, 0 for none.
func (m *Model) NSWA() int {
	defer runtime.KeepAlive(m)
	return int(C.llama_model_n_swa(m.ptr()))
}

// RopeFreqScaleTrain wraps llama_model_rope_freq_scale_train.
func (m *Model) RopeFreqScaleTrain() float32 {
	defer runtime.KeepAlive(m)
	return float32(C.llama_model_rope_freq_scale_train(m.ptr()))
}

// NClsOut wraps llama_model_n_cls_out: the outputs of a classifier.
func (m *Model) NClsOut() int {
	defer runtime.KeepAlive(m)
	return int(C.llama_model_n_cls_out(m.ptr()))
}

// ClsLabel wraps llama_model_cls_label; ok is false when output i has no label.
func (m *Model) ClsLabel(i int) (label string, ok bool) {
	defer runtime.KeepAlive(m)
	if i < 0 || i >= m.NClsOut() {
		return "", false
	}
	c := C.llama_model_cls_label(m.ptr(), C.uint32_t(i))
	return C.GoString(c), c != nil
}
