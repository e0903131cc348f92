package gguf

import (
	"math"
	"slices"
	"strings"

	"github.com/puna-ai/puna"
)

// What llama-hparams.h has room for, and bounds that keep products of
// hyperparameters within int64.
const (
	maxLayers  = 512
	maxExperts = 512
	maxHeads   = 1 << 16
	maxWidth   = 1 << 24
)

// Validate checks that the file can be handed to llama.cpp: that nothing in it
// would abort the process or read out of bounds. Errors: [puna.Unsupported] with
// an [ArchError], [puna.Invalid] with the key and value, or the tensor, that is wrong.
// An adapter needs [File.ValidateAdapter] besides.
func (f *File) Validate() error {
	if i := slices.IndexFunc(f.KV, func(kv KV) bool { a, ok := kv.Value.(*Array); return ok && a.Skipped() }); i >= 0 {
		return puna.Errorf(puna.Internal, "%s: %s was skipped, so the file can't be checked", f.Path, f.KV[i].Key)
	}
	switch f.Kind() {
	case Adapter:
		return f.checkAdapter()
	case Projector:
		return f.checkProjector()
	case Model:
		return f.checkModel()
	}
	return puna.Errorf(puna.Invalid, "%s holds no model: its general.type is %q, its architecture %q, and it has %d tensors",
		f.Path, f.String("general.type"), f.Arch(), len(f.Tensors))
}

