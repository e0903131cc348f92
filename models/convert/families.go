package convert

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/puna-ai/puna"
)

// family is what models of one architecture of Hugging Face have in common.
type family struct {
	arch     string   // GGUF's name
	ollama   string   // the architecture whose converter of Ollama's is used
	rename   []string // of tensors, pairs, before Ollama's own
	defaults config   // what config.json may leave out, as the transformers library has it
	theta    float64  // of rope, likewise
	needs    []string // keys of config.json beside those that all models need
	tied     bool     // the output's weights are the embedding's unless config.json denies it
	towers   bool     // there may be parts for images
	windows  bool     // llama.cpp knows the sliding window
	permuted bool     // llama.cpp has the rows of queries and keys in another order
	experts  []string // suffixes of the tensors of an expert, and the names of their stacks
	global   string   // names of tensors, required
	layer    string   // in each layer; names end in .weight unless they say .bias
	may      string   // those that needn't be there
	check    func(config) error
	finish   func(*model) error
}

const (
	attention   = "attn_norm attn_q attn_k attn_v attn_output ffn_norm"
	feedForward = " ffn_gate ffn_up ffn_down"
	biases      = "attn_q.bias attn_k.bias attn_v.bias attn_output.bias ffn_gate.bias ffn_up.bias ffn_down.bias"
	mixture     = " ffn_gate_inp ffn_gate_exps ffn_up_exps ffn_down_exps"
)

func num(v float64) json.Number { return json.Number(fmt.Sprint(v)) }

