package gguf

import (
	"fmt"
	"math"
	"slices"

	"github.com/puna-ai/puna"
)

// gatedArchs have experts whose graph aborts unless the file names their gating
// function; for others llama.cpp has a default.
var gatedArchs = []string{"bailingmoe2", "dots1", "lfm2moe", "minimax-m2", "smallthinker"}

// checkGraph checks numbers that graphs are built by: llama.cpp indexes layers with
// them, divides by them, or aborts where it doesn't know them.
func (f *File) checkGraph() error {
	layers := uint64(f.BlockCount())
	for key, most := range map[string]uint64{
		".pooling_type":         4,
		".expert_gating_func":   3,
		".nextn_predict_layers": layers - 1, // are none of the layers that compute
		".decoder_block_count":  layers,
		".n_deepstack_layers":   layers,
	} {
		if err := f.betweenIf(key, 0, most); err != nil && !otherLlama {
			return err
		}
	}
	switch arch := f.Arch(); arch {
	case "t5", "t5encoder": // halves it, and divides by the half's half
		return f.between(".attention.relative_buckets_count", 4, maxHeads)
	case "deepseek2":
		if scale, _ := f.Float(".attention.temperature_scale"); scale != 0 {
			return f.between(".attention.temperature_length", 1, math.MaxInt32)
		}
	case "qwen3next", "nemotron_h_moe": // divides the width of the feed-forward layers by it
		return f.between(".expert_used_count", 1, maxExperts)
	case "lfm2", "lfm2moe":
		if h, err := f.heads(); err != nil || h.key != h.value {
			return f.failf(".attention.value_length", "%s models need keys (%d) and values (%d) of the same length", arch, h.key, h.value)
		}
	case "rwkv6":
		return f.checkLerp()
	case "wavtokenizer-dec":
		return f.checkVocoder()
	}
	if slices.Contains(gatedArchs, f.Arch()) {
		return f.between(".expert_gating_func", 1, 3)
	}
	return nil
}

// checkLerp checks that layers of RWKV 6 have their factors, in one tensor or in five.
func (f *File) checkLerp() error {
	for i := range f.BlockCount() {
		if f.Tensor(fmt.Sprintf("blk.%d.time_mix_lerp_fused.weight", i)) != nil {
			continue
		}
		for _, part := range "wkvrg" {
			if name := fmt.Sprintf("blk.%d.time_mix_lerp_%c.weight", i, part); f.Tensor(name) == nil {
				return puna.Errorf(puna.Invalid, "%s: the tensor %q is missing, which rwkv6 models need", f.Path, name)
			}
		}
	}
	return nil
}

// checkVocoder checks the two parts of a model that makes sound; both index its layers.
func (f *File) checkVocoder() error {
	layers := uint64(f.BlockCount())
	if err := f.between(".posnet.block_count", 0, min(6, layers)); err != nil {
		return err
	}
	if err := f.between(".convnext.block_count", 0, layers); err != nil {
		return err
	}
	if err := f.between(".posnet.embedding_length", 1, maxWidth); err != nil {
		return err
	}
	width, _ := f.Uint(".posnet.embedding_length")
	if err := f.between(".convnext.embedding_length", width, width); err != nil {
		return err
	}
	return f.between(".attention.group_norm_groups", 1, width)
}
