package llama

// #include "shim.h"
import "C"

import "fmt"

// NUMAStrategy mirrors enum ggml_numa_strategy.
type NUMAStrategy int32

const (
	NUMADisabled   NUMAStrategy = C.GGML_NUMA_STRATEGY_DISABLED
	NUMADistribute NUMAStrategy = C.GGML_NUMA_STRATEGY_DISTRIBUTE
	NUMAIsolate    NUMAStrategy = C.GGML_NUMA_STRATEGY_ISOLATE
	NUMANumactl    NUMAStrategy = C.GGML_NUMA_STRATEGY_NUMACTL
	NUMAMirror     NUMAStrategy = C.GGML_NUMA_STRATEGY_MIRROR
)

// NUMAInit wraps llama_numa_init. Call it once, before the first model is loaded.
func NUMAInit(s NUMAStrategy) {
	BackendInit()
	C.llama_numa_init(C.enum_ggml_numa_strategy(s))
}

// TimeUs wraps llama_time_us: a monotonic clock, in microseconds.
func TimeUs() int64 {
	BackendInit()
	return int64(C.llama_time_us())
}

// MaxDevices wraps llama_max_devices: the length of ModelParams.TensorSplit.
func MaxDevices() int { return int(C.llama_max_devices()) }

// MaxParallelSequences wraps llama_max_parallel_sequences: the most sequence ids
// that a context can have.
func MaxParallelSequences() int { return int(C.llama_max_parallel_sequences()) }

// MaxTensorBuftOverrides wraps llama_max_tensor_buft_overrides.
func MaxTensorBuftOverrides() int { return int(C.llama_max_tensor_buft_overrides()) }

// SupportsMmap wraps llama_supports_mmap.
func SupportsMmap() bool { return bool(C.llama_supports_mmap()) }

// SupportsMlock wraps llama_supports_mlock.
func SupportsMlock() bool { return bool(C.llama_supports_mlock()) }

// SupportsGPUOffload wraps llama_supports_gpu_offload: a GPU device is registered.
func SupportsGPUOffload() bool { return bool(C.llama_supports_gpu_offload()) }

// SupportsRPC wraps llama_supports_rpc.
func SupportsRPC() bool { return bool(C.llama_supports_rpc()) }

// PrintSystemInfo wraps llama_print_system_info: the features of each registered
// backend, in one line. Not safe for concurrent use: it fills a static buffer.
func PrintSystemInfo() string { return C.GoString(C.llama_print_system_info()) }

// ChatBuiltinTemplates wraps llama_chat_builtin_templates: the names of the chat
// formats that llama.cpp knows without Jinja.
func ChatBuiltinTemplates() []string {
	n := C.llama_chat_builtin_templates(nil, 0)
	names := make([]*C.char, n)
	if n == 0 {
		return nil
	}
	C.llama_chat_builtin_templates(&names[0], C.size_t(n))
	out := make([]string, n)
	for i, name := range names {
		out[i] = C.GoString(name)
	}
	return out
}

// pathMax bounds the paths of SplitPath and SplitPrefix, in bytes.
const pathMax = 4096

// SplitPath wraps llama_split_path: the file name of part no (from 0) of count.
func SplitPath(prefix string, no, count int) (string, error) {
	cprefix, free := cstring(prefix)
	defer free()
	buf := make([]C.char, pathMax)
	n := C.llama_split_path(&buf[0], pathMax, cprefix, C.int(no), C.int(count))
	if n <= 0 || n >= pathMax {
		return "", fmt.Errorf("llama: no path for part %d of %d of %q", no, count, prefix)
	}
	return C.GoStringN(&buf[0], n), nil
}

// SplitPrefix wraps llama_split_prefix: the prefix of a split's path. ok is false
// unless the path is that of part no (from 0) of count.
func SplitPrefix(path string, no, count int) (prefix string, ok bool) {
	if len(path) >= pathMax {
		return "", false
	}
	cpath, free := cstring(path)
	defer free()
	buf := make([]C.char, pathMax)
	n := C.llama_split_prefix(&buf[0], pathMax, cpath, C.int(no), C.int(count))
	if n <= 0 {
		return "", false
	}
	return C.GoString(&buf[0]), true
}
