package ggml

/*
#include <ggml-backend.h>
#include "shim.h"
*/
import "C"

import (
	"fmt"
	"runtime"
	"unsafe"
)

// Context holds tensors' and graphs' descriptions, not their data. It wraps struct
// ggml_context; the caller closes it, after the [Buffer]s of its tensors. It isn't
// safe for concurrent use.
type Context struct{ handle }

// Tensor wraps struct ggml_tensor; its [Context] owns it.
type Tensor struct {
	c   *C.struct_ggml_tensor
	ctx *Context // kept alive
}

// Graph wraps struct ggml_cgraph; its [Context] owns it.
type Graph struct {
	c   *C.struct_ggml_cgraph
	ctx *Context // kept alive
}

// NewContext wraps ggml_init with no_alloc, with room for a number of tensors and
// one graph.
func NewContext(tensors int) *Context {
	size := C.size_t(tensors)*C.ggml_tensor_overhead() + C.ggml_graph_overhead()
	c := C.ggml_init(C.struct_ggml_init_params{mem_size: size, no_alloc: true})
	return &Context{newHandle(kindContext, unsafe.Pointer(c))}
}

// Close wraps ggml_free. Idempotent.
func (x *Context) Close() {
	x.close(func(c unsafe.Pointer) { C.ggml_free((*C.struct_ggml_context)(c)) })
}

func (x *Context) c() *C.struct_ggml_context { return (*C.struct_ggml_context)(x.ptr()) }

// NewTensor2D wraps ggml_new_tensor_2d: rows of n elements each; n is a multiple of
// t.BlockSize().
func (x *Context) NewTensor2D(t Type, n, rows int64) Tensor {
	t.RowSize(n) // panics on a bad n
	return Tensor{C.ggml_new_tensor_2d(x.c(), C.enum_ggml_type(t), C.int64_t(n), C.int64_t(rows)), x}
}

// Gelu wraps ggml_gelu, element by element.
func (x *Context) Gelu(a Tensor) Tensor { return Tensor{C.ggml_gelu(x.c(), a.c), x} }

// Silu wraps ggml_silu, element by element.
func (x *Context) Silu(a Tensor) Tensor { return Tensor{C.ggml_silu(x.c(), a.c), x} }

// RMSNorm wraps ggml_rms_norm, of each row.
func (x *Context) RMSNorm(a Tensor, eps float32) Tensor {
	return Tensor{C.ggml_rms_norm(x.c(), a.c, C.float(eps)), x}
}

// SoftMax wraps ggml_soft_max, of each row.
func (x *Context) SoftMax(a Tensor) Tensor { return Tensor{C.ggml_soft_max(x.c(), a.c), x} }

// FlashAttn wraps ggml_flash_attn_ext without a mask, for one head: q is (d, n) in
// F32, k and v are (d, m), the result is (d, 1, n) in F32.
func (x *Context) FlashAttn(q, k, v Tensor, scale float32) Tensor {
	return Tensor{C.ggml_flash_attn_ext(x.c(), q.c, k.c, v.c, nil, C.float(scale), 0, 0), x}
}

// MulMat wraps ggml_mul_mat: (k, m) and (k, n) give (m, n), in F32.
func (x *Context) MulMat(a, b Tensor) Tensor {
	return Tensor{C.ggml_mul_mat(x.c(), a.c, b.c), x}
}

// NewGraph wraps ggml_new_graph and ggml_build_forward_expand: what it takes to
// compute t.
func (x *Context) NewGraph(t Tensor) Graph {
	g := C.ggml_new_graph(x.c())
	C.ggml_build_forward_expand(g, t.c)
	return Graph{g, x}
}

// Alloc wraps ggml_backend_alloc_ctx_tensors_from_buft: memory for every tensor of
// the context. The caller closes the buffer.
func (x *Context) Alloc(bt BufferType) (*Buffer, error) {
	defer runtime.KeepAlive(x)
	c := C.ggml_backend_alloc_ctx_tensors_from_buft(x.c(), bt.c)
	if c == nil {
		return nil, fmt.Errorf("ggml: no memory in a %s buffer", bt.Name())
	}
	return &Buffer{newHandle(kindBuffer, unsafe.Pointer(c))}, nil
}

// Bytes wraps ggml_nbytes.
func (t Tensor) Bytes() uint64 {
	defer runtime.KeepAlive(t.ctx)
	return uint64(C.ggml_nbytes(t.c))
}

// Set wraps ggml_backend_tensor_set for the whole tensor, whose buffer may turn the
// data into a layout of its own; len(data) is t.Bytes().
func (t Tensor) Set(data []byte) {
	t.check(len(data))
	C.ggml_backend_tensor_set(t.c, unsafe.Pointer(&data[0]), 0, C.size_t(len(data)))
	runtime.KeepAlive(t.ctx)
}

