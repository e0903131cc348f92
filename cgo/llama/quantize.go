package llama

// #include "shim.h"
import "C"

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"unsafe"

	"github.com/puna-ai/puna/cgo/ggml"
)

// FType mirrors enum llama_ftype: what a model's file is quantized to.
type FType int32

// ftypes are llama.cpp's names, as its tools and Ollama write them.
var ftypes = map[FType]string{
	C.LLAMA_FTYPE_ALL_F32: "F32", C.LLAMA_FTYPE_MOSTLY_F16: "F16", C.LLAMA_FTYPE_MOSTLY_BF16: "BF16",
	C.LLAMA_FTYPE_MOSTLY_Q4_0: "Q4_0", C.LLAMA_FTYPE_MOSTLY_Q4_1: "Q4_1", C.LLAMA_FTYPE_MOSTLY_Q5_0: "Q5_0",
	C.LLAMA_FTYPE_MOSTLY_Q5_1: "Q5_1", C.LLAMA_FTYPE_MOSTLY_Q8_0: "Q8_0", C.LLAMA_FTYPE_MOSTLY_Q2_K: "Q2_K",
	C.LLAMA_FTYPE_MOSTLY_Q2_K_S: "Q2_K_S", C.LLAMA_FTYPE_MOSTLY_Q3_K_S: "Q3_K_S", C.LLAMA_FTYPE_MOSTLY_Q3_K_M: "Q3_K_M",
	C.LLAMA_FTYPE_MOSTLY_Q3_K_L: "Q3_K_L", C.LLAMA_FTYPE_MOSTLY_Q4_K_S: "Q4_K_S", C.LLAMA_FTYPE_MOSTLY_Q4_K_M: "Q4_K_M",
	C.LLAMA_FTYPE_MOSTLY_Q5_K_S: "Q5_K_S", C.LLAMA_FTYPE_MOSTLY_Q5_K_M: "Q5_K_M", C.LLAMA_FTYPE_MOSTLY_Q6_K: "Q6_K",
	C.LLAMA_FTYPE_MOSTLY_IQ2_XXS: "IQ2_XXS", C.LLAMA_FTYPE_MOSTLY_IQ2_XS: "IQ2_XS", C.LLAMA_FTYPE_MOSTLY_IQ2_S: "IQ2_S",
	C.LLAMA_FTYPE_MOSTLY_IQ2_M: "IQ2_M", C.LLAMA_FTYPE_MOSTLY_IQ3_XXS: "IQ3_XXS", C.LLAMA_FTYPE_MOSTLY_IQ3_XS: "IQ3_XS",
	C.LLAMA_FTYPE_MOSTLY_IQ3_S: "IQ3_S", C.LLAMA_FTYPE_MOSTLY_IQ3_M: "IQ3_M", C.LLAMA_FTYPE_MOSTLY_IQ1_S: "IQ1_S",
	C.LLAMA_FTYPE_MOSTLY_IQ1_M: "IQ1_M", C.LLAMA_FTYPE_MOSTLY_IQ4_NL: "IQ4_NL", C.LLAMA_FTYPE_MOSTLY_IQ4_XS: "IQ4_XS",
	C.LLAMA_FTYPE_MOSTLY_TQ1_0: "TQ1_0", C.LLAMA_FTYPE_MOSTLY_TQ2_0: "TQ2_0", C.LLAMA_FTYPE_MOSTLY_MXFP4_MOE: "MXFP4_MOE",
}

// String returns llama.cpp's name, such as "Q4_K_M".
func (t FType) String() string {
	if name, ok := ftypes[t]; ok {
		return name
	}
	return fmt.Sprintf("FType(%d)", int32(t))
}

// FTypes lists every type that Quantize writes, by name.
func FTypes() []FType {
	return slices.SortedFunc(maps.Keys(ftypes), func(a, b FType) int { return strings.Compare(a.String(), b.String()) })
}

// ParseFType finds a type by llama.cpp's name; case doesn't matter.
func ParseFType(name string) (FType, error) {
	for t, n := range ftypes {
		if strings.EqualFold(n, name) {
			return t, nil
		}
	}
	return 0, fmt.Errorf("llama: unknown quantization %q: need one of %v", name, FTypes())
}

// TensorType sets the type of the tensors whose names match a pattern.
type TensorType struct {
	Pattern string // regular expression (ECMAScript)
	Type    ggml.Type
}

// QuantizeParams mirrors struct llama_model_quantize_params. Start from
// [QuantizeDefaultParams].
type QuantizeParams struct {
	NThread              int32 // below 1: as many as there are CPUs
	FType                FType
	OutputTensorType     ggml.Type // ggml.TypeCount: by FType
	TokenEmbeddingType   ggml.Type // ggml.TypeCount: by FType
	AllowRequantize      bool      // from types other than F32, F16 and BF16
	QuantizeOutputTensor bool
	OnlyCopy             bool // copy tensors as they are
	Pure                 bool // every tensor of the same type
	KeepSplit            bool // as many files as the input has
	IMatrix              map[string][]float32
	KVOverrides          []KVOverride
	TensorTypes          []TensorType
	PruneLayers          []int32 // to leave out
}

// typeCount is GGML_TYPE_COUNT: no type.
const typeCount = ggml.Type(C.GGML_TYPE_COUNT)

// QuantizeDefaultParams wraps llama_model_quantize_default_params.
func QuantizeDefaultParams() QuantizeParams {
	c := C.llama_model_quantize_default_params()
	return QuantizeParams{
		NThread:              int32(c.nthread),
		FType:                FType(c.ftype),
		OutputTensorType:     ggml.Type(c.output_tensor_type),
		TokenEmbeddingType:   ggml.Type(c.token_embedding_type),
		AllowRequantize:      bool(c.allow_requantize),
		QuantizeOutputTensor: bool(c.quantize_output_tensor),
		OnlyCopy:             bool(c.only_copy),
		Pure:                 bool(c.pure),
		KeepSplit:            bool(c.keep_split),
	}
}

