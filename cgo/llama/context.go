package llama

// #include <stdlib.h>
// #include "shim.h"
import "C"

import (
	"errors"
	"fmt"
	"runtime"
	"unsafe"

	"github.com/puna-ai/puna/cgo/ggml"
)

// Context is one llama_context: the memory (KV cache), the compute buffers and the
// outputs of the last batch. One goroutine at a time may use it; every method counts
// a use without synchronization, so that the race detector finds a second one. Only
// SetAbort and Aborted may be called meanwhile.
type Context struct {
	h     handle[*C.struct_llama_context]
	model *Model
	mem   C.llama_memory_t // nil for models without memory
	uses  uint64
	cells *cells
	shape shape
	out   outputs

	encoded bool // Encode has succeeded
}

// cells is C memory that the context's calls write to: nothing on the hot path
// then needs a Go allocation.
type cells struct {
	abort C.int
	err   *C.char
}

// shape is what never changes after the context is made.
type shape struct {
	nBatch, nUbatch, nSeqMax int
	nVocab, nEmbd, nClsOut   int
	unified, multiPos        bool
	pooling                  PoolingType
}

// InitFromModel wraps llama_init_from_model. The caller closes the context. Memory
// that the system cannot give is an error; see doc.go for what it takes.
func (m *Model) InitFromModel(params ContextParams) (*Context, error) {
	defer runtime.KeepAlive(m)
	if err := params.check(); err != nil {
		return nil, err
	}
	if m.vocabOnly {
		return nil, errors.New("llama: a context of a model that was loaded for its vocabulary alone (VocabOnly)")
	}
	cparams := params.c()
	mem := (*cells)(C.calloc(1, C.size_t(unsafe.Sizeof(cells{}))))
	var text *C.char
	p := C.puna_context_init(m.ptr(), &cparams, &mem.abort, &text)
	if p == nil {
		C.free(unsafe.Pointer(mem))
		return nil, failed("cannot make a context", text)
	}
	m.retain()
	c := &Context{model: m, cells: mem, mem: C.llama_get_memory(p)}
	c.h.open(kindContext, p)
	c.shape = newShape(m, p, params.KVUnified)
	c.out = newOutputs(c.shape.nBatch, causal(m, params.AttentionType), params.Embeddings)
	return c, nil
}

func newShape(m *Model, p *C.struct_llama_context, unified bool) shape {
	rope := m.RopeType()
	return shape{
		nBatch:   int(C.llama_n_batch(p)),
		nUbatch:  int(C.llama_n_ubatch(p)),
		nSeqMax:  int(C.llama_n_seq_max(p)),
		nVocab:   m.vocab.n,
		nEmbd:    m.NEmbd(),
		nClsOut:  m.NClsOut(),
		unified:  unified,
		multiPos: rope == RopeMRope || rope == RopeIMRope,
		pooling:  PoolingType(C.llama_pooling_type(p)),
	}
}

// causal repeats llama.cpp's choice of attention, which llama.h doesn't tell.
func causal(m *Model, t AttentionType) bool {
	if t != AttentionUnspecified {
		return t == AttentionCausal
	}
	arch, _ := m.MetaValStr("general.architecture")
	value, _ := m.MetaValStr(arch + ".attention.causal")
	return value != "false"
}

// Close wraps llama_free. Idempotent.
func (c *Context) Close() {
	p, ok := c.h.close()
	if !ok {
		return
	}
	C.llama_free(p)
	C.free(unsafe.Pointer(c.cells))
	c.cells = nil
	c.model.release()
}

// use returns the pointer and counts a use; see [Context].
func (c *Context) use() *C.struct_llama_context {
	c.uses++
	return c.h.ptr()
}

// Pointer returns the struct llama_context *, for other packages under cgo.
func (c *Context) Pointer() unsafe.Pointer { return unsafe.Pointer(c.use()) }

// GetModel returns the model that the context was made from.
func (c *Context) GetModel() *Model { return c.model }

// AttachThreadpool wraps llama_attach_threadpool: pool computes graphs of one token,
// batch those of more; they may be the same, and nil batch means pool. The pools must
// stay open until they are detached or the context is closed. A pool runs one graph
// at a time: contexts that share it take turns.
func (c *Context) AttachThreadpool(pool, batch *ggml.Threadpool) {
	defer runtime.KeepAlive(c)
	if batch == nil {
		batch = pool
	}
	C.llama_attach_threadpool(c.use(), C.ggml_threadpool_t(pool.Pointer()), C.ggml_threadpool_t(batch.Pointer()))
}

// DetachThreadpool wraps llama_detach_threadpool: graphs make threads of their own again.
func (c *Context) DetachThreadpool() {
	defer runtime.KeepAlive(c)
	C.llama_detach_threadpool(c.use())
}

// NCtx wraps llama_n_ctx: cells for all sequences, in tokens.
func (c *Context) NCtx() int { defer runtime.KeepAlive(c); return int(C.llama_n_ctx(c.use())) }

