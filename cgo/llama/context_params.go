package llama

// #include "shim.h"
import "C"

import (
	"fmt"

	"github.com/puna-ai/puna/cgo/ggml"
)

// RopeScalingType mirrors enum llama_rope_scaling_type.
type RopeScalingType int32

const (
	RopeScalingUnspecified RopeScalingType = C.LLAMA_ROPE_SCALING_TYPE_UNSPECIFIED
	RopeScalingNone        RopeScalingType = C.LLAMA_ROPE_SCALING_TYPE_NONE
	RopeScalingLinear      RopeScalingType = C.LLAMA_ROPE_SCALING_TYPE_LINEAR
	RopeScalingYarn        RopeScalingType = C.LLAMA_ROPE_SCALING_TYPE_YARN
	RopeScalingLongRope    RopeScalingType = C.LLAMA_ROPE_SCALING_TYPE_LONGROPE
)

// PoolingType mirrors enum llama_pooling_type.
type PoolingType int32

const (
	PoolingUnspecified PoolingType = C.LLAMA_POOLING_TYPE_UNSPECIFIED // as the model says
	PoolingNone        PoolingType = C.LLAMA_POOLING_TYPE_NONE
	PoolingMean        PoolingType = C.LLAMA_POOLING_TYPE_MEAN
	PoolingCLS         PoolingType = C.LLAMA_POOLING_TYPE_CLS
	PoolingLast        PoolingType = C.LLAMA_POOLING_TYPE_LAST
	PoolingRank        PoolingType = C.LLAMA_POOLING_TYPE_RANK
)

// AttentionType mirrors enum llama_attention_type.
type AttentionType int32

const (
	AttentionUnspecified AttentionType = C.LLAMA_ATTENTION_TYPE_UNSPECIFIED // as the model says
	AttentionCausal      AttentionType = C.LLAMA_ATTENTION_TYPE_CAUSAL
	AttentionNonCausal   AttentionType = C.LLAMA_ATTENTION_TYPE_NON_CAUSAL
)

// FlashAttnType mirrors enum llama_flash_attn_type.
type FlashAttnType int32

const (
	FlashAttnAuto     FlashAttnType = C.LLAMA_FLASH_ATTN_TYPE_AUTO
	FlashAttnDisabled FlashAttnType = C.LLAMA_FLASH_ATTN_TYPE_DISABLED
	FlashAttnEnabled  FlashAttnType = C.LLAMA_FLASH_ATTN_TYPE_ENABLED
)

// String wraps llama_flash_attn_type_name.
func (t FlashAttnType) String() string {
	if t < FlashAttnAuto || t > FlashAttnEnabled {
		return fmt.Sprintf("FlashAttnType(%d)", int32(t))
	}
	return C.GoString(C.llama_flash_attn_type_name(C.enum_llama_flash_attn_type(t)))
}

// ContextParams mirrors struct llama_context_params, less its callbacks (every
// context has an abort flag, see [Context.SetAbort]). Start from
// [ContextDefaultParams]: the zero value is not the default. It has as many fields
// as the C struct.
type ContextParams struct {
	NCtx          uint32 // cells, in tokens; 0: the model's training length. Rounded up to 256
	NBatch        uint32 // most tokens of a Decode; at most NCtx
	NUbatch       uint32 // most tokens of one graph; at most NBatch
	NSeqMax       uint32 // sequence ids, 1 to MaxParallelSequences
	NThreads      int32  // for graphs of one token
	NThreadsBatch int32  // for graphs of more tokens

	RopeScalingType RopeScalingType
	PoolingType     PoolingType
	AttentionType   AttentionType
	FlashAttnType   FlashAttnType

	RopeFreqBase   float32 // 0: the model's
	RopeFreqScale  float32 // 0: the model's
	YarnExtFactor  float32 // negative: the model's
	YarnAttnFactor float32
	YarnBetaFast   float32
	YarnBetaSlow   float32
	YarnOrigCtx    uint32 // 0: the model's

	TypeK ggml.Type // of the K cache
	TypeV ggml.Type // of the V cache; quantized types need flash attention

	Embeddings bool // keep embeddings beside logits
	OffloadKQV bool // KV cache and its operations on the device
	NoPerf     bool // don't measure times
	OpOffload  bool // host tensors' operations on the device
	SWAFull    bool // sliding-window caches of full size: any prefix can be reused
	KVUnified  bool // one pool of cells for all sequences
}

// ContextDefaultParams wraps llama_context_default_params.
func ContextDefaultParams() ContextParams {
	c := C.llama_context_default_params()
	return ContextParams{
		NCtx:            uint32(c.n_ctx),
		NBatch:          uint32(c.n_batch),
		NUbatch:         uint32(c.n_ubatch),
		NSeqMax:         uint32(c.n_seq_max),
		NThreads:        int32(c.n_threads),
		NThreadsBatch:   int32(c.n_threads_batch),
		RopeScalingType: RopeScalingType(c.rope_scaling_type),
		PoolingType:     PoolingType(c.pooling_type),
		AttentionType:   AttentionType(c.attention_type),
		FlashAttnType:   FlashAttnType(c.flash_attn_type),
		RopeFreqBase:    float32(c.rope_freq_base),
		RopeFreqScale:   float32(c.rope_freq_scale),
		YarnExtFactor:   float32(c.yarn_ext_factor),
		YarnAttnFactor:  float32(c.yarn_attn_factor),
		YarnBetaFast:    float32(c.yarn_beta_fast),
		YarnBetaSlow:    float32(c.yarn_beta_slow),
		YarnOrigCtx:     uint32(c.yarn_orig_ctx),
		TypeK:           ggml.Type(c.type_k),
		TypeV:           ggml.Type(c.type_v),
		Embeddings:      bool(c.embeddings),
		OffloadKQV:      bool(c.offload_kqv),
		NoPerf:          bool(c.no_perf),
		OpOffload:       bool(c.op_offload),
		SWAFull:         bool(c.swa_full),
		KVUnified:       bool(c.kv_unified),
	}
}

