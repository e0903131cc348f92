package gguf

import (
	"fmt"
	"slices"
)

// ValueType is the type of a metadata value.
type ValueType uint32

// The types of metadata values, as gguf.h numbers them.
const (
	Uint8 ValueType = iota
	Int8
	Uint16
	Int16
	Uint32
	Int32
	Float32
	Bool
	String
	ArrayType
	Uint64
	Int64
	Float64
)

// valueTypes gives names, and the bytes of a value; 0: its length varies.
var valueTypes = [...]struct {
	name string
	size int
}{{"u8", 1}, {"i8", 1}, {"u16", 2}, {"i16", 2}, {"u32", 4}, {"i32", 4}, {"f32", 4}, {"bool", 1},
	{"str", 0}, {"arr", 0}, {"u64", 8}, {"i64", 8}, {"f64", 8}}

// String returns gguf.h's name of the type.
func (t ValueType) String() string {
	if int(t) >= len(valueTypes) {
		return fmt.Sprintf("type %d", uint32(t))
	}
	return valueTypes[t].name
}

// TensorType is the element type of a tensor, ggml.h's enum ggml_type.
type TensorType uint32

// Tensor types that code names; [TensorType.String] knows them all.
const (
	F32  TensorType = 0
	F16  TensorType = 1
	Q4_0 TensorType = 2
	Q8_0 TensorType = 8
	Q4_K TensorType = 12
	Q6_K TensorType = 14
	I8   TensorType = 24
	I32  TensorType = 26
	F64  TensorType = 28
	BF16 TensorType = 30
)

// tensorType describes a type: block elements take size bytes. A weight is a type
// that the CPU backend multiplies with; others are for intermediate results.
type tensorType struct {
	name        string
	block, size uint64
	weight      bool
}

// tensorTypes lists ggml's types by number; gaps are types that ggml removed.
var tensorTypes = [...]tensorType{
	0: {"F32", 1, 4, true}, 1: {"F16", 1, 2, true},
	2: {"Q4_0", 32, 18, true}, 3: {"Q4_1", 32, 20, true},
	6: {"Q5_0", 32, 22, true}, 7: {"Q5_1", 32, 24, true},
	8: {"Q8_0", 32, 34, true}, 9: {"Q8_1", 32, 36, false},
	10: {"Q2_K", 256, 84, true}, 11: {"Q3_K", 256, 110, true}, 12: {"Q4_K", 256, 144, true},
	13: {"Q5_K", 256, 176, true}, 14: {"Q6_K", 256, 210, true}, 15: {"Q8_K", 256, 292, false},
	16: {"IQ2_XXS", 256, 66, true}, 17: {"IQ2_XS", 256, 74, true}, 18: {"IQ3_XXS", 256, 98, true},
	19: {"IQ1_S", 256, 50, true}, 20: {"IQ4_NL", 32, 18, true}, 21: {"IQ3_S", 256, 110, true},
	22: {"IQ2_S", 256, 82, true}, 23: {"IQ4_XS", 256, 136, true},
	24: {"I8", 1, 1, false}, 25: {"I16", 1, 2, false}, 26: {"I32", 1, 4, false}, 27: {"I64", 1, 8, false},
	28: {"F64", 1, 8, false}, 29: {"IQ1_M", 256, 56, true}, 30: {"BF16", 1, 2, true},
	34: {"TQ1_0", 256, 54, true}, 35: {"TQ2_0", 256, 66, true}, 39: {"MXFP4", 32, 17, true},
}

func (t TensorType) info() tensorType {
	if int(t) >= len(tensorTypes) {
		return tensorType{}
	}
	return tensorTypes[t]
}

// Known reports whether ggml has the type.
func (t TensorType) Known() bool { return t.info().block > 0 }

// BlockSize returns how many elements a block holds; rows are whole blocks. It is
// 1 for types that aren't quantized, and 0 for unknown ones.
func (t TensorType) BlockSize() uint64 { return t.info().block }

// BlockBytes returns the bytes of a block.
func (t TensorType) BlockBytes() uint64 { return t.info().size }

// String returns ggml's name of the type, in capitals.
func (t TensorType) String() string {
	if !t.Known() {
		return fmt.Sprintf("type %d", uint32(t))
	}
	return t.info().name
}

// FileType says how most tensors of a model are quantized, llama.h's enum llama_ftype.
type FileType uint32

// fileTypes lists llama.h's names by number; gaps are types that llama.cpp removed.
var fileTypes = [...]string{
	0: "F32", 1: "F16", 2: "Q4_0", 3: "Q4_1", 7: "Q8_0", 8: "Q5_0", 9: "Q5_1",
	10: "Q2_K", 11: "Q3_K_S", 12: "Q3_K_M", 13: "Q3_K_L", 14: "Q4_K_S", 15: "Q4_K_M",
	16: "Q5_K_S", 17: "Q5_K_M", 18: "Q6_K", 19: "IQ2_XXS", 20: "IQ2_XS", 21: "Q2_K_S",
	22: "IQ3_XS", 23: "IQ3_XXS", 24: "IQ1_S", 25: "IQ4_NL", 26: "IQ3_S", 27: "IQ3_M",
	28: "IQ2_S", 29: "IQ2_M", 30: "IQ4_XS", 31: "IQ1_M", 32: "BF16", 36: "TQ1_0", 37: "TQ2_0", 38: "MXFP4",
}

// UnknownFileType is the type of files that don't say, and whose tensors don't tell.
const UnknownFileType FileType = 1024

// String returns the name that people use, "Q4_K_M"; "unknown" for numbers that
// llama.h doesn't have.
func (t FileType) String() string {
	if int(t) >= len(fileTypes) || fileTypes[t] == "" {
		return "unknown"
	}
	return fileTypes[t]
}

// FileTypes returns the names of all file types, in llama.h's order.
func FileTypes() []string {
	return slices.DeleteFunc(slices.Clone(fileTypes[:]), func(name string) bool { return name == "" })
}

// ParseFileType returns the file type with a name, in capitals.
func ParseFileType(name string) (FileType, bool) {
	i := slices.Index(fileTypes[:], name)
	if i < 0 || name == "" {
		return UnknownFileType, false
	}
	return FileType(i), true
}