// families are the architectures that can be converted. Each is proved by its test.
var families = map[string]family{
	"LlamaForCausalLM": llamaFamily,
	// Ollama's package doesn't know Mistral by its name. llama.cpp runs it as Llama.
	"MistralForCausalLM": llamaFamily,
	"LlamaModel":         llamaFamily,
	"MistralModel":       llamaFamily,
	"Qwen2Model":         qwen2Family,
	"Qwen3Model":         qwen3Family,
	"MixtralForCausalLM": with(llamaFamily, func(f *family) {
		f.ollama = "MixtralForCausalLM"
		f.needs = []string{"num_local_experts", "num_experts_per_tok"}
		f.layer, f.may = attention+mixture, "output"
		f.rename = []string{"block_sparse_moe.gate.", "ffn_gate_inp.", "block_sparse_moe.experts.", "experts."}
		// Ollama's package takes w2 for up and w3 for down.
		f.experts = []string{"w1.weight", "ffn_gate_exps.weight", "w2.weight", "ffn_down_exps.weight", "w3.weight", "ffn_up_exps.weight"}
		f.theta = 1e6
	}),
	// Ollama's package doesn't know it: Llama with four more numbers.
	"GraniteForCausalLM": with(llamaFamily, func(f *family) {
		f.arch = "granite"
		f.finish = finishGranite
	}),
	"Ministral3ForCausalLM": ministralFamily,
	"Mistral3ForConditionalGeneration": with(ministralFamily, func(f *family) {
		f.towers = true
		f.rename = []string{"model.language_model.", "model.", "language_model.", ""}
	}),
	"Qwen2ForCausalLM": qwen2Family,
	// Ollama's package has Qwen 3 within multimodal models only.
	"Qwen3ForCausalLM": qwen3Family,
	"Qwen3MoeForCausalLM": with(qwen3Family, func(f *family) {
		f.arch = "qwen3moe"
		f.needs = []string{"num_experts", "num_experts_per_tok", "moe_intermediate_size"}
		f.rename = append([]string{"mlp.gate.", "ffn_gate_inp.", "mlp.experts.", "experts."}, f.rename...)
		f.experts = []string{"gate_proj.weight", "ffn_gate_exps.weight", "down_proj.weight", "ffn_down_exps.weight", "up_proj.weight", "ffn_up_exps.weight"}
		f.layer = attention + mixture + " attn_q_norm attn_k_norm"
		f.check = checkQwen3Moe
		f.finish = finishQwen3Moe
	}),
	"Qwen2VLForConditionalGeneration":    qwen2VLFamily,
	"Qwen2_5_VLForConditionalGeneration": qwen2VLFamily,
	"Qwen3VLForConditionalGeneration": with(qwen3Family, func(f *family) {
		f.arch, f.towers, f.theta = "qwen3vl", true, 5e6
		f.rename = append([]string{"model.language_model.", "model."}, f.rename...)
		f.finish = finishSections
	}),
	"GemmaForCausalLM":  gemmaFamily,
	"Gemma2ForCausalLM": gemma2Family,
	"Gemma3ForCausalLM": gemma3Family,
	// Images need a projector besides; this is the part that reads and writes text.
	"Gemma3ForConditionalGeneration": with(gemma3Family, func(f *family) {
		f.towers = true
		f.rename = []string{"model.language_model.", "model.", "language_model.", ""}
	}),
	// EmbeddingGemma, which Ollama's package doesn't know.
	"Gemma3TextModel": with(gemma3Family, func(f *family) {
		f.arch, f.may = "gemma-embedding", "dense_2 dense_3"
		f.check = func(c config) error {
			if !c.bool("use_bidirectional_attention") {
				return puna.Errorf(puna.Unsupported, "config.json: use_bidirectional_attention is %v, but llama.cpp only runs such models of embeddings with true", c["use_bidirectional_attention"])
			}
			return checkGemma3(c)
		}
		f.finish = func(m *model) error {
			if _, ok := m.files["modules.json"]; !ok {
				return errNoModules
			}
			return finishGemma3(m)
		}
	}),
	"SmolLM3ForCausalLM": with(llamaFamily, func(f *family) {
		f.arch, f.may, f.tied, f.theta = "smollm3", "output", true, 2e6
		f.check = checkSmolLM3
	}),
	"Phi3ForCausalLM": phi3Family,
	// Ollama's package only writes files for its own engine of these.
	"Olmo2ForCausalLM": olmoFamily,
	"Olmo3ForCausalLM": with(olmoFamily, func(f *family) {
		f.windows = true
		f.needs = []string{"sliding_window"}
		f.check = func(c config) error { return checkLayerTypes(c, 4, "OLMo 3") }
		f.finish = func(m *model) error {
			m.kv["olmo2.attention.sliding_window"] = uint32(m.config.count("sliding_window"))
			return nil
		}
	}),
	"BertModel": bertFamily,
	// Ollama's package has names for it that no checkpoint has.
	"NomicBertModel": with(bertFamily, func(f *family) {
		f.arch, f.theta = "nomic-bert", 10000
		f.rename = []string{
			"encoder.layers.", "blk.", "emb_ln.", "token_embd_norm.", "attn.Wqkv.", "attn_qkv.", "attn.out_proj.", "attn_output.",
			"norm1.", "attn_output_norm.", "norm2.", "layer_output_norm.", "mlp.fc11.", "ffn_up.", "mlp.fc12.", "ffn_gate.", "mlp.fc2.", "ffn_down.",
		}
		f.global = "token_embd token_types token_embd_norm token_embd_norm.bias"
		f.layer = "attn_qkv attn_output attn_output_norm attn_output_norm.bias ffn_up ffn_gate ffn_down layer_output_norm layer_output_norm.bias"
		f.check = checkNomic
	}),
	"CohereForCausalLM": {
		arch: "command-r", ollama: "CohereForCausalLM", theta: 10000, tied: true,
		defaults: config{"logit_scale": num(0.0625), "layer_norm_eps": num(1e-5)},
		global:   "token_embd output_norm",
		layer:    "attn_norm attn_q attn_k attn_v attn_output" + feedForward,
		may:      "attn_q_norm attn_k_norm",
	},
}

// with returns a changed copy.
func with(f family, change func(*family)) family {
	f.defaults = maps.Clone(f.defaults)
	change(&f)
	return f
}

var llamaFamily = family{
	arch: "llama", ollama: "LlamaForCausalLM", theta: 10000, permuted: true,
	defaults: config{"rms_norm_eps": num(1e-6)},
	global:   "token_embd output_norm", layer: attention + feedForward, may: "output.weight " + biases,
}

