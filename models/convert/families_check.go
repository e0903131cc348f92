package convert

import "github.com/puna-ai/puna"

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
