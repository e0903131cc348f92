package ggml

// #include <ggml.h>
import "C"

import "fmt"

// Type mirrors enum ggml_type: the element type of a tensor, as GGUF files store it.
type Type int32

const (
	F32    Type = C.GGML_TYPE_F32
	F16    Type = C.GGML_TYPE_F16
	Q4_0   Type = C.GGML_TYPE_Q4_0
	Q4_1   Type = C.GGML_TYPE_Q4_1
	Q5_0   Type = C.GGML_TYPE_Q5_0
	Q5_1   Type = C.GGML_TYPE_Q5_1
	Q8_0   Type = C.GGML_TYPE_Q8_0
	Q8_1   Type = C.GGML_TYPE_Q8_1
	Q2K    Type = C.GGML_TYPE_Q2_K
	Q3K    Type = C.GGML_TYPE_Q3_K
	Q4K    Type = C.GGML_TYPE_Q4_K
	Q5K    Type = C.GGML_TYPE_Q5_K
	Q6K    Type = C.GGML_TYPE_Q6_K
	Q8K    Type = C.GGML_TYPE_Q8_K
	IQ2XXS Type = C.GGML_TYPE_IQ2_XXS
	IQ2XS  Type = C.GGML_TYPE_IQ2_XS
	IQ3XXS Type = C.GGML_TYPE_IQ3_XXS
	IQ1S   Type = C.GGML_TYPE_IQ1_S
	IQ4NL  Type = C.GGML_TYPE_IQ4_NL
	IQ3S   Type = C.GGML_TYPE_IQ3_S
	IQ2S   Type = C.GGML_TYPE_IQ2_S
	IQ4XS  Type = C.GGML_TYPE_IQ4_XS
	I8     Type = C.GGML_TYPE_I8
	I16    Type = C.GGML_TYPE_I16
	I32    Type = C.GGML_TYPE_I32
	I64    Type = C.GGML_TYPE_I64
	F64    Type = C.GGML_TYPE_F64
	IQ1M   Type = C.GGML_TYPE_IQ1_M
	BF16   Type = C.GGML_TYPE_BF16
	TQ1_0  Type = C.GGML_TYPE_TQ1_0
	TQ2_0  Type = C.GGML_TYPE_TQ2_0
	MXFP4  Type = C.GGML_TYPE_MXFP4

	typeCount Type = C.GGML_TYPE_COUNT
)

// Valid reports whether this ggml has the type. Numbers of removed types aren't
// valid. The other methods may only be called on valid types: C indexes its table
// unchecked.
func (t Type) Valid() bool {
	return t >= 0 && t < typeCount && C.ggml_type_size(C.enum_ggml_type(t)) > 0
}

// String wraps ggml_type_name: "f32", "q4_K" and so on.
func (t Type) String() string {
	if !t.Valid() {
		return fmt.Sprintf("Type(%d)", int32(t))
	}
	return C.GoString(C.ggml_type_name(C.enum_ggml_type(t)))
}

// TypeOf finds the type whose String is name.
func TypeOf(name string) (t Type, ok bool) {
	for t := range typeCount {
		if t.Valid() && t.String() == name {
			return t, true
		}
	}
	return 0, false
}

// BlockSize wraps ggml_blck_size: elements per block.
func (t Type) BlockSize() int64 { return int64(C.ggml_blck_size(C.enum_ggml_type(t))) }

// Size wraps ggml_type_size: bytes per block.
func (t Type) Size() uint64 { return uint64(C.ggml_type_size(C.enum_ggml_type(t))) }

// RowSize wraps ggml_row_size: bytes of a row of n elements; n must be a multiple of
// BlockSize, which C asserts.
func (t Type) RowSize(n int64) uint64 {
	if bs := t.BlockSize(); n < 0 || n%bs != 0 {
		panic(fmt.Sprintf("ggml: row of %d %s elements: need a multiple of %d", n, t, bs))
	}
	return uint64(C.ggml_row_size(C.enum_ggml_type(t), C.int64_t(n)))
}

// Quantized wraps ggml_is_quantized.
func (t Type) Quantized() bool { return bool(C.ggml_is_quantized(C.enum_ggml_type(t))) }

// Version wraps ggml_version: of the copy linked here; empty for the pinned module,
// which is compiled without one.
func Version() string { return C.GoString(C.ggml_version()) }

// Commit wraps ggml_commit: of the copy linked here; empty for the pinned module.
func Commit() string { return C.GoString(C.ggml_commit()) }
