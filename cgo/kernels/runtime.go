package kernels

import (
	"errors"

	"github.com/puna-ai/puna/cgo/ggml"
)

// NewThreadpool starts a pool of worker threads that run the kernels in use: it
// calls ggml_threadpool_new of the CPU backend that llama.cpp uses, which is the
// loaded module's. Call it after [Load]. The caller closes the pool, after every
// context that it is attached to.
func NewThreadpool(p ggml.ThreadpoolParams) (*ggml.Threadpool, error) {
	cpu, ok := ggml.DeviceByType(ggml.CPU)
	if !ok {
		return nil, errors.New("kernels: no CPU backend is registered; call Load first")
	}
	return ggml.NewThreadpool(cpu.Reg(), p)
}

// Repackings lists the layouts that the kernels in use can repack weights to, in
// llama.cpp's order of preference: "AMX", "CPU_REPACK". Empty on the baseline.
func Repackings() []ggml.BufferType {
	cpu, ok := ggml.DeviceByType(ggml.CPU)
	if !ok {
		return nil
	}
	return cpu.ExtraBufferTypes()
}

// RepacksTo returns the layout that llama.cpp repacks a matrix of weights to when
// use_extra_bufts is set, and false if it leaves the matrix as it is: out rows of in
// values of type t, multiplied with inputs in F32. It asks ggml, and allocates the
// matrix for a moment without touching its memory.
func RepacksTo(t ggml.Type, in, out int64) (ggml.BufferType, bool) {
	if !t.Valid() || in <= 0 || out <= 0 || in%t.BlockSize() != 0 {
		return ggml.BufferType{}, false
	}
	for _, layout := range Repackings() {
		if repacks(layout, t, in, out) {
			return layout, true
		}
	}
	return ggml.BufferType{}, false
}

func repacks(layout ggml.BufferType, t ggml.Type, in, out int64) bool {
	held, graph := ggml.NewContext(1), ggml.NewContext(2)
	defer held.Close()
	defer graph.Close()
	w := held.NewTensor2D(t, in, out)
	y := graph.MulMat(w, graph.NewTensor2D(ggml.F32, in, 1))
	buf, err := held.Alloc(layout)
	if err != nil {
		return false
	}
	defer buf.Close()
	cpu, _ := ggml.DeviceByType(ggml.CPU)
	return cpu.SupportsOp(y)
}