// check refuses what llama.cpp would abort on.
func (p *QuantizeParams) check() error {
	if _, ok := ftypes[p.FType]; !ok {
		return fmt.Errorf("llama: quantize to %s", p.FType)
	}
	if p.NThread > ggml.MaxThreads {
		return fmt.Errorf("llama: quantize with %d threads: at most %d", p.NThread, ggml.MaxThreads)
	}
	for _, o := range p.KVOverrides {
		if o.Key == "general.alignment" {
			return fmt.Errorf("llama: quantize: %s can't be overridden", o.Key)
		}
	}
	if len(p.PruneLayers) > 0 && len(p.IMatrix) > 0 {
		return fmt.Errorf("llama: quantize: layers can't be pruned with an importance matrix")
	}
	types := []ggml.Type{p.OutputTensorType, p.TokenEmbeddingType}
	for _, t := range p.TensorTypes {
		if t.Type == typeCount {
			return fmt.Errorf("llama: quantize: tensors %q have no type", t.Pattern)
		}
		types = append(types, t.Type)
	}
	for _, t := range types {
		if t != typeCount && !quantizable(t) {
			return fmt.Errorf("llama: quantize a tensor to %s: it is not a type for weights", t)
		}
	}
	return nil
}

// quantizable reports whether ggml_quantize_chunk knows t.
func quantizable(t ggml.Type) bool {
	switch t {
	case C.GGML_TYPE_Q8_1, C.GGML_TYPE_Q8_K, C.GGML_TYPE_I8, C.GGML_TYPE_I16, C.GGML_TYPE_I32, C.GGML_TYPE_I64, C.GGML_TYPE_F64:
		return false
	}
	return t >= 0 && t < typeCount && t.Size() > 0
}

// Quantize wraps llama_model_quantize: writes the model in to out. It runs until
// done; memory is about the largest tensor, as float32. After an error a part of out
// may be there.
func Quantize(in, out string, params QuantizeParams) error {
	if err := noNUL("path", in, out); err != nil {
		return err
	}
	if err := params.check(); err != nil {
		return err
	}
	if sameFile(in, out) {
		return fmt.Errorf("llama: quantize %s to itself", in)
	}
	BackendInit()
	var a arena
	defer a.free()
	args, err := params.c(&a)
	if err != nil {
		return err
	}
	var text *C.char
	if C.puna_model_quantize(a.str(in), a.str(out), args, &text) != 0 {
		return failed(fmt.Sprintf("cannot quantize %s to %s", in, params.FType), text)
	}
	return nil
}

// sameFile reports whether both names lead to one file: writing it would pull the
// mapped input away.
func sameFile(a, b string) bool {
	ia, erra := os.Stat(a)
	ib, errb := os.Stat(b)
	return erra == nil && errb == nil && os.SameFile(ia, ib)
}

func (p *QuantizeParams) c(a *arena) (*C.puna_quantize_args, error) {
	args := &alloc[C.puna_quantize_args](a, 1)[0]
	c := &args.params
	*c = C.llama_model_quantize_default_params()
	c.nthread = C.int32_t(p.NThread)
	c.ftype = C.enum_llama_ftype(p.FType)
	c.output_tensor_type = C.enum_ggml_type(p.OutputTensorType)
	c.token_embedding_type = C.enum_ggml_type(p.TokenEmbeddingType)
	c.allow_requantize = C.bool(p.AllowRequantize)
	c.quantize_output_tensor = C.bool(p.QuantizeOutputTensor)
	c.only_copy = C.bool(p.OnlyCopy)
	c.pure = C.bool(p.Pure)
	c.keep_split = C.bool(p.KeepSplit)

	p.imatrix(a, args)
	overrides, err := a.kvOverrides(p.KVOverrides)
	if err != nil {
		return nil, err
	}
	args.kv_overrides, args.n_kv_overrides = overrides, C.size_t(len(p.KVOverrides))
	patterns, types := alloc[*C.char](a, len(p.TensorTypes)), alloc[C.int32_t](a, len(p.TensorTypes))
	for i, t := range p.TensorTypes {
		patterns[i], types[i] = a.str(t.Pattern), C.int32_t(t.Type)
	}
	args.tensor_patterns, args.tensor_types = unsafe.SliceData(patterns), unsafe.SliceData(types)
	args.n_tensor_types = C.size_t(len(p.TensorTypes))
	prune := alloc[int32](a, len(p.PruneLayers))
	copy(prune, p.PruneLayers)
	args.prune_layers, args.n_prune_layers = (*C.int32_t)(unsafe.SliceData(prune)), C.size_t(len(prune))
	return args, nil
}

// imatrix copies the importance matrix to C memory.
func (p *QuantizeParams) imatrix(a *arena, args *C.puna_quantize_args) {
	n := len(p.IMatrix)
	names, data, sizes := alloc[*C.char](a, n), alloc[*C.float](a, n), alloc[C.size_t](a, n)
	for i, name := range slices.Sorted(maps.Keys(p.IMatrix)) {
		values := alloc[float32](a, len(p.IMatrix[name]))
		copy(values, p.IMatrix[name])
		names[i], data[i], sizes[i] = a.str(name), (*C.float)(unsafe.SliceData(values)), C.size_t(len(values))
	}
	args.imatrix_names, args.imatrix_data = unsafe.SliceData(names), unsafe.SliceData(data)
	args.imatrix_sizes, args.n_imatrix = unsafe.SliceData(sizes), C.size_t(n)
}