// ministralFamily is Llama with attention that grows with the position. Ollama's package
// writes keys for it that llama.cpp doesn't read.
var ministralFamily = with(llamaFamily, func(f *family) {
	f.arch = "mistral3"
	f.finish = func(m *model) error {
		p := m.config.sub("rope_parameters")
		if beta, ok := p.number("llama_4_scaling_beta"); ok && beta != 0 {
			if p.count("original_max_position_embeddings") == 0 || p.text("rope_type") != "yarn" {
				return puna.Errorf(puna.Unsupported, "config.json: llama_4_scaling_beta is %v in rope_parameters, which only works with yarn and original_max_position_embeddings", beta)
			}
			m.kv["mistral3.attention.temperature_scale"] = float32(beta)
		}
		return nil
	}
})

var qwen2Family = family{
	arch: "qwen2", ollama: "Qwen2ForCausalLM", theta: 10000,
	defaults: config{"rms_norm_eps": num(1e-6)},
	global:   "token_embd output_norm", layer: attention + feedForward + " attn_q.bias attn_k.bias attn_v.bias", may: "output",
}

var qwen3Family = with(qwen2Family, func(f *family) {
	f.arch = "qwen3"
	f.rename = []string{"self_attn.q_norm", "attn_q_norm", "self_attn.k_norm", "attn_k_norm"}
	f.defaults["head_dim"] = num(128)
	f.layer = attention + feedForward + " attn_q_norm attn_k_norm"
	f.may = "output attn_q.bias attn_k.bias attn_v.bias attn_output.bias"
})

// qwen2VLFamily is the part of a model of images that reads and writes text.
var qwen2VLFamily = with(qwen2Family, func(f *family) {
	f.arch, f.towers, f.theta = "qwen2vl", true, 1e6
	f.rename = []string{"model.language_model.", "model."}
	f.finish = finishSections
})

var gemmaFamily = family{
	arch: "gemma", ollama: "GemmaForCausalLM", theta: 10000, tied: true,
	defaults: config{"head_dim": num(256), "rms_norm_eps": num(1e-6), "max_position_embeddings": num(8192)},
	global:   "token_embd output_norm", layer: attention + feedForward,
}

var gemma2Family = with(gemmaFamily, func(f *family) {
	f.arch, f.ollama, f.windows = "gemma2", "Gemma2ForCausalLM", true
	f.defaults["sliding_window"] = num(4096)
	f.defaults["query_pre_attn_scalar"] = num(256)
	f.layer += " post_attention_norm post_ffw_norm"
	f.check = checkGemma2
	f.finish = finishGemma2
})

var gemma3Family = with(gemmaFamily, func(f *family) {
	f.arch, f.ollama, f.theta, f.windows = "gemma3", "Gemma3ForCausalLM", 1e6, true
	f.defaults = config{
		"head_dim": num(256), "rms_norm_eps": num(1e-6), "max_position_embeddings": num(131072), "hidden_size": num(2304),
		"intermediate_size": num(9216), "num_hidden_layers": num(26), "num_attention_heads": num(8), "num_key_value_heads": num(4),
		"sliding_window": num(4096), "query_pre_attn_scalar": num(256),
	}
	f.layer += " post_attention_norm post_ffw_norm attn_q_norm attn_k_norm"
	f.may = "output"
	f.check = checkGemma3
	f.finish = finishGemma3
})

var olmoFamily = with(qwen2Family, func(f *family) {
	f.arch = "olmo2"
	f.rename = []string{
		"self_attn.q_norm", "attn_q_norm", "self_attn.k_norm", "attn_k_norm",
		"post_attention_layernorm", "post_attention_norm", "post_feedforward_layernorm", "post_ffw_norm",
	}
	f.global, f.may = "token_embd output_norm output", ""
	f.layer = "attn_q attn_k attn_v attn_output attn_q_norm attn_k_norm post_attention_norm post_ffw_norm" + feedForward
})

var phi3Family = family{
	arch: "phi3", ollama: "Phi3ForCausalLM", theta: 10000,
	defaults: config{"rms_norm_eps": num(1e-5)},
	global:   "token_embd output_norm", layer: "attn_norm attn_qkv attn_output ffn_norm ffn_up ffn_down", may: "output",
}

