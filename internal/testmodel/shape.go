package testmodel

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
)

// Shape is what a model's size and speed depend on.
type Shape struct {
	Arch    string // "llama" (also ""), "qwen3", "gemma3", "mamba2", "granitehybrid" or "bert"
	Name    string // in general.name, after "synth-"
	Embd    int    // width of the residual stream
	Layers  int
	Heads   int // of attention, and of a recurrent state; they divide Embd
	KVHeads int // they divide Heads
	FF      int // width of the feed-forward layers
	Vocab   int // tokens; at least MinVocab
	Ctx     int // training context, in tokens
	Seed    uint64
	Pooling int // ARCH.pooling_type as llama.h numbers it: 1 mean, 2 cls, 3 last, 4 rank with a classification head; 0: not said
	// Attention is what ARCH.attention.causal says: "causal", "full" (llama.cpp heeds it
	// only of encoders), or "" for the architecture's own.
	Attention string
	Rerank    string // the template that puts a query and a document together; "": none
	// Template is the Jinja chat template; empty means Llama 3's format.
	Template string
}

// The shapes of Llama's architecture that tests and benchmarks use. Tiny is for
// tests (7 MB), the others are those of real models.
var (
	Tiny    = Shape{Name: "tiny", Embd: 256, Layers: 4, Heads: 8, KVHeads: 4, FF: 768, Vocab: 2048, Ctx: 4096}
	Qwen05B = Shape{Name: "qwen0.5b", Embd: 896, Layers: 24, Heads: 14, KVHeads: 2, FF: 4864, Vocab: 151936, Ctx: 32768}
	Llama1B = Shape{Name: "llama1b", Embd: 2048, Layers: 16, Heads: 32, KVHeads: 8, FF: 8192, Vocab: 128256, Ctx: 131072}
	Llama3B = Shape{Name: "llama3b", Embd: 3072, Layers: 28, Heads: 24, KVHeads: 8, FF: 8192, Vocab: 128256, Ctx: 131072}
)

// Encoder is a small model of BERT's architecture. Give it a Pooling.
var Encoder = Shape{Name: "encoder", Arch: "bert", Embd: 64, Layers: 2, Heads: 4, KVHeads: 4, FF: 128, Vocab: 512, Ctx: 512}

var shapes = map[string]Shape{Tiny.Name: Tiny, Qwen05B.Name: Qwen05B, Llama1B.Name: Llama1B, Llama3B.Name: Llama3B}

// ByName finds one of the package's shapes.
func ByName(name string) (Shape, error) {
	s, ok := shapes[name]
	if !ok {
		return s, fmt.Errorf("testmodel: unknown shape %q: need one of %v", name, Names())
	}
	return s, nil
}

// Names lists the package's shapes.
func Names() []string { return slices.Sorted(maps.Keys(shapes)) }

// check refuses what llama.cpp would.
func (s Shape) check() error {
	for _, n := range []int{s.Embd, s.Layers, s.Heads, s.KVHeads, s.FF, s.Ctx} {
		if n < 1 {
			return fmt.Errorf("testmodel: a dimension of %+v is below 1", s)
		}
	}
	if s.Embd%s.Heads != 0 || s.Heads%s.KVHeads != 0 || (s.Embd/s.Heads)%2 != 0 {
		return fmt.Errorf("testmodel: %d heads must divide a width of %d evenly, and %d KV heads the heads", s.Heads, s.Embd, s.KVHeads)
	}
	if s.Vocab < MinVocab {
		return fmt.Errorf("testmodel: a vocabulary of %d tokens: need at least %d", s.Vocab, MinVocab)
	}
	if !slices.Contains([]string{"llama", "qwen3", "gemma3", "mamba2", "granitehybrid", "bert"}, s.arch()) || s.Pooling < 0 || s.Pooling > rank {
		return fmt.Errorf("testmodel: architecture %q with pooling type %d: not supported", s.Arch, s.Pooling)
	}
	if !slices.Contains([]string{"", "causal", "full"}, s.Attention) {
		return fmt.Errorf("testmodel: attention %q: need causal, full or nothing", s.Attention)
	}
	if s.arch() == "bert" && s.KVHeads != s.Heads || s.Pooling == rank && s.arch() != "bert" && s.arch() != "qwen3" {
		return fmt.Errorf("testmodel: %+v: bert needs as many KV heads as heads, and only bert and qwen3 have classification heads", s)
	}
	return nil
}

