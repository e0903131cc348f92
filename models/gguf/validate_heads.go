package gguf

import (
	"fmt"
	"slices"

	"github.com/puna-ai/puna"
)

// heads describes attention: per layer the heads of queries and of keys and
// values, and the length of a head's keys and values.
type heads struct {
	q, kv        []uint64
	key, value   uint64
	embedding    uint64
	hasAttention bool // in the first layer
}

func (f *File) heads() (h heads, err error) {
	if h.q, err = f.perLayer(".attention.head_count", maxHeads); err != nil {
		return h, err
	}
	h.kv = h.q
	if _, ok := f.Get(".attention.head_count_kv"); ok {
		if h.kv, err = f.perLayer(".attention.head_count_kv", maxHeads); err != nil {
			return h, err
		}
	}
	h.embedding = uint64(f.EmbeddingLength())
	if h.hasAttention = h.q[0] > 0; !h.hasAttention {
		return h, nil
	}
	h.key, h.value = h.embedding/h.q[0], h.embedding/h.q[0]
	if n, ok := f.Uint(".attention.key_length"); ok {
		h.key = n
	}
	if n, ok := f.Uint(".attention.value_length"); ok {
		h.value = n
	}
	return h, nil
}

// checkHeads checks that heads divide what they share.
func (f *File) checkHeads() error {
	for _, key := range []string{".attention.key_length", ".attention.value_length"} {
		if err := f.betweenIf(key, 1, maxHeads); err != nil {
			return err
		}
	}
	h, err := f.heads()
	if err != nil {
		return err
	}
	// Some layers of hybrid and of pruned (deci) models have no attention.
	mayLack := f.Recurrent() || f.Arch() == "deci" || f.Arch() == "wavtokenizer-dec"
	for i, n := range h.q {
		switch {
		case n == 0 && !mayLack:
			return f.failf(".attention.head_count", "layer %d must have at least one head", i)
		case h.kv[i] == 0 && n > 0 && !mayLack:
			return f.failf(".attention.head_count_kv", "layer %d must have at least one head", i)
		case h.kv[i] > 0 && n%h.kv[i] != 0:
			return f.failf(".attention.head_count_kv", "layer %d: %d heads of keys don't divide the %d heads of queries", i, h.kv[i], n)
		}
	}
	if !h.hasAttention {
		return nil
	}
	if _, ok := f.Get(".attention.key_length"); !ok && h.embedding%h.q[0] != 0 {
		return f.failf(".attention.head_count", "%d heads don't divide the embedding length %d", h.q[0], h.embedding)
	}
	if slices.Contains(equalHeads, f.Arch()) && h.key != h.value {
		return f.failf(".attention.value_length", "%s models need keys (%d) and values (%d) of the same length", f.Arch(), h.key, h.value)
	}
	return nil
}

// checkRope checks rotary position embeddings.
func (f *File) checkRope() error {
	h, err := f.heads()
	if err != nil {
		return err
	}
	turned := h.key
	if kv, ok := f.Get(".rope.dimension_count"); ok && h.hasAttention {
		n, ok := toUint(kv.Value)
		if !ok || n > h.key || n%2 != 0 {
			return f.failf(".rope.dimension_count", "it must be an even number up to the head's length %d", h.key)
		}
		turned = n
	}
	if slices.Contains(ropeHeads, f.Arch()) && turned != h.key {
		return f.failf(".rope.dimension_count", "%s models turn whole heads, of length %d", f.Arch(), h.key)
	}
	if t := f.String(".rope.scaling.type"); t != "" && !slices.Contains([]string{"none", "linear", "yarn", "longrope"}, t) && !otherLlama {
		return f.failf(".rope.scaling.type", "llama.cpp knows none, linear, yarn and longrope")
	}
	for _, key := range []string{".rope.freq_base", ".rope.freq_base_swa"} {
		if v, ok := f.Float(key); ok && v <= 0 {
			return f.failf(key, "it must be more than 0")
		}
	}
	return f.checkSections(h.key)
}

// checkSections checks M-RoPE: ggml divides by the sum of the sections.
func (f *File) checkSections(head uint64) error {
	const key = ".rope.dimension_sections"
	if _, ok := f.Get(key); !ok {
		return nil
	}
	var sum uint64
	for _, n := range f.Uints(key) {
		sum += min(n, maxHeads)
	}
	if sum == 0 || sum > head {
		return f.failf(key, "the sections must sum up to 1 to %d", head)
	}
	return nil
}

// checkAttentionShapes compares a layer's attention tensors with its heads, where
// the graph takes them to agree.
func (f *File) checkAttentionShapes() error {
	if !slices.Contains(equalHeads, f.Arch()) || f.Arch() == "qwen3next" { // has gates in its queries
		return nil
	}
	h, err := f.heads()
	if err != nil {
		return err
	}
	for i := range h.q {
		rows := map[string]uint64{
			"attn_q": h.q[i] * h.key, "attn_k": h.kv[i] * h.key, "attn_v": h.kv[i] * h.value,
			"attn_qkv": h.q[i]*h.key + h.kv[i]*(h.key+h.value),
		}
		for name, n := range rows {
			t := f.Tensor(fmt.Sprintf("blk.%d.%s.weight", i, name))
			if t != nil && (len(t.Shape) < 2 || t.Shape[1] != n) {
				return puna.Errorf(puna.Invalid, "%s: tensor %q has the shape %v, but %d and %d heads of %d and %d need %d rows",
					f.Path, t.Name, t.Shape, h.q[i], h.kv[i], h.key, h.value, n)
			}
		}
	}
	return nil
}
