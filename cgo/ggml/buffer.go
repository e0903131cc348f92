package ggml

// #include <ggml-backend.h>
import "C"

import "unsafe"

// BufferType says where tensors live: a device's memory, pinned host memory, or a
// repacked layout of the CPU's. It wraps ggml_backend_buffer_type_t; borrowed,
// never freed.
type BufferType struct{ c C.ggml_backend_buffer_type_t }

// BufferTypeFrom wraps a ggml_backend_buffer_type_t that another package got from C.
func BufferTypeFrom(p unsafe.Pointer) BufferType {
	return BufferType{C.ggml_backend_buffer_type_t(p)}
}

// Pointer returns the ggml_backend_buffer_type_t, or nil for none.
func (b BufferType) Pointer() unsafe.Pointer { return unsafe.Pointer(b.c) }

// Valid reports whether b is a buffer type at all.
func (b BufferType) Valid() bool { return b.c != nil }

// Name wraps ggml_backend_buft_name: "CPU", "CPU_REPACK", "AMX", "CUDA0" and so on.
func (b BufferType) Name() string { return C.GoString(C.ggml_backend_buft_name(b.c)) }

// Alignment wraps ggml_backend_buft_get_alignment, in bytes.
func (b BufferType) Alignment() uint64 { return uint64(C.ggml_backend_buft_get_alignment(b.c)) }

// MaxSize wraps ggml_backend_buft_get_max_size: the largest buffer, in bytes.
func (b BufferType) MaxSize() uint64 { return uint64(C.ggml_backend_buft_get_max_size(b.c)) }

// IsHost wraps ggml_backend_buft_is_host: the CPU can read it in ggml's own layout.
func (b BufferType) IsHost() bool { return bool(C.ggml_backend_buft_is_host(b.c)) }

// Device wraps ggml_backend_buft_get_device; none for the plain CPU buffer of some
// builds.
func (b BufferType) Device() Device { return Device{C.ggml_backend_buft_get_device(b.c)} }
