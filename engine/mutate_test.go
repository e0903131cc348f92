package engine_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"

	"github.com/puna-ai/puna/models/gguf"
)

// mutate returns a GGUF with something wrong in it, or nothing, and what that is.
func mutate(rng *rand.Rand, data []byte) (mutant []byte, what string) {
	switch n := rng.IntN(20); {
	case n < 2:
		return truncate(rng, data)
	case n < 4:
		return flip(rng, data)
	case n < 6:
		return overwrite(rng, data)
	}
	m := newMutant(data)
	for range 1 + rng.IntN(2) {
		m.change(rng)
	}
	var out bytes.Buffer
	if err := gguf.Write(&out, m.kvs, m.tensors()); err != nil { // what can't even be written
		return flip(rng, data)
	}
	return out.Bytes(), strings.Join(m.what, ", then ")
}

func truncate(rng *rand.Rand, data []byte) ([]byte, string) {
	n := rng.IntN(len(data)/1024+1) << 10
	if rng.IntN(2) == 0 {
		n = rng.IntN(len(data))
	}
	return data[:n], fmt.Sprintf("cut after %d bytes", n)
}

// headerEnd is where the data of tensors begins.
func headerEnd(data []byte) int {
	f, err := gguf.Read(bytes.NewReader(data), int64(len(data)), "base", gguf.Options{})
	if err != nil {
		panic(err)
	}
	return int(f.DataOffset)
}

func flip(rng *rand.Rand, data []byte) ([]byte, string) {
	data, end := slices.Clone(data), headerEnd(data)
	what := "flipped"
	for range 1 + rng.IntN(4) {
		at, bit := rng.IntN(end), rng.IntN(8)
		data[at] ^= 1 << bit
		what += fmt.Sprintf(" %d.%d", at, bit)
	}
	return data, what
}

// overwrite puts a number that is wrong almost everywhere at a place of the metadata;
// often in the preamble, or at a key's length, type or value.
func overwrite(rng *rand.Rand, data []byte) ([]byte, string) {
	f, err := gguf.Read(bytes.NewReader(data), int64(len(data)), "base", gguf.Options{})
	if err != nil {
		panic(err)
	}
	data = slices.Clone(data)
	kv := f.KV[rng.IntN(len(f.KV))]
	places := []int{4, 8, 16, int(kv.Offset), int(kv.Offset) + 8 + len(kv.Key), int(kv.Offset) + 12 + len(kv.Key),
		int(kv.Offset) + 16 + len(kv.Key), rng.IntN(int(f.DataOffset) - 8)}
	if i := bytes.Index(data, []byte(f.Tensors[rng.IntN(len(f.Tensors))].Name)); i > 8 {
		places = append(places, i-8)
		for j := range 6 {
			places = append(places, i+len("token_embd.weight")+4*j)
		}
	}
	at, n := pick(rng, places...), pick(rng, numbers...)
	if rng.IntN(2) == 0 {
		binary.LittleEndian.PutUint64(data[at:], n)
	} else {
		binary.LittleEndian.PutUint32(data[at:], uint32(n))
	}
	return data, fmt.Sprintf("%d at byte %d", n, at)
}

func pick[T any](rng *rand.Rand, from ...T) T { return from[rng.IntN(len(from))] }

var (
	numbers = []uint64{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 16, 31, 32, 33, 64, 100, 255, 256, 299, 300, 301, 512, 513, 1 << 12, 1<<16 - 1,
		1 << 16, 1 << 20, 1 << 24, 1 << 30, 1<<31 - 1, 1 << 31, 1<<32 - 1, 1 << 32, 1 << 40, 1<<63 - 1, 1 << 63, 1<<64 - 1}
	floats  = []float64{0, 1, -1, 0.5, 1e-30, 1e-5, 1e30, -1e30, math.NaN(), math.Inf(1), math.Inf(-1), 8, 10000}
	strange = []string{"", "x", " ", "\n", "\\n", "\xff", "\x00", "\u2581", "Ġ", "<0x0A>", "<0xZZ>", "<0x", "a b", "a  b", "  ", "\\x", "'\\xff'", "b'\\x'",
		"none", "linear", "yarn", "longrope", "no_vocab", "gpt2", "llama", "bert", "t5", "rwkv", "plamo2", "default", "mean", "true",
		"<|eot_id|>", "<|end|>", "<|return|>", "<|call|>", "</s>", "<unk>", "<mask>", "phi3", "Phi-3 mini", strings.Repeat("long ", 4000),
		"{{ x", "{% for i in range(10**9) %}x{% endfor %}", "{{ messages }}", "{{ messages[0]['content'] }}", "{query}"}
	pres = []string{"llama3", "deepseek-llm", "deepseek-coder", "deepseek-v3", "falcon", "mpt", "starcoder", "gpt-2", "jina-v2-code", "jina-v2-de",
		"refact", "command-r", "qwen2", "stablelm2", "olmo", "dbrx", "smaug-bpe", "poro-chat", "glm4", "chatglm-bpe", "viking", "jais", "tekken",
		"smollm", "codeshell", "bloom", "gpt3-finnish", "exaone", "chameleon", "minerva-7b", "megrez", "gpt-4o", "superbpe", "trillion",
		"bailingmoe", "seed-coder", "hunyuan", "kimi-k2", "grok-2", "afmoe", "minimax-m2", "what"}
)