// Get wraps ggml_backend_tensor_get for the whole tensor; len(data) is t.Bytes().
// Repacked buffers can't be read back, and C aborts.
func (t Tensor) Get(data []byte) {
	t.check(len(data))
	C.ggml_backend_tensor_get(t.c, unsafe.Pointer(&data[0]), 0, C.size_t(len(data)))
	runtime.KeepAlive(t.ctx)
}

func (t Tensor) check(n int) {
	if want := t.Bytes(); uint64(n) != want || n == 0 {
		panic(fmt.Sprintf("ggml: %d bytes for a tensor of %d", n, want))
	}
}

// Buffer is memory that tensors live in. It wraps ggml_backend_buffer_t; the caller
// closes it once nothing uses its tensors.
type Buffer struct{ handle }

// SetWeights wraps ggml_backend_buffer_set_usage with USAGE_WEIGHTS.
func (b *Buffer) SetWeights() {
	C.ggml_backend_buffer_set_usage(C.ggml_backend_buffer_t(b.ptr()), C.GGML_BACKEND_BUFFER_USAGE_WEIGHTS)
	runtime.KeepAlive(b)
}

// Close wraps ggml_backend_buffer_free. Idempotent.
func (b *Buffer) Close() {
	b.close(func(c unsafe.Pointer) { C.ggml_backend_buffer_free(C.ggml_backend_buffer_t(c)) })
}

// Backend computes graphs on one device. It wraps ggml_backend_t; the caller closes
// it. It isn't safe for concurrent use.
type Backend struct{ handle }

// NewBackend wraps ggml_backend_dev_init.
func (d Device) NewBackend() (*Backend, error) {
	c := C.ggml_backend_dev_init(d.c, nil)
	if c == nil {
		return nil, fmt.Errorf("ggml: cannot start the device %s; ggml's log has the cause", d.Name())
	}
	return &Backend{newHandle(kindBackend, unsafe.Pointer(c))}, nil
}

// SetThreads wraps ggml_backend_set_n_threads of the backend's own registry; false
// where it has none, as on GPUs.
func (b *Backend) SetThreads(r Reg, n int) bool {
	fn := r.ProcAddress("ggml_backend_set_n_threads")
	if fn == nil {
		return false
	}
	C.puna_ggml_set_n_threads(fn, C.ggml_backend_t(b.ptr()), C.int(n))
	runtime.KeepAlive(b)
	return true
}

// Compute wraps ggml_backend_graph_compute: every tensor of g has a buffer. It
// returns when the result is there.
func (b *Backend) Compute(g Graph) error {
	status := C.ggml_backend_graph_compute(C.ggml_backend_t(b.ptr()), g.c)
	runtime.KeepAlive(b)
	runtime.KeepAlive(g.ctx)
	if status != C.GGML_STATUS_SUCCESS {
		return fmt.Errorf("ggml: compute: %s", C.GoString(C.ggml_status_to_string(status)))
	}
	return nil
}

// Close wraps ggml_backend_free. Idempotent.
func (b *Backend) Close() {
	b.close(func(c unsafe.Pointer) { C.ggml_backend_free(C.ggml_backend_t(c)) })
}

// SupportsOp wraps ggml_backend_dev_supports_op: whether d can compute t from where
// its sources live.
func (d Device) SupportsOp(t Tensor) bool {
	defer runtime.KeepAlive(t.ctx)
	return bool(C.ggml_backend_dev_supports_op(d.c, t.c))
}

// Quantize wraps ggml_quantize_chunk: rows of n elements from F32 to t. Types that
// want an importance matrix get a uniform one. It fails for types that nothing is
// quantized to, such as Q8_K.
func Quantize(t Type, src []float32, n int64) ([]byte, error) {
	if !t.Valid() || !quantizable(t) {
		return nil, fmt.Errorf("ggml: nothing is quantized to %s", t)
	}
	if n <= 0 || len(src) == 0 || int64(len(src))%n != 0 || n%t.BlockSize() != 0 {
		return nil, fmt.Errorf("ggml: cannot quantize %d values in rows of %d to %s: need whole rows of whole blocks of %d",
			len(src), n, t, t.BlockSize())
	}
	rows := int64(len(src)) / n
	var importance *C.float
	if C.ggml_quantize_requires_imatrix(C.enum_ggml_type(t)) {
		ones := make([]float32, n)
		for i := range ones {
			ones[i] = 1
		}
		importance = (*C.float)(&ones[0])
	}
	dst := make([]byte, uint64(rows)*t.RowSize(n))
	C.ggml_quantize_chunk(C.enum_ggml_type(t), (*C.float)(&src[0]), unsafe.Pointer(&dst[0]),
		0, C.int64_t(rows), C.int64_t(n), importance)
	return dst, nil
}

// quantizable lists the types that ggml_quantize_chunk takes; it asserts on others.
func quantizable(t Type) bool {
	switch t {
	case Q8_1, Q8K, I8, I16, I32, I64, F64:
		return false
	default:
		return true
	}
}
