package ggml

/*
#include <stdlib.h>
#include <ggml-backend.h>

static struct ggml_backend_feature *puna_features(void *fn, ggml_backend_reg_t reg) {
    return ((ggml_backend_get_features_t) fn)(reg);
}
*/
import "C"

import (
	"fmt"
	"unsafe"
)

// Reg is a registered backend: "CPU", "CUDA", "Vulkan". It wraps
// ggml_backend_reg_t; borrowed, never freed.
type Reg struct{ c C.ggml_backend_reg_t }

// Feature mirrors struct ggml_backend_feature: what a backend was compiled with and
// what the processor has, such as {"AVX2", "1"}.
type Feature struct{ Name, Value string }

// Pointer returns the ggml_backend_reg_t, or nil for none.
func (r Reg) Pointer() unsafe.Pointer { return unsafe.Pointer(r.c) }

// Valid reports whether r is a registered backend at all.
func (r Reg) Valid() bool { return r.c != nil }

// Name wraps ggml_backend_reg_name. All variants of the CPU backend are "CPU".
func (r Reg) Name() string { return C.GoString(C.ggml_backend_reg_name(r.c)) }

// Devices wraps ggml_backend_reg_dev_count and ggml_backend_reg_dev_get.
func (r Reg) Devices() []Device {
	devs := make([]Device, int(C.ggml_backend_reg_dev_count(r.c)))
	for i := range devs {
		devs[i] = Device{C.ggml_backend_reg_dev_get(r.c, C.size_t(i))}
	}
	return devs
}

// ProcAddress wraps ggml_backend_reg_get_proc_address: a C function of this
// backend, or nil if it has none by that name.
func (r Reg) ProcAddress(name string) unsafe.Pointer {
	s := C.CString(name)
	defer C.free(unsafe.Pointer(s))
	return C.ggml_backend_reg_get_proc_address(r.c, s)
}

// Features wraps ggml_backend_get_features, found by ProcAddress; nil if the
// backend lists none.
func (r Reg) Features() []Feature {
	fn := r.ProcAddress("ggml_backend_get_features")
	if fn == nil {
		return nil
	}
	var fs []Feature
	f := C.puna_features(fn, r.c)
	for ; f != nil && f.name != nil; f = (*C.struct_ggml_backend_feature)(unsafe.Add(unsafe.Pointer(f), unsafe.Sizeof(*f))) {
		fs = append(fs, Feature{C.GoString(f.name), C.GoString(f.value)})
	}
	return fs
}

// Regs lists every registered backend in order of registration. It wraps
// ggml_backend_reg_count and ggml_backend_reg_get.
func Regs() []Reg {
	regs := make([]Reg, int(C.ggml_backend_reg_count()))
	for i := range regs {
		regs[i] = Reg{C.ggml_backend_reg_get(C.size_t(i))}
	}
	return regs
}

// LoadBackend wraps ggml_backend_load: it opens a module, checks its API version,
// and registers its devices with the module's score. ggml logs the cause of a
// failure; see [SetLogger].
func LoadBackend(path string) (Reg, error) {
	s := C.CString(path)
	defer C.free(unsafe.Pointer(s))
	r := Reg{C.ggml_backend_load(s)}
	if r.c == nil {
		return r, fmt.Errorf("ggml: cannot load the backend module %s; ggml's log has the cause", path)
	}
	return r, nil
}

// UnloadBackend wraps ggml_backend_unload: it removes r's devices and closes its
// module. Nothing of r may be in use, its thread pools included.
func UnloadBackend(r Reg) { C.ggml_backend_unload(r.c) }

// Register wraps ggml_backend_register: r's devices get the score of built-in
// backends, which is below every loaded module's.
func Register(r Reg) { C.ggml_backend_register(r.c) }

// RegFrom wraps a ggml_backend_reg_t that another package got from C.
func RegFrom(p unsafe.Pointer) Reg { return Reg{C.ggml_backend_reg_t(p)} }

// LoadAll wraps ggml_backend_load_all: it loads what the system's ggml was installed
// with. Only useful with the build tag llama_system.
func LoadAll() { C.ggml_backend_load_all() }
