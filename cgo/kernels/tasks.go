package kernels

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"unsafe"

	"github.com/puna-ai/puna/cgo/ggml"
)

// task is one computation of a proof.
type task struct {
	name     string
	operands []operand
	op       func(x *ggml.Context, in []ggml.Tensor) ggml.Tensor
}

// operand is a matrix of random numbers.
type operand struct {
	typ     ggml.Type
	n, rows int64 // rows of n
}

// shapes are rows of weights, their length, and rows of inputs. They reach every
// kind of kernel: AMX tiles (length a multiple of 2048, rows of 32), whole and
// partial tiles of inputs, one input alone, and sizes that nothing but blocks divide.
var shapes = []struct{ rows, n, inputs int64 }{{64, 2048, 1}, {64, 2048, 33}, {48, 768, 7}}

// proofTypes are the types of weights that models have.
var proofTypes = []ggml.Type{
	ggml.F32, ggml.F16, ggml.BF16, ggml.Q4_0, ggml.Q4_1, ggml.Q5_0, ggml.Q5_1, ggml.Q8_0,
	ggml.Q2K, ggml.Q3K, ggml.Q4K, ggml.Q5K, ggml.Q6K, ggml.IQ2XXS, ggml.IQ2XS, ggml.IQ2S, ggml.IQ3XXS, ggml.IQ3S,
	ggml.IQ1S, ggml.IQ1M, ggml.IQ4NL, ggml.IQ4XS, ggml.TQ1_0, ggml.TQ2_0, ggml.MXFP4,
}

// products are a matrix product of every type and shape.
func products() []task {
	var all []task
	for _, typ := range proofTypes {
		for _, s := range shapes {
			all = append(all, product(typ, s.rows, s.n, s.inputs))
		}
	}
	return all
}

func product(typ ggml.Type, rows, n, inputs int64) task {
	return task{
		fmt.Sprintf("%s %dx%d times %dx%d", typ, rows, n, n, inputs),
		[]operand{{typ, n, rows}, {ggml.F32, n, inputs}},
		func(x *ggml.Context, in []ggml.Tensor) ggml.Tensor { return x.MulMat(in[0], in[1]) },
	}
}

// operations are what a transformer computes between its products. 77 columns leave
// a rest after vectors of any width.
func operations() []task {
	rows := []operand{{ggml.F32, 77, 5}}
	heads := func(kv ggml.Type) []operand { return []operand{{ggml.F32, 128, 9}, {kv, 128, 33}, {kv, 128, 33}} }
	one := func(op func(*ggml.Context, ggml.Tensor) ggml.Tensor) func(*ggml.Context, []ggml.Tensor) ggml.Tensor {
		return func(x *ggml.Context, in []ggml.Tensor) ggml.Tensor { return op(x, in[0]) }
	}
	attention := func(x *ggml.Context, in []ggml.Tensor) ggml.Tensor { return x.FlashAttn(in[0], in[1], in[2], 0.09) }
	return []task{
		{"rms_norm", rows, func(x *ggml.Context, in []ggml.Tensor) ggml.Tensor { return x.RMSNorm(in[0], 1e-5) }},
		{"silu", rows, one((*ggml.Context).Silu)},
		{"gelu", rows, one((*ggml.Context).Gelu)},
		{"soft_max", rows, one((*ggml.Context).SoftMax)},
		{"attention over f16", heads(ggml.F16), attention},
		{"attention over q8_0", heads(ggml.Q8_0), attention},
	}
}

// data returns the operands' values, the same in every process.
func (t task) data() ([][]byte, error) {
	seed := uint64(len(t.operands))
	for _, o := range t.operands {
		seed = seed*1000003 + uint64(o.typ)<<40 + uint64(o.n)<<20 + uint64(o.rows)
	}
	rng := rand.New(rand.NewPCG(seed, 1))
	all := make([][]byte, len(t.operands))
	for i, o := range t.operands {
		if book, ok := codebooks[o.typ]; ok {
			all[i] = book.random(rng, o)
			continue
		}
		values := make([]float32, o.n*o.rows)
		for j := range values {
			values[j] = float32(rng.NormFloat64())
		}
		var err error
		if all[i], err = ggml.Quantize(o.typ, values, o.n); err != nil {
			return nil, err
		}
	}
	return all, nil
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

func (c codebook) random(rng *rand.Rand, o operand) []byte {
	block := int(o.typ.Size())
	b := make([]byte, uint64(o.rows)*o.typ.RowSize(o.n))
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	for i := 0; i < len(b); i += block {
		c.scale(b[i+c.offset : i+block])
	}
	return b
}

// floatBytes is the memory of f.
func floatBytes(f []float32) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(f))), 4*len(f))
}