// modelKeys are those of llama-arch.cpp that belong to an architecture.
var modelKeys = strings.Fields(`vocab_size context_length embedding_length features_length block_count leading_dense_block_count
	feed_forward_length expert_feed_forward_length expert_shared_feed_forward_length expert_chunk_feed_forward_length
	use_parallel_residual tensor_data_layout expert_count expert_used_count expert_shared_count expert_group_count
	expert_group_used_count expert_weights_scale expert_weights_norm expert_gating_func expert_group_scale experts_per_group
	moe_every_n_layers nextn_predict_layers n_deepstack_layers pooling_type logit_scale decoder_start_token_id decoder_block_count
	attn_logit_softcapping router_logit_softcapping final_logit_softcapping swin_norm rescale_every_n_layers time_mix_extra_dim
	time_decay_extra_dim residual_scale embedding_scale token_shift_count interleave_moe_layer_step attention.head_count
	attention.head_count_kv attention.max_alibi_bias attention.clamp_kqv attention.key_length attention.value_length
	attention.layer_norm_epsilon attention.layer_norm_rms_epsilon attention.group_norm_epsilon attention.group_norm_groups
	attention.causal attention.q_lora_rank attention.kv_lora_rank attention.decay_lora_rank attention.iclr_lora_rank
	attention.value_residual_mix_lora_rank attention.gate_lora_rank attention.relative_buckets_count attention.sliding_window
	attention.scale attention.output_scale attention.temperature_length attention.temperature_scale
	attention.block_skip_connection.0 attention.key_length_mla attention.value_length_mla rope.dimension_count
	rope.dimension_sections rope.freq_base rope.scale_linear rope.scaling.type rope.scaling.factor rope.scaling.attn_factor
	rope.scaling.original_context_length rope.scaling.finetuned rope.scaling.yarn_log_multiplier rope.scaling.yarn_ext_factor
	rope.scaling.yarn_attn_factor rope.scaling.yarn_beta_fast rope.scaling.yarn_beta_slow ssm.conv_kernel ssm.inner_size
	ssm.state_size ssm.time_step_rank ssm.group_count ssm.dt_b_c_rms wkv.head_size posnet.embedding_length posnet.block_count
	convnext.embedding_length convnext.block_count classifier.output_labels shortconv.l_cache dense_2_feat_in dense_2_feat_out
	dense_3_feat_in dense_3_feat_out`)

// otherKeys are those of the tokenizer and of the whole file.
var otherKeys = strings.Fields(`general.type general.alignment general.file_type general.sampling.top_k general.sampling.temp general.name
	split.no split.count split.tensors.count tokenizer.ggml.model tokenizer.ggml.pre tokenizer.ggml.tokens tokenizer.ggml.token_type
	tokenizer.ggml.token_type_count tokenizer.ggml.scores tokenizer.ggml.merges tokenizer.ggml.bos_token_id tokenizer.ggml.eos_token_id
	tokenizer.ggml.eot_token_id tokenizer.ggml.eom_token_id tokenizer.ggml.unknown_token_id tokenizer.ggml.seperator_token_id
	tokenizer.ggml.padding_token_id tokenizer.ggml.mask_token_id tokenizer.ggml.add_bos_token tokenizer.ggml.add_eos_token
	tokenizer.ggml.add_sep_token tokenizer.ggml.add_space_prefix tokenizer.ggml.remove_extra_whitespaces
	tokenizer.ggml.precompiled_charsmap tokenizer.chat_template tokenizer.chat_template.rerank tokenizer.ggml.fim_pre_token_id
	tokenizer.ggml.fim_suf_token_id tokenizer.ggml.fim_mid_token_id xielu.alpha_n xielu.eps adapter.type`)

// mutantFile is a GGUF that is taken apart.
type mutantFile struct {
	kvs   []gguf.KV
	infos []gguf.Tensor
	data  [][]byte
	what  []string
}