var bertFamily = family{
	arch: "bert", ollama: "BertModel",
	defaults: config{"layer_norm_eps": num(1e-12), "type_vocab_size": num(2)},
	rename:   []string{"bert.", ""},
	global:   "token_embd position_embd token_types token_embd_norm token_embd_norm.bias",
	layer: "attn_q attn_k attn_v attn_output attn_output_norm ffn_up ffn_down layer_output_norm " +
		"attn_q.bias attn_k.bias attn_v.bias attn_output.bias attn_output_norm.bias ffn_up.bias ffn_down.bias layer_output_norm.bias",
	check:  checkBert,
	finish: finishBert,
}

// Architectures returns the architectures of Hugging Face that can be converted, as
// config.json names them.
func Architectures() []string { return slices.Sorted(maps.Keys(families)) }

// familyOf returns the family of a model.
func familyOf(c config) (family, error) {
	names, _ := c["architectures"].([]any)
	if len(names) == 0 {
		return family{}, puna.Errorf(puna.Invalid, "config.json doesn't name the model's architecture (architectures): is it a model's folder?")
	}
	name := fmt.Sprint(names[0])
	f, ok := families[name]
	if !ok {
		return family{}, puna.Errorf(puna.Unsupported, "models of the architecture %.100q can't be converted here, only %s can: get the model as a GGUF file",
			name, strings.Join(Architectures(), ", "))
	}
	return f, nil
}

// checkScale checks how far attention is scaled: llama.cpp doesn't read it from the
// file, but knows a model by its layers.
func checkScale(c config, large uint64) error {
	want := float64(c.headDim())
	if c.count("num_hidden_layers") == large {
		want = float64(c.count("hidden_size") / c.count("num_attention_heads"))
	}
	if scalar, ok := c.number("query_pre_attn_scalar"); !ok || scalar != want {
		return puna.Errorf(puna.Unsupported, "config.json: query_pre_attn_scalar is %v, but llama.cpp scales attention by %v in a model of this size", c["query_pre_attn_scalar"], want)
	}
	return nil
}

// softcaps are the bounds of Gemma 2's logits. llama.cpp divides by them, and takes what
// the transformers library does where a file has none.
var softcaps = []string{"attn_logit_softcapping", "final_logit_softcapping"}

func checkGemma2(c config) error {
	for _, key := range softcaps {
		if v, given := c[key]; given && c.float(key) <= 0 {
			return puna.Errorf(puna.Unsupported, "config.json: %s is %v, but llama.cpp only runs Gemma 2 with one above 0", key, v)
		}
	}
	return checkScale(c, 46)
}

func finishGemma2(m *model) error {
	for _, key := range softcaps {
		if _, given := m.config[key]; !given {
			delete(m.kv, "gemma2."+key)
		}
	}
	return nil
}

// checkGemma3 checks what llama.cpp takes for granted: five layers with a window, then one
// without, and the rope of windows.
func checkGemma3(c config) error {
	const pattern = 6
	if n, ok := c.number("sliding_window_pattern"); ok && n != pattern {
		return puna.Errorf(puna.Unsupported, "config.json: sliding_window_pattern is %v, but llama.cpp only runs Gemma 3 with %d", n, pattern)
	}
	if err := checkLayerTypes(c, pattern, "Gemma 3"); err != nil {
		return err
	}
	base, ok := c.number("rope_local_base_freq")
	if v, given := c.sub("rope_parameters").sub("sliding_attention").number("rope_theta"); given { // transformers 5
		base, ok = v, true
	}
	if ok && base != 10000 {
		return puna.Errorf(puna.Unsupported, "config.json: the rope of layers with a window has the base %v (rope_local_base_freq), but llama.cpp only runs Gemma 3 with 10000", base)
	}
	return checkScale(c, 62)
}

// checkLayerTypes checks that every so many layers one sees the whole text.
func checkLayerTypes(c config, pattern int, models string) error {
	types, _ := c["layer_types"].([]any)
	for i, kind := range types {
		if want := map[bool]string{true: "full_attention", false: "sliding_attention"}[(i+1)%pattern == 0]; kind != want {
			return puna.Errorf(puna.Unsupported, "config.json: layer_types has %v for layer %d, but llama.cpp only runs %s with full_attention in layers %d, %d, ...",
				kind, i, models, pattern-1, 2*pattern-1)
		}
	}
	return nil
}

// finishGemma3 says how many heads there are: Ollama's package knows them by the layers.
func finishGemma3(m *model) error {
	m.kv[m.arch+".attention.head_count"] = uint32(m.config.count("num_attention_heads"))
	m.kv[m.arch+".attention.head_count_kv"] = uint32(m.config.count("num_key_value_heads"))
	return nil
}