// NCtxSeq wraps llama_n_ctx_seq: the longest sequence, in tokens.
func (c *Context) NCtxSeq() int { defer runtime.KeepAlive(c); return int(C.llama_n_ctx_seq(c.use())) }

// NBatch wraps llama_n_batch: the most tokens of a Decode.
func (c *Context) NBatch() int { return c.shape.nBatch }

// NUbatch wraps llama_n_ubatch: the most tokens of one graph.
func (c *Context) NUbatch() int { return c.shape.nUbatch }

// NSeqMax wraps llama_n_seq_max: how many sequence ids there are.
func (c *Context) NSeqMax() int { return c.shape.nSeqMax }

// PoolingType wraps llama_pooling_type: what the context does, never Unspecified.
func (c *Context) PoolingType() PoolingType { return c.shape.pooling }

// HasMemory reports whether the context keeps what it has computed
// (llama_get_memory). Without one, Decode encodes.
func (c *Context) HasMemory() bool { return c.mem != nil }

// SetNThreads wraps llama_set_n_threads: for graphs of one token, and of more.
func (c *Context) SetNThreads(nThreads, nThreadsBatch int32) error {
	defer runtime.KeepAlive(c)
	if badThreads(nThreads) || badThreads(nThreadsBatch) {
		return fmt.Errorf("llama: %d and %d threads: need 1 to %d", nThreads, nThreadsBatch, ggml.MaxThreads)
	}
	C.llama_set_n_threads(c.use(), C.int32_t(nThreads), C.int32_t(nThreadsBatch))
	return nil
}

// NThreads wraps llama_n_threads.
func (c *Context) NThreads() int32 {
	defer runtime.KeepAlive(c)
	return int32(C.llama_n_threads(c.use()))
}

// NThreadsBatch wraps llama_n_threads_batch.
func (c *Context) NThreadsBatch() int32 {
	defer runtime.KeepAlive(c)
	return int32(C.llama_n_threads_batch(c.use()))
}

// SetEmbeddings wraps llama_set_embeddings: whether the next batches give embeddings
// beside logits.
func (c *Context) SetEmbeddings(on bool) {
	defer runtime.KeepAlive(c)
	C.llama_set_embeddings(c.use(), C.bool(on))
	c.out.embeddings = on
}

// SetCausalAttn wraps llama_set_causal_attn.
func (c *Context) SetCausalAttn(on bool) {
	defer runtime.KeepAlive(c)
	C.llama_set_causal_attn(c.use(), C.bool(on))
	c.out.causal = on
}

// SetWarmup wraps llama_set_warmup: graphs touch every expert, to page weights in.
func (c *Context) SetWarmup(on bool) {
	defer runtime.KeepAlive(c)
	C.llama_set_warmup(c.use(), C.bool(on))
}

// SetAbort sets the flag that the context's abort callback reads: while it is set, a
// running Decode stops between two operations with [ErrAborted], the whole batch with
// it, and every later one fails too. CPU only. Safe for concurrent use with every
// method but Close.
func (c *Context) SetAbort(on bool) {
	var v C.int
	if on {
		v = 1
	}
	C.puna_abort_flag_set(&c.cells.abort, v)
}

// Aborted reports whether the abort flag is set. Safe as SetAbort is.
func (c *Context) Aborted() bool { return C.puna_abort_flag_get(&c.cells.abort) != 0 }

// Synchronize wraps llama_synchronize: waits for the device. Reading outputs does so
// by itself.
func (c *Context) Synchronize() {
	defer runtime.KeepAlive(c)
	C.llama_synchronize(c.use())
}

// PerfContextData mirrors struct llama_perf_context_data. Times are in milliseconds.
type PerfContextData struct {
	TStart, TLoad, TPEval, TEval float64
	NPEval, NEval, NReused       int
}

// PerfContext wraps llama_perf_context; zero unless ContextParams.NoPerf is false.
func (c *Context) PerfContext() PerfContextData {
	defer runtime.KeepAlive(c)
	p := C.llama_perf_context(c.use())
	return PerfContextData{
		TStart: float64(p.t_start_ms), TLoad: float64(p.t_load_ms),
		TPEval: float64(p.t_p_eval_ms), TEval: float64(p.t_eval_ms),
		NPEval: int(p.n_p_eval), NEval: int(p.n_eval), NReused: int(p.n_reused),
	}
}

// PerfContextReset wraps llama_perf_context_reset.
func (c *Context) PerfContextReset() {
	defer runtime.KeepAlive(c)
	C.llama_perf_context_reset(c.use())
}

// MemoryBreakdownPrint wraps llama_memory_breakdown_print: it logs the memory of
// each device that weights, memory and compute buffers take.
func (c *Context) MemoryBreakdownPrint() {
	defer runtime.KeepAlive(c)
	C.llama_memory_breakdown_print(c.use())
}