func (p *ContextParams) c() C.struct_llama_context_params {
	c := C.llama_context_default_params()
	c.n_ctx = C.uint32_t(p.NCtx)
	c.n_batch = C.uint32_t(p.NBatch)
	c.n_ubatch = C.uint32_t(p.NUbatch)
	c.n_seq_max = C.uint32_t(p.NSeqMax)
	c.n_threads = C.int32_t(p.NThreads)
	c.n_threads_batch = C.int32_t(p.NThreadsBatch)
	c.rope_scaling_type = C.enum_llama_rope_scaling_type(p.RopeScalingType)
	c.pooling_type = C.enum_llama_pooling_type(p.PoolingType)
	c.attention_type = C.enum_llama_attention_type(p.AttentionType)
	c.flash_attn_type = C.enum_llama_flash_attn_type(p.FlashAttnType)
	c.rope_freq_base = C.float(p.RopeFreqBase)
	c.rope_freq_scale = C.float(p.RopeFreqScale)
	c.yarn_ext_factor = C.float(p.YarnExtFactor)
	c.yarn_attn_factor = C.float(p.YarnAttnFactor)
	c.yarn_beta_fast = C.float(p.YarnBetaFast)
	c.yarn_beta_slow = C.float(p.YarnBetaSlow)
	c.yarn_orig_ctx = C.uint32_t(p.YarnOrigCtx)
	c.type_k = C.enum_ggml_type(p.TypeK)
	c.type_v = C.enum_ggml_type(p.TypeV)
	c.embeddings = C.bool(p.Embeddings)
	c.offload_kqv = C.bool(p.OffloadKQV)
	c.no_perf = C.bool(p.NoPerf)
	c.op_offload = C.bool(p.OpOffload)
	c.swa_full = C.bool(p.SWAFull)
	c.kv_unified = C.bool(p.KVUnified)
	return c
}

// check refuses what llama.cpp would abort on, or compute nonsense from.
func (p *ContextParams) check() error {
	const maxCtx = 1 << 30
	switch {
	case p.NCtx > maxCtx || p.NBatch > maxCtx || p.NUbatch > maxCtx:
		return fmt.Errorf("llama: context of %d tokens, batch %d, ubatch %d: at most %d", p.NCtx, p.NBatch, p.NUbatch, maxCtx)
	case p.NBatch == 0:
		return fmt.Errorf("llama: batch size 0: need at least 1")
	case p.NSeqMax < 1 || int(p.NSeqMax) > MaxParallelSequences():
		return fmt.Errorf("llama: %d sequences: need 1 to %d", p.NSeqMax, MaxParallelSequences())
	case badThreads(p.NThreads) || badThreads(p.NThreadsBatch):
		return fmt.Errorf("llama: %d and %d threads: need 1 to %d", p.NThreads, p.NThreadsBatch, ggml.MaxThreads)
	case p.RopeScalingType < RopeScalingUnspecified || p.RopeScalingType > RopeScalingLongRope:
		return fmt.Errorf("llama: rope scaling type %d", p.RopeScalingType)
	case p.PoolingType < PoolingUnspecified || p.PoolingType > PoolingRank:
		return fmt.Errorf("llama: pooling type %d: need %d to %d", p.PoolingType, PoolingUnspecified, PoolingRank)
	case p.AttentionType < AttentionUnspecified || p.AttentionType > AttentionNonCausal:
		return fmt.Errorf("llama: attention type %d", p.AttentionType)
	case p.FlashAttnType < FlashAttnAuto || p.FlashAttnType > FlashAttnEnabled:
		return fmt.Errorf("llama: flash attention type %d", p.FlashAttnType)
	}
	for _, t := range []ggml.Type{p.TypeK, p.TypeV} {
		if !cacheType(t) {
			return fmt.Errorf("llama: KV cache of type %s: need f32, f16, bf16, q8_0, q4_0, q4_1, iq4_nl, q5_0 or q5_1", t)
		}
	}
	return nil
}

func badThreads(n int32) bool { return n < 1 || n > ggml.MaxThreads }

// cacheType reports whether ggml can copy rows into a cache of type t.
func cacheType(t ggml.Type) bool {
	switch t {
	case C.GGML_TYPE_F32, C.GGML_TYPE_F16, C.GGML_TYPE_BF16, C.GGML_TYPE_Q8_0, C.GGML_TYPE_Q4_0,
		C.GGML_TYPE_Q4_1, C.GGML_TYPE_IQ4_NL, C.GGML_TYPE_Q5_0, C.GGML_TYPE_Q5_1:
		return true
	}
	return false
}
