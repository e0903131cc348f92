package llama

// #include "shim.h"
import "C"

import "runtime"

// MetaValStr wraps llama_model_meta_val_str: a metadata value as text. ok is false
// when there is none; arrays have none.
func (m *Model) MetaValStr(key string) (value string, ok bool) {
	defer runtime.KeepAlive(m)
	ckey, free := cstring(key)
	defer free()
	return grow(func(buf *C.char, size C.size_t) C.int32_t {
		return C.llama_model_meta_val_str(m.ptr(), ckey, buf, size)
	})
}

// MetaCount wraps llama_model_meta_count.
func (m *Model) MetaCount() int {
	defer runtime.KeepAlive(m)
	return int(C.llama_model_meta_count(m.ptr()))
}

// MetaKey mirrors enum llama_model_meta_key: the sampling defaults that a file may hold.
type MetaKey int32

const (
	MetaKeySamplingSequence       MetaKey = C.LLAMA_MODEL_META_KEY_SAMPLING_SEQUENCE
	MetaKeySamplingTopK           MetaKey = C.LLAMA_MODEL_META_KEY_SAMPLING_TOP_K
	MetaKeySamplingTopP           MetaKey = C.LLAMA_MODEL_META_KEY_SAMPLING_TOP_P
	MetaKeySamplingMinP           MetaKey = C.LLAMA_MODEL_META_KEY_SAMPLING_MIN_P
	MetaKeySamplingXTCProbability MetaKey = C.LLAMA_MODEL_META_KEY_SAMPLING_XTC_PROBABILITY
	MetaKeySamplingXTCThreshold   MetaKey = C.LLAMA_MODEL_META_KEY_SAMPLING_XTC_THRESHOLD
	MetaKeySamplingTemp           MetaKey = C.LLAMA_MODEL_META_KEY_SAMPLING_TEMP
	MetaKeySamplingPenaltyLastN   MetaKey = C.LLAMA_MODEL_META_KEY_SAMPLING_PENALTY_LAST_N
	MetaKeySamplingPenaltyRepeat  MetaKey = C.LLAMA_MODEL_META_KEY_SAMPLING_PENALTY_REPEAT
	MetaKeySamplingMirostat       MetaKey = C.LLAMA_MODEL_META_KEY_SAMPLING_MIROSTAT
	MetaKeySamplingMirostatTau    MetaKey = C.LLAMA_MODEL_META_KEY_SAMPLING_MIROSTAT_TAU
	MetaKeySamplingMirostatEta    MetaKey = C.LLAMA_MODEL_META_KEY_SAMPLING_MIROSTAT_ETA
)

// String wraps llama_model_meta_key_str: the key's name in the file, or "".
func (k MetaKey) String() string {
	return C.GoString(C.llama_model_meta_key_str(C.enum_llama_model_meta_key(k)))
}

// MetaKeyByIndex wraps llama_model_meta_key_by_index.
func (m *Model) MetaKeyByIndex(i int) (key string, ok bool) {
	defer runtime.KeepAlive(m)
	return grow(func(buf *C.char, size C.size_t) C.int32_t {
		return C.llama_model_meta_key_by_index(m.ptr(), C.int32_t(i), buf, size)
	})
}

// MetaValStrByIndex wraps llama_model_meta_val_str_by_index.
func (m *Model) MetaValStrByIndex(i int) (value string, ok bool) {
	defer runtime.KeepAlive(m)
	return grow(func(buf *C.char, size C.size_t) C.int32_t {
		return C.llama_model_meta_val_str_by_index(m.ptr(), C.int32_t(i), buf, size)
	})
}

// Desc wraps llama_model_desc: "llama 1B Q4_K - Medium".
func (m *Model) Desc() string {
	defer runtime.KeepAlive(m)
	desc, _ := grow(func(buf *C.char, size C.size_t) C.int32_t {
		return C.llama_model_desc(m.ptr(), buf, size)
	})
	return desc
}

// Size wraps llama_model_size: all tensors, in bytes.
func (m *Model) Size() uint64 {
	defer runtime.KeepAlive(m)
	return uint64(C.llama_model_size(m.ptr()))
}

// ChatTemplate wraps llama_model_chat_template: the Jinja template in the file, the
// default one for the name "".
func (m *Model) ChatTemplate(name string) (template string, ok bool) {
	defer runtime.KeepAlive(m)
	var cname *C.char
	if name != "" {
		var free func()
		cname, free = cstring(name)
		defer free()
	}
	c := C.llama_model_chat_template(m.ptr(), cname)
	return C.GoString(c), c != nil
}

// NParams wraps llama_model_n_params.
func (m *Model) NParams() uint64 {
	defer runtime.KeepAlive(m)
	return uint64(C.llama_model_n_params(m.ptr()))
}

// HasEncoder wraps llama_model_has_encoder: inputs go through Context.Encode first.
func (m *Model) HasEncoder() bool {
	defer runtime.KeepAlive(m)
	return bool(C.llama_model_has_encoder(m.ptr()))
}

// HasDecoder wraps llama_model_has_decoder.
func (m *Model) HasDecoder() bool {
	defer runtime.KeepAlive(m)
	return bool(C.llama_model_has_decoder(m.ptr()))
}

// DecoderStartToken wraps llama_model_decoder_start_token, or TokenNull.
func (m *Model) DecoderStartToken() Token {
	defer runtime.KeepAlive(m)
	return Token(C.llama_model_decoder_start_token(m.ptr()))
}

// IsRecurrent wraps llama_model_is_recurrent (Mamba, RWKV).
func (m *Model) IsRecurrent() bool {
	defer runtime.KeepAlive(m)
	return bool(C.llama_model_is_recurrent(m.ptr()))
}

// IsHybrid wraps llama_model_is_hybrid (Jamba, Granite 4).
func (m *Model) IsHybrid() bool {
	defer runtime.KeepAlive(m)
	return bool(C.llama_model_is_hybrid(m.ptr()))
}

// IsDiffusion wraps llama_model_is_diffusion (LLaDA, Dream).
func (m *Model) IsDiffusion() bool {
	defer runtime.KeepAlive(m)
	return bool(C.llama_model_is_diffusion(m.ptr()))
}
