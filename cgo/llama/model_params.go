package llama

// #include <stdlib.h>
// #include "shim.h"
import "C"

import (
	"errors"
	"fmt"
	"unsafe"

	"github.com/puna-ai/puna/cgo/ggml"
)

// SplitMode mirrors enum llama_split_mode.
type SplitMode int32

const (
	SplitModeNone  SplitMode = C.LLAMA_SPLIT_MODE_NONE  // one device, MainGPU
	SplitModeLayer SplitMode = C.LLAMA_SPLIT_MODE_LAYER // layers and KV across devices
	SplitModeRow   SplitMode = C.LLAMA_SPLIT_MODE_ROW   // rows too, where the backend can
)

// TensorBuftOverride mirrors struct llama_model_tensor_buft_override.
type TensorBuftOverride struct {
	Pattern string // regular expression (ECMAScript) over tensor names
	Buft    ggml.BufferType
}

// KVOverride mirrors struct llama_model_kv_override: it replaces a metadata value
// of the file. Value is an int64, float64, bool or string.
type KVOverride struct {
	Key   string // at most 127 bytes
	Value any    // a string has at most 127 bytes
}

// ModelParams mirrors struct llama_model_params. Start from [ModelDefaultParams]:
// the zero value is not the default. It has as many fields as the C struct.
type ModelParams struct {
	Devices             []ggml.Device // to offload to; nil: every GPU
	TensorBuftOverrides []TensorBuftOverride
	NGPULayers          int32 // layers in device memory
	SplitMode           SplitMode
	MainGPU             int32     // for SplitModeNone; negative: no device
	TensorSplit         []float32 // share of each device; nil: by free memory
	// Progress is called on the loading goroutine with 0 to 1; false cancels.
	Progress      func(progress float32) bool
	KVOverrides   []KVOverride
	VocabOnly     bool // no weights
	UseMmap       bool
	UseMlock      bool
	CheckTensors  bool // validate the weights; reads all of them
	UseExtraBufts bool // repack weights (AMX, CPU_REPACK): a private copy, see doc.go
	NoHost        bool // no pinned host memory, so that extra buffer types are used
	NoAlloc       bool // metadata only, sizes without memory
}

// ModelDefaultParams wraps llama_model_default_params.
func ModelDefaultParams() ModelParams {
	c := C.llama_model_default_params()
	return ModelParams{
		NGPULayers:    int32(c.n_gpu_layers),
		SplitMode:     SplitMode(c.split_mode),
		MainGPU:       int32(c.main_gpu),
		UseMmap:       bool(c.use_mmap),
		UseMlock:      bool(c.use_mlock),
		CheckTensors:  bool(c.check_tensors),
		UseExtraBufts: bool(c.use_extra_bufts),
		NoHost:        bool(c.no_host),
		NoAlloc:       bool(c.no_alloc),
	}
}

// check refuses what llama.cpp would read out of bounds or abort on.
func (p *ModelParams) check() error {
	if p.SplitMode < SplitModeNone || p.SplitMode > SplitModeRow {
		return fmt.Errorf("llama: split mode %d: need %d to %d", p.SplitMode, SplitModeNone, SplitModeRow)
	}
	if p.NoAlloc && p.UseMmap {
		return errors.New("llama: NoAlloc needs UseMmap off: llama.cpp has nothing to map")
	}
	if n := MaxDevices(); len(p.TensorSplit) > n || len(p.Devices) > n {
		return fmt.Errorf("llama: %d devices and %d shares of a tensor split: at most %d", len(p.Devices), len(p.TensorSplit), n)
	}
	for i, d := range p.Devices {
		if !d.Valid() {
			return fmt.Errorf("llama: device %d is not a device", i)
		}
	}
	for i, o := range p.TensorBuftOverrides {
		if !o.Buft.Valid() {
			return fmt.Errorf("llama: tensor override %d (%q) names no buffer type", i, o.Pattern)
		}
	}
	return nil
}

// c converts to C memory; free releases what the result points to.
func (p *ModelParams) c() (c C.struct_llama_model_params, free func(), err error) {
	if err := p.check(); err != nil {
		return c, nil, err
	}
	c = C.llama_model_default_params()
	c.n_gpu_layers = C.int32_t(p.NGPULayers)
	c.split_mode = C.enum_llama_split_mode(p.SplitMode)
	c.main_gpu = C.int32_t(p.MainGPU)
	c.vocab_only = C.bool(p.VocabOnly)
	c.use_mmap = C.bool(p.UseMmap)
	c.use_mlock = C.bool(p.UseMlock)
	c.check_tensors = C.bool(p.CheckTensors)
	c.use_extra_bufts = C.bool(p.UseExtraBufts)
	c.no_host = C.bool(p.NoHost)
	c.no_alloc = C.bool(p.NoAlloc)

	var a arena
	if c.kv_overrides, err = a.kvOverrides(p.KVOverrides); err != nil {
		a.free()
		return c, nil, err
	}
	c.devices = a.devices(p.Devices)
	c.tensor_split = a.tensorSplit(p.TensorSplit)
	c.tensor_buft_overrides = a.buftOverrides(p.TensorBuftOverrides)
	return c, a.free, nil
}

