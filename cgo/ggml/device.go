package ggml

/*
#include <stdlib.h>
#include <ggml-backend.h>

// A function pointer can't be called from Go.
static ggml_backend_buffer_type_t *puna_extra_bufts(void *fn, ggml_backend_dev_t dev) {
    return ((ggml_backend_dev_get_extra_bufts_t) fn)(dev);
}
*/
import "C"

import (
	"fmt"
	"unsafe"
)

// DeviceType mirrors enum ggml_backend_dev_type.
type DeviceType int

const (
	CPU   DeviceType = C.GGML_BACKEND_DEVICE_TYPE_CPU   // system memory
	GPU   DeviceType = C.GGML_BACKEND_DEVICE_TYPE_GPU   // dedicated memory
	IGPU  DeviceType = C.GGML_BACKEND_DEVICE_TYPE_IGPU  // integrated, host memory
	Accel DeviceType = C.GGML_BACKEND_DEVICE_TYPE_ACCEL // beside the CPU, such as BLAS
)

func (t DeviceType) String() string {
	switch t {
	case CPU:
		return "CPU"
	case GPU:
		return "GPU"
	case IGPU:
		return "IGPU"
	case Accel:
		return "ACCEL"
	default:
		return fmt.Sprintf("DeviceType(%d)", int(t))
	}
}

// Device is one device of a backend. It wraps ggml_backend_dev_t; borrowed, never
// freed. Methods are safe for concurrent use.
type Device struct{ c C.ggml_backend_dev_t }

// Props mirrors struct ggml_backend_dev_props, less what only one source of ggml has.
type Props struct {
	Name        string // "CPU", "CUDA0", "Vulkan0"
	Description string // the processor's model name
	ID          string // PCI bus id such as "0000:01:00.0", or ""
	Type        DeviceType
	MemoryFree  uint64 // bytes; the CPU backend reports the total as free
	MemoryTotal uint64 // bytes
	Caps        Caps
}

// Caps mirrors struct ggml_backend_dev_caps.
type Caps struct {
	Async             bool // asynchronous operations
	HostBuffer        bool // pinned host memory
	BufferFromHostPtr bool // can use mapped files in place
	Events            bool // event synchronization
}

// DeviceCount wraps ggml_backend_dev_count.
func DeviceCount() int { return int(C.ggml_backend_dev_count()) }

// Devices lists every registered device in ggml's order: highest score first. It
// wraps ggml_backend_dev_get for each.
func Devices() []Device {
	devs := make([]Device, DeviceCount())
	for i := range devs {
		devs[i] = Device{C.ggml_backend_dev_get(C.size_t(i))}
	}
	return devs
}

// DeviceByName wraps ggml_backend_dev_by_name; ok is false when there is none. Case
// doesn't matter.
func DeviceByName(name string) (d Device, ok bool) {
	s := C.CString(name)
	defer C.free(unsafe.Pointer(s))
	d = Device{C.ggml_backend_dev_by_name(s)}
	return d, d.c != nil
}

// DeviceByType wraps ggml_backend_dev_by_type: the first in ggml's order, which is
// the one llama.cpp uses. ok is false when there is none.
func DeviceByType(t DeviceType) (d Device, ok bool) {
	d = Device{C.ggml_backend_dev_by_type(C.enum_ggml_backend_dev_type(t))}
	return d, d.c != nil
}

// DeviceFrom wraps a ggml_backend_dev_t that another package got from C.
func DeviceFrom(p unsafe.Pointer) Device { return Device{C.ggml_backend_dev_t(p)} }

// Pointer returns the ggml_backend_dev_t, or nil for none.
func (d Device) Pointer() unsafe.Pointer { return unsafe.Pointer(d.c) }

// Valid reports whether d is a device at all.
func (d Device) Valid() bool { return d.c != nil }

// Name wraps ggml_backend_dev_name.
func (d Device) Name() string { return C.GoString(C.ggml_backend_dev_name(d.c)) }

// Description wraps ggml_backend_dev_description.
func (d Device) Description() string { return C.GoString(C.ggml_backend_dev_description(d.c)) }

// Memory wraps ggml_backend_dev_memory, in bytes. It asks the driver each time.
func (d Device) Memory() (free, total uint64) {
	var f, t C.size_t
	C.ggml_backend_dev_memory(d.c, &f, &t)
	return uint64(f), uint64(t)
}

// Type wraps ggml_backend_dev_type.
func (d Device) Type() DeviceType { return DeviceType(C.ggml_backend_dev_type(d.c)) }

// Props wraps ggml_backend_dev_get_props.
func (d Device) Props() Props {
	var p C.struct_ggml_backend_dev_props
	C.ggml_backend_dev_get_props(d.c, &p)
	return Props{
		Name:        C.GoString(p.name),
		Description: C.GoString(p.description),
		ID:          C.GoString(p.device_id),
		Type:        DeviceType(p._type),
		MemoryFree:  uint64(p.memory_free),
		MemoryTotal: uint64(p.memory_total),
		Caps: Caps{
			Async:             bool(p.caps.async),
			HostBuffer:        bool(p.caps.host_buffer),
			BufferFromHostPtr: bool(p.caps.buffer_from_host_ptr),
			Events:            bool(p.caps.events),
		},
	}
}

// Reg wraps ggml_backend_dev_backend_reg.
func (d Device) Reg() Reg { return Reg{C.ggml_backend_dev_backend_reg(d.c)} }

// BufferType wraps ggml_backend_dev_buffer_type: the device's preferred one.
func (d Device) BufferType() BufferType { return BufferType{C.ggml_backend_dev_buffer_type(d.c)} }

// HostBufferType wraps ggml_backend_dev_host_buffer_type: pinned host memory for
// faster transfers, or none.
func (d Device) HostBufferType() BufferType {
	return BufferType{C.ggml_backend_dev_host_buffer_type(d.c)}
}

// ExtraBufferTypes wraps ggml_backend_dev_get_extra_bufts: layouts that weights can
// be repacked into (AMX, CPU_REPACK), in ggml's order of preference. Only CPU
// devices have any. Each repacked tensor is a private copy of its weights.
func (d Device) ExtraBufferTypes() []BufferType {
	fn := d.Reg().ProcAddress("ggml_backend_dev_get_extra_bufts")
	if fn == nil {
		return nil
	}
	var bufts []BufferType
	p := C.puna_extra_bufts(fn, d.c)
	for ; p != nil && *p != nil; p = (*C.ggml_backend_buffer_type_t)(unsafe.Add(unsafe.Pointer(p), unsafe.Sizeof(*p))) {
		bufts = append(bufts, BufferType{*p})
	}
	return bufts
}