// rank is the pooling type of models with a classification head.
const rank = 4

func (s Shape) arch() string { return cmp.Or(s.Arch, "llama") }

// labels are the outputs of a classification head; llama.cpp puts a softmax over
// those of qwen3.
func (s Shape) labels() []string {
	if s.arch() == "qwen3" && s.Pooling == rank {
		return []string{"yes", "no"}
	}
	return nil
}

// tensor is one weight; dims are in GGUF's order, the contiguous one first.
type tensor struct {
	name  string
	dims  []int
	f32   bool    // all of them fill
	fill  float32 // 1 for a norm, 0 for a bias
	scale float64 // standard deviation of the others
}

// matrix is a weight that maps width in to width out.
func matrix(name string, in, out int) tensor {
	return tensor{name: name, dims: []int{in, out}, scale: 0.7 / sqrt(in)}
}

func norm(name string, n int) tensor { return tensor{name: name, dims: []int{n}, f32: true, fill: 1} }

// tensors lists the weights.
func (s Shape) tensors() []tensor {
	var all []tensor
	switch s.arch() {
	case "bert":
		all = s.encoder()
	case "mamba2", "granitehybrid":
		all = s.recurrent()
	default:
		all = s.decoder()
	}
	if s.Pooling == rank {
		all = append(all, matrix("cls.output.weight", s.Embd, max(1, len(s.labels()))))
	}
	return all
}

// decoder lists those of architectures llama, qwen3 and gemma3 with tied embeddings.
func (s Shape) decoder() []tensor {
	head := s.Embd / s.Heads
	all := []tensor{matrix("token_embd.weight", s.Embd, s.Vocab), norm("output_norm.weight", s.Embd)}
	for i := range s.Layers {
		blk := fmt.Sprintf("blk.%d.", i)
		all = append(all, norm(blk+"attn_norm.weight", s.Embd))
		all = append(all, s.attention(blk)...)
		all = append(all, s.feedForward(blk)...)
		if s.arch() != "llama" {
			all = append(all, norm(blk+"attn_q_norm.weight", head), norm(blk+"attn_k_norm.weight", head))
		}
		if s.arch() == "gemma3" {
			all = append(all, norm(blk+"post_attention_norm.weight", s.Embd), norm(blk+"post_ffw_norm.weight", s.Embd))
		}
	}
	return all
}

func (s Shape) attention(blk string) []tensor {
	head := s.Embd / s.Heads
	return []tensor{
		matrix(blk+"attn_q.weight", s.Embd, s.Heads*head),
		matrix(blk+"attn_k.weight", s.Embd, s.KVHeads*head),
		matrix(blk+"attn_v.weight", s.Embd, s.KVHeads*head),
		matrix(blk+"attn_output.weight", s.Heads*head, s.Embd),
	}
}

func (s Shape) feedForward(blk string) []tensor {
	return []tensor{
		norm(blk+"ffn_norm.weight", s.Embd),
		matrix(blk+"ffn_gate.weight", s.Embd, s.FF),
		matrix(blk+"ffn_up.weight", s.Embd, s.FF),
		matrix(blk+"ffn_down.weight", s.FF, s.Embd),
	}
}

// loraTensors lists an adapter's weights for the query projections.
func (s Shape) loraTensors(rank int) []tensor {
	var all []tensor
	for i := range s.Layers {
		name := fmt.Sprintf("blk.%d.attn_q.weight", i)
		all = append(all, matrix(name+".lora_a", s.Embd, rank), matrix(name+".lora_b", rank, s.Embd))
	}
	return all
}