// arena collects C allocations to be freed together.
type arena struct{ all []unsafe.Pointer }

// alloc returns n zeroed elements of T.
func alloc[T any](a *arena, n int) []T {
	var t T
	p := C.calloc(C.size_t(max(n, 1)), C.size_t(unsafe.Sizeof(t)))
	a.all = append(a.all, p)
	return unsafe.Slice((*T)(p), n)
}

func (a *arena) str(s string) *C.char {
	c, _ := cstring(s)
	a.all = append(a.all, unsafe.Pointer(c))
	return c
}

func (a *arena) strs(ss []string) **C.char {
	array := alloc[*C.char](a, len(ss))
	for i, s := range ss {
		array[i] = a.str(s)
	}
	return unsafe.SliceData(array)
}

func (a *arena) free() {
	for _, p := range a.all {
		C.free(p)
	}
	a.all = nil
}

func (a *arena) devices(devs []ggml.Device) *C.ggml_backend_dev_t {
	if devs == nil {
		return nil
	}
	array := alloc[C.ggml_backend_dev_t](a, len(devs)+1) // ends with NULL
	for i, d := range devs {
		array[i] = C.ggml_backend_dev_t(d.Pointer())
	}
	return unsafe.SliceData(array)
}

func (a *arena) tensorSplit(split []float32) *C.float {
	if len(split) == 0 {
		return nil
	}
	array := alloc[float32](a, MaxDevices()) // llama.cpp reads all of them
	copy(array, split)
	return (*C.float)(unsafe.SliceData(array))
}

func (a *arena) buftOverrides(all []TensorBuftOverride) *C.struct_llama_model_tensor_buft_override {
	if len(all) == 0 {
		return nil
	}
	array := alloc[C.struct_llama_model_tensor_buft_override](a, len(all)+1) // ends with NULL
	for i, o := range all {
		array[i].pattern = a.str(o.Pattern)
		array[i].buft = C.ggml_backend_buffer_type_t(o.Buft.Pointer())
	}
	return unsafe.SliceData(array)
}

func (a *arena) kvOverrides(all []KVOverride) (*C.struct_llama_model_kv_override, error) {
	if len(all) == 0 {
		return nil, nil
	}
	array := alloc[C.struct_llama_model_kv_override](a, len(all)+1) // ends with an empty key
	for i, o := range all {
		if err := o.c(&array[i]); err != nil {
			return nil, err
		}
	}
	return unsafe.SliceData(array), nil
}

// c fills one override, whose memory is zeroed.
func (o *KVOverride) c(c *C.struct_llama_model_kv_override) error {
	if len(o.Key) == 0 || len(o.Key) >= len(c.key) {
		return fmt.Errorf("llama: metadata override key %q: need 1 to %d bytes", o.Key, len(c.key)-1)
	}
	copy(unsafe.Slice((*byte)(unsafe.Pointer(&c.key[0])), len(c.key)), o.Key)
	val := unsafe.Pointer(&c.anon0[0])
	switch v := o.Value.(type) {
	case int64:
		c.tag, *(*int64)(val) = C.LLAMA_KV_OVERRIDE_TYPE_INT, v
	case float64:
		c.tag, *(*float64)(val) = C.LLAMA_KV_OVERRIDE_TYPE_FLOAT, v
	case bool:
		c.tag, *(*bool)(val) = C.LLAMA_KV_OVERRIDE_TYPE_BOOL, v
	case string:
		if len(v) >= len(c.anon0) {
			return fmt.Errorf("llama: metadata override of %q: a string has at most %d bytes, this one %d", o.Key, len(c.anon0)-1, len(v))
		}
		c.tag = C.LLAMA_KV_OVERRIDE_TYPE_STR
		copy(unsafe.Slice((*byte)(val), len(c.anon0)), v)
	default:
		return fmt.Errorf("llama: metadata override of %q is a %T: need int64, float64, bool or string", o.Key, o.Value)
	}
	return nil
}
