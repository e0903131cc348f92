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
