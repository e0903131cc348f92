package kernels

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime"
	"time"

	"github.com/puna-ai/puna/cgo/ggml"
)

// proofVersion is part of every verdict's key: count it up when the proof changes.
const proofVersion = 1

// The largest normalized mean squared error that counts as the same result. CPU
// variants differ from the baseline in rounding alone (4e-13 in products and 3e-9 in
// attention, measured on AVX-512), though some may sum in half precision; one wrong element of the largest
// product is 5e-4. GPU backends use narrower sums and quantize inputs differently,
// and get what llama.cpp's own tests allow.
const (
	cpuTolerance = 1e-4
	gpuTolerance = 5e-4
)

// Prove compares a module's results with the baseline's, in this process, which a
// bad module can crash: see [Verify] for the parent's side. base is a libggml-base
// to load first, or "" if the module finds its own. The verdict says what is wrong
// with the module.
func Prove(module, base string) Verdict {
	start := time.Now()
	v := Verdict{State: Proven, At: start.UTC().Truncate(time.Second)}
	if err := v.prove(module, base); err != nil {
		v.State, v.Reason = Bad, err.Error()
		if errors.Is(err, errUnsupported) {
			v.State = Unsupported
		}
	}
	v.Seconds = time.Since(start).Seconds()
	return v
}

// errUnsupported means that a module has no use on this machine, and no fault.
var errUnsupported = errors.New("not for this machine")

func (v *Verdict) prove(module, base string) error {
	baseline, ok := ggml.DeviceByType(ggml.CPU)
	if !ok {
		return errors.New("this program has no CPU backend of its own to compare with")
	}
	lib, err := openModule(module, base)
	if err != nil {
		return err
	}
	if v.Score = lib.Score(); v.Score == 0 {
		return fmt.Errorf("%w: the CPU lacks instructions that it was compiled for", errUnsupported)
	}
	reg, err := ggml.LoadBackend(module)
	if err != nil {
		return err
	}
	devices := reg.Devices()
	if v.Devices = len(devices); v.Devices == 0 {
		return fmt.Errorf("%w: the backend %s finds no device", errUnsupported, reg.Name())
	}
	p := proof{v: v, refs: map[string]*reference{}}
	if p.baseline, err = newRunner(baseline); err != nil {
		return err
	}
	defer p.baseline.close()
	for _, dev := range devices {
		if err := p.device(dev); err != nil {
			return fmt.Errorf("%s %w", dev.Name(), err)
		}
	}
	return nil
}

// ProveMain is the child process's main: the hidden command "puna kernels prove
// MODULE [BASE]" calls it with the arguments after "prove". It writes the [Verdict]
// as JSON and returns the exit status.
func ProveMain(args []string, stdout io.Writer) int {
	if len(args) < 1 || len(args) > 2 {
		fmt.Fprintln(stdout, "usage: puna kernels prove MODULE [LIBGGML-BASE]")
		return 2
	}
	v := Prove(args[0], append(args, "")[1])
	if err := json.NewEncoder(stdout).Encode(v); err != nil {
		return 2
	}
	if v.State != Proven {
		return 1
	}
	return 0
}

type proof struct {
	baseline *runner
	refs     map[string]*reference // by task
	v        *Verdict
}

// reference is a task's operands and the baseline's result.
type reference struct {
	operands [][]byte
	result   []float32
}

// device compares every task, products in every layout that the device has for
// weights.
func (p *proof) device(dev ggml.Device) error {
	r, err := newRunner(dev)
	if err != nil {
		return err
	}
	defer r.close()
	tolerance := cpuTolerance
	if dev.Type() != ggml.CPU {
		tolerance = gpuTolerance
	}
	for _, t := range append(operations(), products()...) {
		if err := p.compare(r, dev.BufferType(), t, tolerance); err != nil {
			return err
		}
	}
	for _, layout := range dev.ExtraBufferTypes() {
		for _, t := range products() {
			if err := p.compare(r, layout, t, tolerance); err != nil {
				return fmt.Errorf("in %s weights: %w", layout.Name(), err)
			}
		}
	}
	return nil
}

// compare computes a task with its first operand in a layout; what the device
// doesn't serve, llama.cpp computes elsewhere.
func (p *proof) compare(r *runner, layout ggml.BufferType, t task, tolerance float64) error {
	ref, err := p.reference(t)
	if err != nil {
		return fmt.Errorf("%s: %w", t.name, err)
	}
	got, supported, err := r.run(layout, t, ref.operands)
	if err != nil || !supported {
		return err
	}
	e := nmse(got, ref.result)
	p.v.Cases++
	p.v.Error = max(p.v.Error, e)
	if !(e <= tolerance) { // not a number is wrong, too
		return fmt.Errorf("%s: the result differs from the baseline's by %.2g, at most %.0e is rounding", t.name, e, tolerance)
	}
	return nil
}

// reference makes a task's operands and lets the baseline compute it, once.
func (p *proof) reference(t task) (*reference, error) {
	if ref, ok := p.refs[t.name]; ok {
		return ref, nil
	}
	operands, err := t.data()
	if err != nil {
		return nil, err
	}
	result, supported, err := p.baseline.run(p.baseline.dev.BufferType(), t, operands)
	if err != nil || !supported {
		return nil, fmt.Errorf("the baseline can't compute it (error: %w)", err)
	}
	p.refs[t.name] = &reference{operands, result}
	return p.refs[t.name], nil
}

// nmse is the squared error relative to the squared result: 0 is equal, 1 unrelated.
func nmse(got, want []float32) float64 {
	var diff, norm float64
	for i := range want {
		d := float64(got[i]) - float64(want[i])
		diff += d * d
		norm += float64(want[i]) * float64(want[i])
	}
	return diff / norm
}

// runner computes tasks on one device.
type runner struct {
	dev     ggml.Device
	backend *ggml.Backend
}

func newRunner(dev ggml.Device) (*runner, error) {
	b, err := dev.NewBackend()
	if err != nil {
		return nil, err
	}
	b.SetThreads(dev.Reg(), min(2, runtime.NumCPU())) // they spin: more would wait for each other on a busy machine
	return &runner{dev, b}, nil
}

func (r *runner) close() { r.backend.Close() }

// run computes one task with its first operand in a layout; supported is false where
// the device doesn't serve that.
func (r *runner) run(layout ggml.BufferType, t task, data [][]byte) (result []float32, supported bool, err error) {
	held, graph := ggml.NewContext(1), ggml.NewContext(len(t.operands))
	defer held.Close()
	defer graph.Close()
	in := make([]ggml.Tensor, len(t.operands))
	for i, o := range t.operands {
		ctx := graph
		if i == 0 {
			ctx = held
		}
		in[i] = ctx.NewTensor2D(o.typ, o.n, o.rows)
	}
	y := t.op(graph, in)

	weights, err := held.Alloc(layout)
	if err != nil {
		return nil, false, err
	}
	defer weights.Close()
	weights.SetWeights()
	buf, err := graph.Alloc(r.dev.BufferType())
	if err != nil {
		return nil, false, err
	}
	defer buf.Close()
	if !r.dev.SupportsOp(y) {
		return nil, false, nil
	}
	for i := range in {
		in[i].Set(data[i])
	}
	if err := r.backend.Compute(graph.NewGraph(y)); err != nil {
		return nil, true, err
	}
	result = make([]float32, y.Bytes()/4)
	y.Get(floatBytes(result))
	return result, true, nil
}