func newMutant(data []byte) *mutantFile {
	f, err := gguf.Read(bytes.NewReader(data), int64(len(data)), "base", gguf.Options{})
	if err != nil {
		panic(err)
	}
	m := &mutantFile{kvs: slices.Clone(f.KV), infos: slices.Clone(f.Tensors)}
	for i, kv := range m.kvs {
		if a, ok := kv.Value.(*gguf.Array); ok {
			m.kvs[i].Value = a.Items()
		}
	}
	for i := range m.infos {
		t := &m.infos[i]
		t.Shape = slices.Clone(t.Shape)
		m.data = append(m.data, data[t.Offset:t.Offset+t.Bytes()])
	}
	return m
}

// tensors are what is to be written, rows of whole blocks; data is cut or goes on with zeros.
func (m *mutantFile) tensors() (all []gguf.TensorData) {
	for i, t := range m.infos {
		block := t.Type.BlockSize()
		t.Shape[0] = max(1, t.Shape[0]/block) * block
		data := make([]byte, t.Bytes())
		copy(data, m.data[i])
		all = append(all, gguf.TensorData{Tensor: t, Data: bytes.NewReader(data)})
	}
	return all
}

func (m *mutantFile) say(format string, args ...any) {
	s := fmt.Sprintf(format, args...)
	m.what = append(m.what, s[:min(len(s), 200)])
}

func (m *mutantFile) arch() string { return m.kvs[0].Value.(string) }

// change does one wrong thing.
func (m *mutantFile) change(rng *rand.Rand) {
	i := 1 + rng.IntN(len(m.kvs)-1) // the first is the architecture
	kv := &m.kvs[i]
	switch rng.IntN(12) {
	case 0, 1, 2:
		kv.Value = bend(rng, kv.Value)
		m.say("%s is %v", kv.Key, kv.Value)
	case 3, 4, 5:
		key := m.arch() + "." + pick(rng, modelKeys...)
		if rng.IntN(3) == 0 {
			key = pick(rng, otherKeys...)
		}
		m.set(key, anything(rng))
	case 6:
		m.tokenizer(rng)
	case 7:
		m.say("%s is missing", kv.Key)
		m.kvs = slices.Delete(m.kvs, i, i+1)
	case 8:
		m.rename(pick(rng, gguf.KnownArchs()...), rng)
	default:
		m.changeTensor(rng)
	}
}

func (m *mutantFile) set(key string, value any) {
	m.say("%s is %v", key, value)
	if i := slices.IndexFunc(m.kvs, func(kv gguf.KV) bool { return kv.Key == key }); i >= 0 {
		m.kvs[i].Value = value
		return
	}
	m.kvs = append(m.kvs, gguf.KV{Key: key, Value: value})
}

// rename makes it a model of another architecture, with some of what that may need.
func (m *mutantFile) rename(arch string, rng *rand.Rand) {
	old := m.arch()
	for i, kv := range m.kvs {
		m.kvs[i].Key = strings.Replace(kv.Key, old+".", arch+".", 1)
	}
	m.set("general.architecture", arch)
	for range rng.IntN(3) {
		m.set(arch+"."+pick(rng, modelKeys...), anything(rng))
	}
}

// tokenizer exchanges the kind of the vocabulary, or what a kind consists of.
func (m *mutantFile) tokenizer(rng *rand.Rand) {
	n := 300
	switch rng.IntN(5) {
	case 0:
		m.set("tokenizer.ggml.pre", pick(rng, pres...))
	case 1:
		m.set("tokenizer.ggml.token_type", fill(n, func() int32 { return int32(rng.IntN(9) - 1) }))
	case 2:
		m.set("tokenizer.ggml.scores", fill(n, func() float32 { return float32(pick(rng, floats...)) }))
	case 3:
		m.set("tokenizer.ggml.precompiled_charsmap", fill(4+rng.IntN(400), func() uint8 { return uint8(pick(rng, 0, 0, 0, 1, 4, 64, 97, rng.IntN(256))) }))
		fallthrough
	default:
		model := pick(rng, "llama", "bert", "t5", "t5", "rwkv", "plamo2", "gpt2", "none")
		m.set("tokenizer.ggml.model", model)
		for _, id := range []string{"bos", "eos", "unknown", "seperator", "padding", "mask"} {
			m.set("tokenizer.ggml."+id+"_token_id", uint32(rng.IntN(n)))
		}
		if rng.IntN(2) == 0 {
			m.set("tokenizer.ggml.scores", fill(n, func() float32 { return rng.Float32() - 1 }))
		}
	}
	for i, kv := range m.kvs {
		tokens, ok := kv.Value.([]string)
		if !ok || kv.Key != "tokenizer.ggml.tokens" {
			continue
		}
		tokens = slices.Clone(tokens)
		for range rng.IntN(30) {
			tokens[rng.IntN(len(tokens))] = pick(rng, "\n", "\\n", "\u2581", "a", "b", "<0x0A>", "<0x", fmt.Sprintf("<0x%02X>", rng.IntN(256)),
				"\xff\xfe", "\u2581the", strings.Repeat("ab", rng.IntN(60)), fmt.Sprintf("'\\x%x'", rng.IntN(256)), "\\x", "\\")
		}
		m.kvs[i].Value = tokens
	}
}

