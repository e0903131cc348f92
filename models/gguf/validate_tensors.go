package gguf

import (
	"slices"
	"strconv"
	"strings"

	"github.com/puna-ai/puna"
)

// checkTensorTypes checks that ggml has kernels for each tensor in its role; it
// aborts where it hasn't.
func (f *File) checkTensorTypes() error {
	for i := range f.Tensors {
		t := &f.Tensors[i]
		if !t.Type.info().weight {
			return puna.Errorf(puna.Invalid, "%s: tensor %q has the type %v, which ggml can't multiply with", f.Path, t.Name, t.Type)
		}
		if t.Type != F32 && t.needsF32() {
			return puna.Errorf(puna.Invalid, "%s: tensor %q has the type %v, but ggml needs it in F32", f.Path, t.Name, t.Type)
		}
		if n := t.dims(); n > t.maxDims() {
			return puna.Errorf(puna.Invalid, "%s: tensor %q has the shape %v, more than %d dimensions", f.Path, t.Name, t.Shape, t.maxDims())
		}
	}
	return nil
}

// dims returns the number of dimensions without ones at the end.
func (t *Tensor) dims() int {
	n := len(t.Shape)
	for n > 1 && t.Shape[n-1] == 1 {
		n--
	}
	return n
}

// needsF32 reports whether the tensor is added, multiplied element by element, or
// used in convolutions and rope.
func (t *Tensor) needsF32() bool {
	for _, suffix := range []string{"_norm.weight", ".bias", "token_types.weight", ".ssm_a", ".ssm_d", ".ssm_conv1d.weight", ".shortconv.conv.weight"} {
		if strings.HasSuffix(t.Name, suffix) {
			return true
		}
	}
	return strings.HasPrefix(t.Name, "rope_") || strings.Contains(t.Name, ".rope_") ||
		t.dims() == 1 && !strings.Contains(t.Name, "_inp_shexp") && !strings.HasPrefix(t.Name, "cls") // matrices of one row
}

// lookedUp are tensors whose rows are fetched; ggml asserts that they are matrices.
var lookedUp = []string{"token_embd.weight", "position_embd.weight", "token_types.weight", "per_layer_token_embd.weight",
	"attn_rel_b.weight", "nextn.embed_tokens.weight", ".ssm_a", ".ssm_conv1d.weight", ".shortconv.conv.weight"}

func (t *Tensor) maxDims() int {
	if slices.ContainsFunc(lookedUp, func(s string) bool { return strings.HasSuffix(t.Name, s) }) {
		return 2
	}
	if strings.Contains(t.Name, "exps.") {
		return 3
	}
	return 4
}

// checkShapes compares tensors with the metadata.
func (f *File) checkShapes() error {
	width, vocab := uint64(f.EmbeddingLength()), uint64(f.VocabSize())
	shapes := map[string][]uint64{
		"token_embd.weight":  {width, vocab},
		"output.weight":      {width, vocab},
		"output_norm.weight": {width},
	}
	if f.Arch() == "wavtokenizer-dec" { // makes sound of codes
		clear(shapes)
	}
	for name, want := range shapes {
		if t := f.Tensor(name); t != nil && !slices.Equal(t.Shape[:t.dims()], want[:trim(want)]) {
			return puna.Errorf(puna.Invalid, "%s: tensor %q has the shape %v, but an embedding length of %d and %d tokens need %v",
				f.Path, name, t.Shape, width, vocab, want)
		}
	}
	for i := range f.Tensors {
		n, ok := blockOf(f.Tensors[i].Name)
		if ok && n >= f.BlockCount() {
			return puna.Errorf(puna.Invalid, "%s: tensor %q is beyond the %d layers of block_count", f.Path, f.Tensors[i].Name, f.BlockCount())
		}
	}
	if err := f.checkRequired(); err != nil {
		return err
	}
	return f.checkAttentionShapes()
}

// required are tensors that llama.cpp loads as optional but then uses unasked;
// "blk." stands for each layer. A name counts where the second one is in the file.
var required = map[string][][2]string{
	"dream":   {{"blk.attn_q.bias"}, {"blk.attn_k.bias"}, {"blk.attn_v.bias"}},
	"qwen2vl": {{"blk.attn_q.bias"}, {"blk.attn_k.bias"}, {"blk.attn_v.bias"}},
	"phi2":    {{"blk.attn_qkv.bias", "blk.attn_qkv.weight"}},
	"solar":   {{"output.weight"}, {"bskcn_tv.weight"}},
}

func (f *File) checkRequired() error {
	for _, r := range required[f.Arch()] {
		for i := range f.BlockCount() {
			layer := strings.NewReplacer("blk.", "blk."+strconv.Itoa(i)+".")
			name, cause := layer.Replace(r[0]), layer.Replace(r[1])
			if f.Tensor(name) == nil && (cause == "" || f.Tensor(cause) != nil) {
				return puna.Errorf(puna.Invalid, "%s: the tensor %q is missing, which %s models need", f.Path, name, f.Arch())
			}
		}
	}
	return nil
}

func trim(shape []uint64) int { return (&Tensor{Shape: shape}).dims() }

// blockOf returns the layer that a name such as "blk.7.attn_q.weight" belongs to.
func blockOf(name string) (layer int, ok bool) {
	rest, ok := strings.CutPrefix(name, "blk.")
	if !ok {
		return 0, false
	}
	digits, _, _ := strings.Cut(rest, ".")
	layer, err := strconv.Atoi(digits)
	return layer, err == nil
}
