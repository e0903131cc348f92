package kernels

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"time"
	"unsafe"

	"github.com/puna-ai/puna/cgo/ggml"
)

// proofVersion is part of every verdict's key: count it up when the proof changes.
const proofVersion = 1

// The largest normalized mean squared error that counts as the same result. CPU
// variants differ from the baseline in rounding alone (4e-13 measured on AVX2 and
// AVX-512), though some may sum in half precision; one wrong element of the largest
// product is 5e-4. GPU backends use narrower sums and quantize inputs differently,
// and get what llama.cpp's own tests allow.
const (
	cpuTolerance = 1e-4
	gpuTolerance = 5e-4
)

// shape is a matrix product: n rows of weights and m rows of inputs, k long.
type shape struct{ k, n, m int64 }

// shapes reach every kind of kernel: AMX tiles (k a multiple of 2048, n of 32),
// whole and partial tiles of inputs, one input alone, and sizes that nothing but
// blocks divide.
var shapes = []shape{{2048, 64, 1}, {2048, 64, 33}, {768, 48, 7}}

// proofTypes are the types of weights that models have.
var proofTypes = []ggml.Type{
	ggml.F32, ggml.F16, ggml.BF16, ggml.Q4_0, ggml.Q4_1, ggml.Q5_0, ggml.Q5_1, ggml.Q8_0,
	ggml.Q2K, ggml.Q3K, ggml.Q4K, ggml.Q5K, ggml.Q6K, ggml.IQ2XXS, ggml.IQ2XS, ggml.IQ2S, ggml.IQ3XXS, ggml.IQ3S,
	ggml.IQ1S, ggml.IQ1M, ggml.IQ4NL, ggml.IQ4XS, ggml.TQ1_0, ggml.TQ2_0, ggml.MXFP4,
}

// Prove compares a module's results with the baseline's, in this process, which a
// bad module can crash: see [Verify] for the parent's side. base is a libggml-base
// to load first, or "" if the module finds its own. The error says what is wrong
// with the module; the verdict's State, Reason, At and Seconds are set either way.
func Prove(module, base string) (v Verdict, err error) {
	start := time.Now()
	defer func() {
		v.At, v.Seconds = start.UTC().Truncate(time.Second), time.Since(start).Seconds()
		if err != nil && v.State != Unsupported {
			v.State = Bad
		}
		if err != nil {
			v.Reason = err.Error()
		}
	}()
	v.State = Proven
	baseline, ok := ggml.DeviceByType(ggml.CPU)
	if !ok {
		return v, fmt.Errorf("this program has no CPU backend of its own to compare with")
	}
	lib, err := openModule(module, base)
	if err != nil {
		return v, err
	}
	if v.Score = lib.Score(); v.Score == 0 {
		v.State = Unsupported
		return v, fmt.Errorf("this CPU lacks instructions that it was compiled for")
	}
	reg, err := ggml.LoadBackend(module)
	if err != nil {
		return v, err
	}
	devices := reg.Devices()
	if v.Devices = len(devices); v.Devices == 0 {
		v.State = Unsupported
		return v, fmt.Errorf("the backend %s finds no device on this machine", reg.Name())
	}
	p := proof{v: &v, refs: map[product]*reference{}}
	if p.baseline, err = newRunner(baseline); err != nil {
		return v, err
	}
	defer p.baseline.close()
	for _, dev := range devices {
		if err := p.device(dev); err != nil {
			return v, fmt.Errorf("%s %w", dev.Name(), err)
		}
	}
	return v, nil
}

// ProveMain is the child process's main: the hidden command "puna kernels prove
// MODULE [BASE]" calls it with the arguments after "prove". It writes the [Verdict]
// as JSON and returns the exit status.
func ProveMain(args []string, stdout io.Writer) int {
	if len(args) < 1 || len(args) > 2 {
		fmt.Fprintln(stdout, "usage: puna kernels prove MODULE [LIBGGML-BASE]")
		return 2
	}
	v, err := Prove(args[0], append(args, "")[1])
	if err := json.NewEncoder(stdout).Encode(v); err != nil {
		return 2
	}
	if err != nil {
		return 1
	}
	return 0
}

// product is one case of a proof.
type product struct {
	typ ggml.Type
	shape
}

func (p product) String() string {
	return fmt.Sprintf("%s (%d, %d) x (%d, %d)", p.typ, p.k, p.n, p.k, p.m)
}

type proof struct {
	baseline *runner
	refs     map[product]*reference
	v        *Verdict
}

// device compares every product, in every layout that the device has for weights.
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
	for _, layout := range append([]ggml.BufferType{dev.BufferType()}, dev.ExtraBufferTypes()...) {
		for _, typ := range proofTypes {
			for _, s := range shapes {
				if err := p.compare(r, layout, product{typ, s}, tolerance); err != nil {
					return fmt.Errorf("in %s weights: %w", layout.Name(), err)
				}
			}
		}
	}
	return nil
}