func fill[T any](n int, item func() T) []T {
	all := make([]T, n)
	for i := range all {
		all[i] = item()
	}
	return all
}

func (m *mutantFile) changeTensor(rng *rand.Rand) {
	i := rng.IntN(len(m.infos))
	t := &m.infos[i]
	name := t.Name
	switch rng.IntN(8) {
	case 0:
		m.infos, m.data = slices.Delete(m.infos, i, i+1), slices.Delete(m.data, i, i+1)
		m.say("%s is missing", name)
		return
	case 1:
		t.Name = m.infos[rng.IntN(len(m.infos))].Name
		m.say("%s is called %s", name, t.Name)
		return
	case 2:
		t.Name = pick(rng, "output.weight", "rope_freqs.weight", "blk.0.rope_freqs.weight", "cls.weight", "cls.bias", "cls.output.weight", "position_embd.weight",
			"blk.0.attn_q.bias", "blk.0.attn_qkv.weight", "blk.0.ffn_gate_inp.weight", "blk.0.ffn_down_exps.weight", "blk.7.attn_q.weight",
			"blk.99999999999.attn_q.weight", "token_types.weight", "rope_factors_long.weight", "blk.0.attn_q_norm.weight", "blk.0.ffn_up.bias")
		m.say("%s is called %s", name, t.Name)
		return
	case 3:
		slices.Reverse(t.Shape)
	case 4:
		t.Shape = append(t.Shape, uint64(1+rng.IntN(3)))[:min(4, len(t.Shape)+1)]
	case 5:
		t.Shape = []uint64{t.Elements()}
	case 6:
		if n := gguf.TensorType(rng.IntN(40)); n.Known() {
			t.Type = n
		}
	default:
		t.Shape[rng.IntN(len(t.Shape))] = max(1, pick(rng, numbers...)&0x3ff)
	}
	m.say("%s is %v %v", name, t.Type, t.Shape)
}

// anything is a value of any type.
func anything(rng *rand.Rand) any {
	n := pick(rng, numbers...)
	switch rng.IntN(14) {
	case 0, 1, 2, 3, 4, 5:
		return uint32(n)
	case 6:
		return int32(n)
	case 7:
		return n
	case 8, 9, 10:
		return float32(pick(rng, floats...))
	case 11:
		return rng.IntN(2) == 0
	case 12:
		return pick(rng, strange...)
	}
	return pick(rng, any([]uint32{uint32(n), 4}), any([]int32{int32(n)}), any([]int32{8, 0, 0, 0}), any([]float32{0.5, 2}), any([]string{"a", "b", "c"}), any([]bool{true}))
}

// bend returns a value like another that a file doesn't expect.
func bend(rng *rand.Rand, value any) any {
	v := reflect.ValueOf(value)
	switch {
	case rng.IntN(8) == 0:
		return anything(rng)
	case v.Kind() == reflect.Slice:
		return bendSlice(rng, v)
	case v.CanUint():
		n := pick(rng, v.Uint()-1, v.Uint()+1, 2*v.Uint(), v.Uint()/2, pick(rng, numbers...), pick(rng, numbers...))
		return reflect.ValueOf(n).Convert(v.Type()).Interface()
	case v.CanInt():
		return reflect.ValueOf(int64(pick(rng, numbers...))).Convert(v.Type()).Interface()
	case v.CanFloat():
		return reflect.ValueOf(pick(rng, floats...)).Convert(v.Type()).Interface()
	case v.Kind() == reflect.Bool:
		return !v.Bool()
	}
	return pick(rng, strange...)
}

func bendSlice(rng *rand.Rand, v reflect.Value) any {
	n := v.Len()
	if n == 0 {
		return anything(rng)
	}
	s := reflect.AppendSlice(reflect.MakeSlice(v.Type(), 0, n+1), v)
	switch rng.IntN(4) {
	case 0:
		return s.Slice(0, rng.IntN(n)).Interface()
	case 1:
		return reflect.Append(s, s.Index(rng.IntN(n))).Interface()
	}
	for range 1 + rng.IntN(8) {
		if item := reflect.ValueOf(bend(rng, s.Index(rng.IntN(n)).Interface())); item.CanConvert(v.Type().Elem()) {
			s.Index(rng.IntN(n)).Set(item.Convert(v.Type().Elem()))
		}
	}
	return s.Interface()
}
