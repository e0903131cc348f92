package testmodel

import "fmt"

// Small models of architectures that can't share the cells of a prefix: one with sliding
// windows, one with recurrent states, and one in which some layers have a state and the
// others attention.
var (
	Gemma3  = Shape{Name: "gemma3", Arch: "gemma3", Embd: 128, Layers: 6, Heads: 4, KVHeads: 2, FF: 256, Vocab: 2048, Ctx: 4096}
	Mamba2  = Shape{Name: "mamba2", Arch: "mamba2", Embd: 128, Layers: 4, Heads: 4, KVHeads: 4, FF: 256, Vocab: 2048, Ctx: 4096}
	Granite = Shape{Name: "granite", Arch: "granitehybrid", Embd: 128, Layers: 4, Heads: 4, KVHeads: 2, FF: 256, Vocab: 2048, Ctx: 4096}
)

// Window is the sliding window of gemma3, in tokens. Every sixth layer has none.
const Window = 64

// The recurrent state of a layer: Mamba's d_state and d_conv, with one group.
const (
	stateSize  = 32
	convKernel = 4
)

func (s Shape) recurrentMetadata(h *header) {
	arch := s.arch()
	h.u32(arch+".ssm.conv_kernel", convKernel)
	h.u32(arch+".ssm.inner_size", 2*s.Embd) // llama.cpp asserts it
	h.u32(arch+".ssm.state_size", stateSize)
	h.u32(arch+".ssm.time_step_rank", s.Heads)
	h.u32(arch+".ssm.group_count", 1)
}

// headsByLayer is the number of KV heads, 0 where a layer has a recurrent state.
func (s Shape) headsByLayer() []int32 {
	heads := make([]int32, s.Layers)
	for i := 1; i < s.Layers; i += 2 {
		heads[i] = int32(s.KVHeads)
	}
	return heads
}

// recurrent lists the weights of architectures mamba2 and granitehybrid.
func (s Shape) recurrent() []tensor {
	all := []tensor{matrix("token_embd.weight", s.Embd, s.Vocab), norm("output_norm.weight", s.Embd)}
	for i := range s.Layers {
		blk := fmt.Sprintf("blk.%d.", i)
		all = append(all, norm(blk+"attn_norm.weight", s.Embd))
		hybrid := s.arch() == "granitehybrid"
		if hybrid && s.headsByLayer()[i] > 0 {
			all = append(all, s.attention(blk)...)
		} else {
			all = append(all, s.state(blk)...)
		}
		if hybrid {
			all = append(all, s.feedForward(blk)...)
		}
	}
	return all
}

// state lists the weights of a layer with a recurrent state.
func (s Shape) state(blk string) []tensor {
	inner := 2 * s.Embd
	conv := inner + 2*stateSize
	constant := func(name string, fill float32, dims ...int) tensor {
		return tensor{name: blk + name, dims: dims, f32: true, fill: fill}
	}
	return []tensor{
		matrix(blk+"ssm_in.weight", s.Embd, inner+conv+s.Heads),
		constant("ssm_conv1d.weight", 0.4, convKernel, conv),
		constant("ssm_conv1d.bias", 0, conv),
		constant("ssm_dt.bias", -1, s.Heads),
		constant("ssm_a", -0.1, 1, s.Heads), // forgets slowly
		constant("ssm_d", 1, 1, s.Heads),
		constant("ssm_norm.weight", 1, inner, 1),
		matrix(blk+"ssm_out.weight", inner, s.Embd),
	}
}