func (p *proof) compare(r *runner, layout ggml.BufferType, c product, tolerance float64) error {
	ref, err := p.reference(c)
	if err != nil {
		return fmt.Errorf("%s: %w", c, err)
	}
	got, supported, err := r.run(layout, c, ref)
	if err != nil || !supported {
		return err
	}
	e := nmse(got, ref.result)
	p.v.Cases++
	p.v.Error = max(p.v.Error, e)
	if !(e <= tolerance) { // not a number is wrong, too
		return fmt.Errorf("%s: the result differs from the baseline's by %.2g, at most %.0e is rounding", c, e, tolerance)
	}
	return nil
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

// reference is a product's operands and the baseline's result.
type reference struct {
	weights []byte
	inputs  []float32
	result  []float32
}

// reference makes a product's operands, the same in every process, and lets the
// baseline compute it, once.
func (p *proof) reference(c product) (*reference, error) {
	if ref, ok := p.refs[c]; ok {
		return ref, nil
	}
	rng := rand.New(rand.NewPCG(uint64(c.typ), uint64(c.k*c.n+c.m)))
	ref := &reference{inputs: normal(rng, c.k*c.m)}
	var err error
	if book, ok := codebooks[c.typ]; ok {
		ref.weights = book.weights(rng, c)
	} else if ref.weights, err = ggml.Quantize(c.typ, normal(rng, c.k*c.n), c.k); err != nil {
		return nil, err
	}
	result, supported, err := p.baseline.run(p.baseline.dev.BufferType(), c, ref)
	if err != nil || !supported {
		return nil, fmt.Errorf("the baseline can't compute it (error: %w)", err)
	}
	ref.result, p.refs[c] = result, ref
	return ref, nil
}

func normal(rng *rand.Rand, n int64) []float32 {
	values := make([]float32, n)
	for i := range values {
		values[i] = float32(rng.NormFloat64())
	}
	return values
}

// codebook says where a block of a codebook type has its scale. Setting up ggml's
// quantizers of these types takes up to eleven seconds; as every bit pattern is a
// valid block but for the scale, random blocks do as well.
type codebook struct {
	offset int
	scale  func([]byte)
}

var codebooks = map[ggml.Type]codebook{
	ggml.IQ2XXS: {0, halfScale}, ggml.IQ2XS: {0, halfScale}, ggml.IQ2S: {0, halfScale},
	ggml.IQ3XXS: {0, halfScale}, ggml.IQ3S: {0, halfScale}, ggml.IQ1S: {0, halfScale},
	ggml.IQ1M: {48, quarteredScale},
}

// half is 1/16 as an IEEE 754 half.
const half uint16 = 0x2C00

func halfScale(b []byte) { binary.LittleEndian.PutUint16(b, half) }

// quarteredScale sets the scale of IQ1_M, four bits of which are on top of each of
// four 16-bit words.
func quarteredScale(b []byte) {
	for i := range 4 {
		b[2*i+1] = b[2*i+1]&0x0F | byte(half>>(4*i)&0xF)<<4
	}
}

func (c codebook) weights(rng *rand.Rand, p product) []byte {
	block := int(p.typ.Size())
	b := make([]byte, uint64(p.n)*p.typ.RowSize(p.k))
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	for i := 0; i < len(b); i += block {
		c.scale(b[i+c.offset : i+block])
	}
	return b
}

// runner computes products on one device.
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

// run computes one product with its weights in a layout; supported is false where
// the device doesn't serve that.
func (r *runner) run(layout ggml.BufferType, c product, ref *reference) (result []float32, supported bool, err error) {
	held, graph := ggml.NewContext(1), ggml.NewContext(2)
	defer held.Close()
	defer graph.Close()
	w := held.NewTensor2D(c.typ, c.k, c.n)
	x := graph.NewTensor2D(ggml.F32, c.k, c.m)
	y := graph.MulMat(w, x)

	wbuf, err := held.Alloc(layout)
	if err != nil {
		return nil, false, err
	}
	defer wbuf.Close()
	wbuf.SetWeights()
	buf, err := graph.Alloc(r.dev.BufferType())
	if err != nil {
		return nil, false, err
	}
	defer buf.Close()
	if !r.dev.SupportsOp(y) {
		return nil, false, nil
	}
	w.Set(ref.weights)
	x.Set(floatBytes(ref.inputs))
	if err := r.backend.Compute(graph.NewGraph(y)); err != nil {
		return nil, true, err
	}
	result = make([]float32, c.n*c.m)
	y.Get(floatBytes(result))
	return result, true, nil
}

// floatBytes is the memory of f.
func floatBytes(f []float32) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(f))), 4*len(f))
}