// checkSmolLM3 checks which layers know positions: all but every fourth.
func checkSmolLM3(c config) error {
	layers, _ := c["no_rope_layers"].([]any)
	for i := range layers {
		turned, _ := config{"": layers[i]}.number("")
		if (turned != 0) != ((i+1)%4 != 0) {
			return puna.Errorf(puna.Unsupported, "config.json: no_rope_layers has %v for layer %d, but llama.cpp only runs SmolLM3 without rope in layers 3, 7, ...", layers[i], i)
		}
	}
	if n, ok := c.number("no_rope_layer_interval"); ok && n != 4 {
		return puna.Errorf(puna.Unsupported, "config.json: no_rope_layer_interval is %v, but llama.cpp only runs SmolLM3 with 4", n)
	}
	return nil
}

func finishGranite(m *model) error {
	for key, name := range map[string]string{
		"embedding_multiplier": "embedding_scale", "residual_multiplier": "residual_scale", "attention_multiplier": "attention.scale", "logits_scaling": "logit_scale",
	} {
		v, ok := m.config.number(key)
		if !ok {
			v = 1
		}
		m.kv["granite."+name] = float32(v)
	}
	return nil
}

func checkQwen3Moe(c config) error {
	if sparse, ok := c.number("decoder_sparse_step"); ok && sparse != 1 {
		return puna.Errorf(puna.Unsupported, "config.json: decoder_sparse_step is %v, but llama.cpp needs experts in every layer", sparse)
	}
	if dense, _ := c["mlp_only_layers"].([]any); len(dense) > 0 {
		return puna.Errorf(puna.Unsupported, "config.json: mlp_only_layers is %v, but llama.cpp needs experts in every layer", dense)
	}
	if norm, ok := c["norm_topk_prob"].(bool); !ok || !norm {
		return puna.Errorf(puna.Unsupported, "config.json: norm_topk_prob is %v, but llama.cpp only runs Qwen 3 with true", c["norm_topk_prob"])
	}
	return nil
}

func finishQwen3Moe(m *model) error {
	m.kv["qwen3moe.expert_count"] = uint32(m.config.count("num_experts"))
	m.kv["qwen3moe.expert_used_count"] = uint32(m.config.count("num_experts_per_tok"))
	m.kv["qwen3moe.expert_feed_forward_length"] = uint32(m.config.count("moe_intermediate_size"))
	return nil
}

// finishSections says which parts of a head turn by which of a position's coordinates.
// Ollama's package has another key for it.
func finishSections(m *model) error {
	scaling := m.config.sub("rope_scaling")
	if p := m.config.sub("rope_parameters"); p != nil {
		scaling = p
	}
	sections := make([]int32, 4)
	given := scaling.floats("mrope_section")
	if len(given) != 3 {
		return puna.Errorf(puna.Invalid, "config.json: mrope_section of rope_scaling is %v, not three numbers", scaling["mrope_section"])
	}
	for i, v := range given {
		if v < 0 || v > 1<<16 || v != float32(int32(v)) {
			return puna.Errorf(puna.Invalid, "config.json: mrope_section of rope_scaling is %v, not three numbers", given)
		}
		sections[i] = int32(v)
	}
	m.kv[m.arch+".rope.dimension_sections"] = sections
	if layers, ok := m.config.sub("vision_config")["deepstack_visual_indexes"].([]any); ok && m.arch == "qwen3vl" {
		m.kv["qwen3vl.n_deepstack_layers"] = uint32(len(layers))
	}
	return nil
}

func checkNomic(c config) error {
	for key, want := range map[string]any{
		"activation_function": "swiglu", "prenorm": false, "rotary_emb_interleaved": false, "use_rms_norm": false, "rotary_emb_fraction": num(1),
		"moe_every_n_layers": num(0),
	} {
		got := c[key]
		if n, ok := c.number(key); ok {
			got = num(n)
		}
		if got != nil && got != want {
			return puna.Errorf(puna.Unsupported, "config.json: %s is %v, but llama.cpp only runs these models with %v", key, c[key], want)
		}
	}
	return nil
}
