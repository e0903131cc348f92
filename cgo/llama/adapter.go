package llama

// #include "shim.h"
import "C"

import (
	"errors"
	"fmt"
	"runtime"
	"unsafe"
)

// AdapterLora is a LoRA adapter, loaded for one model and set per context. It wraps
// struct llama_adapter_lora. It must stay open while a context uses it.
type AdapterLora struct {
	h     handle[*C.struct_llama_adapter_lora]
	model *Model
}

// AdapterLoraInit wraps llama_adapter_lora_init. The caller closes the adapter,
// after the contexts that it was set on, or after it was taken off them.
func (m *Model) AdapterLoraInit(path string) (*AdapterLora, error) {
	defer runtime.KeepAlive(m)
	if err := noNUL("path", path); err != nil {
		return nil, err
	}
	cpath, free := cstring(path)
	defer free()
	var text *C.char
	c := C.puna_adapter_lora_init(m.ptr(), cpath, &text)
	if c == nil {
		return nil, failed("cannot load the adapter "+path, text)
	}
	m.retain()
	a := &AdapterLora{model: m}
	a.h.open(kindAdapter, c)
	return a, nil
}

// Close wraps llama_adapter_lora_free. Idempotent.
func (a *AdapterLora) Close() {
	if c, ok := a.h.close(); ok {
		C.llama_adapter_lora_free(c)
		a.model.release()
	}
}

// MetaValStr wraps llama_adapter_meta_val_str; see [Model.MetaValStr].
func (a *AdapterLora) MetaValStr(key string) (value string, ok bool) {
	defer runtime.KeepAlive(a)
	ckey, free := cstring(key)
	defer free()
	return grow(func(buf *C.char, size C.size_t) C.int32_t {
		return C.llama_adapter_meta_val_str(a.h.ptr(), ckey, buf, size)
	})
}

// MetaCount wraps llama_adapter_meta_count.
func (a *AdapterLora) MetaCount() int {
	defer runtime.KeepAlive(a)
	return int(C.llama_adapter_meta_count(a.h.ptr()))
}

// MetaKeyByIndex wraps llama_adapter_meta_key_by_index.
func (a *AdapterLora) MetaKeyByIndex(i int) (key string, ok bool) {
	defer runtime.KeepAlive(a)
	return grow(func(buf *C.char, size C.size_t) C.int32_t {
		return C.llama_adapter_meta_key_by_index(a.h.ptr(), C.int32_t(i), buf, size)
	})
}

// MetaValStrByIndex wraps llama_adapter_meta_val_str_by_index.
func (a *AdapterLora) MetaValStrByIndex(i int) (value string, ok bool) {
	defer runtime.KeepAlive(a)
	return grow(func(buf *C.char, size C.size_t) C.int32_t {
		return C.llama_adapter_meta_val_str_by_index(a.h.ptr(), C.int32_t(i), buf, size)
	})
}

// AloraInvocationTokens wraps llama_adapter_get_alora_invocation_tokens: the tokens
// that switch an activated LoRA on; nil for a plain one.
func (a *AdapterLora) AloraInvocationTokens() []Token {
	defer runtime.KeepAlive(a)
	n := C.llama_adapter_get_alora_n_invocation_tokens(a.h.ptr())
	if n == 0 {
		return nil
	}
	view := unsafe.Slice((*Token)(C.llama_adapter_get_alora_invocation_tokens(a.h.ptr())), int(n))
	return append([]Token(nil), view...)
}

// errComputed: llama.cpp keeps the graph of the last batch for the next one of the
// same shape, and doesn't notice that it was built with other adapters.
var errComputed = errors.New("llama: the context has computed already: set adapters before its first batch, or make another context")

// SetAdapterLora wraps llama_set_adapter_lora: every sequence of the context runs
// with the adapter, its weights times scale. Setting it again changes the scale. Like
// every change of adapters it must come before the context's first batch.
func (c *Context) SetAdapterLora(a *AdapterLora, scale float32) error {
	defer runtime.KeepAlive(c)
	defer runtime.KeepAlive(a)
	p := c.use()
	if a.model != c.model {
		return errors.New("llama: the adapter was loaded for another model")
	}
	if c.out.computed {
		return errComputed
	}
	if code := C.llama_set_adapter_lora(p, a.h.ptr(), C.float(scale)); code != 0 {
		return fmt.Errorf("llama: llama_set_adapter_lora: code %d", int(code))
	}
	return nil
}

// RmAdapterLora wraps llama_rm_adapter_lora. It is an error when it wasn't set.
func (c *Context) RmAdapterLora(a *AdapterLora) error {
	defer runtime.KeepAlive(c)
	defer runtime.KeepAlive(a)
	p := c.use()
	if c.out.computed {
		return errComputed
	}
	if C.llama_rm_adapter_lora(p, a.h.ptr()) != 0 {
		return errors.New("llama: the adapter isn't set on the context")
	}
	return nil
}

// ClearAdapterLora wraps llama_clear_adapter_lora.
func (c *Context) ClearAdapterLora() error {
	defer runtime.KeepAlive(c)
	p := c.use()
	if c.out.computed {
		return errComputed
	}
	C.llama_clear_adapter_lora(p)
	return nil
}

// ApplyAdapterCvec wraps llama_apply_adapter_cvec: a control vector of shape
// (nLayer-1, nEmbd), from layer 1 on, for layers first to last, both included. Nil
// data takes it off. data is copied. It must come before the context's first batch.
func (c *Context) ApplyAdapterCvec(data []float32, first, last int) error {
	defer runtime.KeepAlive(c)
	p := c.use()
	if c.out.computed {
		return errComputed
	}
	nEmbd := c.shape.nEmbd
	if len(data)%nEmbd != 0 {
		return fmt.Errorf("llama: a control vector of %d values: need a multiple of %d", len(data), nEmbd)
	}
	code := C.puna_apply_adapter_cvec(p, (*C.float)(unsafe.SliceData(data)), C.size_t(len(data)),
		C.int32_t(nEmbd), C.int32_t(first), C.int32_t(last), &c.cells.err)
	if code != 0 && c.cells.err == nil {
		return fmt.Errorf("llama: llama_apply_adapter_cvec: code %d", int(code))
	}
	return c.callError("control vector")
}