func (f *File) checkModel() error {
	for _, check := range []func() error{
		f.CheckArch, f.checkNumbers, f.checkArrays, f.checkHeads, f.checkRope, f.checkExperts,
		f.checkStates, f.checkSpecial, f.checkGraph, f.checkVocab, f.checkTensorTypes, f.checkShapes,
	} {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

// between checks that an integer exists and is from lo to hi.
func (f *File) between(key string, lo, hi uint64) error {
	if n, ok := f.Uint(key); !ok || n < lo || n > hi {
		return f.failf(key, "it must be a whole number from %d to %d", lo, hi)
	}
	return nil
}

// betweenIf is between for keys that may be missing.
func (f *File) betweenIf(key string, lo, hi uint64) error {
	if _, ok := f.Get(key); !ok {
		return nil
	}
	return f.between(key, lo, hi)
}

// checkNumbers checks the sizes that everything else is built on.
func (f *File) checkNumbers() error {
	if err := f.between(".block_count", 1, maxLayers); err != nil {
		return err
	}
	if err := f.between(".embedding_length", 1, maxWidth); err != nil {
		return err
	}
	if err := f.between(".context_length", 1, math.MaxInt32); err != nil {
		return err
	}
	for _, key := range []string{".vocab_size", ".attention.sliding_window", ".rope.scaling.original_context_length"} {
		if err := f.betweenIf(key, 0, math.MaxInt32); err != nil {
			return err
		}
	}
	prefix := f.Arch() + "."
	for _, kv := range f.KV {
		v, ok := f.Float(kv.Key)
		if !ok || !strings.HasPrefix(kv.Key, prefix) {
			continue
		}
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return f.failf(kv.Key, "it must be a finite number")
		}
		if v < 0 && strings.HasSuffix(kv.Key, "epsilon") { // ggml asserts eps >= 0
			return f.failf(kv.Key, "it must not be negative")
		}
	}
	return nil
}

// arrayItems are the arrays that llama.cpp reads, and the types of items that it
// takes: it asserts them.
var arrayItems = map[string][]ValueType{
	".feed_forward_length":             {Uint32, Int32},
	".attention.head_count":            {Uint32, Int32},
	".attention.head_count_kv":         {Uint32, Int32},
	".rope.dimension_sections":         {Uint32, Int32},
	".attention.block_skip_connection": {Uint32, Int32},
	".xielu.alpha_n":                   {Float32},
	".xielu.alpha_p":                   {Float32},
	".xielu.beta":                      {Float32},
	".xielu.eps":                       {Float32},
	".classifier.output_labels":        {String},
}

func (f *File) checkArrays() error {
	arch := f.Arch()
	for _, kv := range f.KV {
		a, ok := kv.Value.(*Array)
		if !ok {
			continue
		}
		key, ours := strings.CutPrefix(kv.Key, arch)
		if i := strings.LastIndex(key, ".block_skip_connection."); i >= 0 {
			key = key[:i+len(".block_skip_connection")] // one for each of four
		}
		if types := arrayItems[key]; ours && types != nil && !slices.Contains(types, a.Type) {
			return f.failf(kv.Key, "its items must be %v", types[0])
		}
	}
	return nil
}

// perLayer returns an integer that may differ from layer to layer, one for each.
func (f *File) perLayer(key string, limit uint64) ([]uint64, error) {
	layers := f.BlockCount()
	if _, ok := f.Get(key); !ok {
		return make([]uint64, layers), nil
	}
	values := f.Uints(key)
	if f.Array(key) == nil && len(values) == 1 {
		values = slices.Repeat(values, layers)
	}
	if len(values) != layers {
		return nil, f.failf(key, "it must be a whole number, or one for each of %d layers", layers)
	}
	if m := slices.Max(values); m > limit {
		return nil, f.failf(key, "%d is more than %d", m, limit)
	}
	return values, nil
}

// checkExperts mirrors what llama_model::load_hparams asserts of mixtures of experts.
func (f *File) checkExperts() error {
	if err := f.betweenIf(".expert_count", 0, maxExperts); err != nil {
		return err
	}
	experts, _ := f.Uint(".expert_count")
	groups, _ := f.Uint(".expert_group_count")
	needed := slices.Contains([]string{"llada-moe", "glm4moe", "bailingmoe2", "lfm2moe", "smallthinker", "grovemoe"}, f.Arch()) ||
		slices.ContainsFunc(f.Tensors, func(t Tensor) bool { return strings.Contains(t.Name, "exps.") })
	switch {
	case experts == 0 && needed:
		return f.failf(".expert_count", "the model has experts, so it must be at least 1")
	case experts == 0:
		if err := f.betweenIf(".expert_used_count", 0, 0); err != nil {
			return err
		}
		return f.betweenIf(".expert_group_count", 0, 0)
	}
	if err := f.between(".expert_used_count", 1, experts); err != nil {
		return err
	}
	if err := f.betweenIf(".expert_group_count", 0, experts-1); err != nil || groups < 2 {
		return err
	}
	if experts%groups != 0 {
		return f.failf(".expert_group_count", "it must divide the %d experts", experts)
	}
	return f.between(".expert_group_used_count", 1, groups-1)
}

// checkStates checks what recurrent layers divide by.
func (f *File) checkStates() error {
	for _, key := range []string{".ssm.conv_kernel", ".ssm.inner_size", ".ssm.state_size", ".ssm.time_step_rank",
		".ssm.group_count", ".wkv.head_size"} {
		if err := f.betweenIf(key, 1, maxWidth); err != nil {
			return err
		}
	}
	inner, _ := f.Uint(".ssm.inner_size")
	heads, _ := f.Uint(".ssm.time_step_rank")
	groups, _ := f.Uint(".ssm.group_count")
	if groups > 0 && (heads%groups != 0 || inner%groups != 0) {
		return f.failf(".ssm.group_count", "it must divide the %d heads and the inner size %d", heads, inner)
	}
	if groups > 0 && heads > 0 && inner%heads != 0 {
		return f.failf(".ssm.time_step_rank", "the heads must divide the inner size %d", inner)
	}
	width := uint64(f.EmbeddingLength())
	switch f.Arch() {
	case "mamba", "mamba2", "jamba", "granitehybrid":
		if inner != 2*width {
			return f.failf(".ssm.inner_size", "it must be twice the embedding length %d", width)
		}
	}
	if size, ok := f.Uint(".wkv.head_size"); ok && width%size != 0 {
		return f.failf(".wkv.head_size", "it must divide the embedding length %d", width)
	}
	return nil
}

// checkSpecial mirrors assertions on single architectures.
func (f *File) checkSpecial() error {
	width := uint64(f.EmbeddingLength())
	switch f.Arch() {
	case "rwkv6", "rwkv7":
		return f.betweenIf(".token_shift_count", 2, 2)
	case "rwkv6qwen2", "arwkv7":
		return f.between(".token_shift_count", 1, 1)
	case "lfm2", "lfm2moe":
		return f.between(".shortconv.l_cache", 2, maxWidth)
	case "ernie4_5-moe":
		return f.between(".interleave_moe_layer_step", 1, maxLayers)
	case "grovemoe":
		return f.between(".experts_per_group", 1, maxExperts)
	case "baichuan":
		if n := f.BlockCount(); n != 32 && n != 40 {
			return f.failf(".block_count", "llama.cpp only runs baichuan models of 32 or 40 layers")
		}
	case "gemma-embedding":
		if err := f.betweenIf(".dense_2_feat_in", width, width); err != nil {
			return err
		}
		return f.betweenIf(".dense_3_feat_out", width, width)
	}
	return nil
}
