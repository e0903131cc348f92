package convert

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/puna-ai/puna/models/gguf"
)

// models makes a tiny checkpoint of each architecture.
var tinyModels map[string]func(testing.TB) *checkpoint

func init() { // they use one another
	tinyModels = map[string]func(testing.TB) *checkpoint{
		"LlamaForCausalLM": func(t testing.TB) *checkpoint {
			shapes := decoder(bytePairTokens+3, layers, hidden/heads) // rows beyond the tokens
			each(shapes, "self_attn.q_proj.bias", hidden)
			each(shapes, "self_attn.k_proj.bias", kv*hidden/heads)
			each(shapes, "self_attn.rotary_emb.inv_freq", hidden/heads/2)
			c := newCheckpoint("LlamaForCausalLM", map[string]any{
				"rope_theta":   500000.0,
				"rope_scaling": map[string]any{"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 16},
			}, bytePairTokens+3, shapes)
			c.dtype, c.shards = "BF16", 3
			c.useBytePairs(t, llama3Pattern)
			return c
		},
		"MistralForCausalLM": func(t testing.TB) *checkpoint {
			c := newCheckpoint("MistralForCausalLM", map[string]any{"head_dim": head, "sliding_window": nil}, pieceTokens, decoder(pieceTokens, layers, head))
			c.useSentencePiece(t, true)
			return c
		},
		"GraniteForCausalLM": func(t testing.TB) *checkpoint {
			c := newCheckpoint("GraniteForCausalLM", map[string]any{
				"embedding_multiplier": 3.0, "residual_multiplier": 0.4, "attention_multiplier": 0.2, "logits_scaling": 2.5,
			}, bytePairTokens, decoder(bytePairTokens, layers, hidden/heads))
			c.useBytePairs(t, llama3Pattern)
			return c
		},
		"Ministral3ForCausalLM": func(t testing.TB) *checkpoint {
			c := newCheckpoint("Ministral3ForCausalLM", map[string]any{"head_dim": head, "rope_parameters": map[string]any{
				"rope_type": "yarn", "rope_theta": 1e6, "factor": 16.0, "original_max_position_embeddings": 5, "beta_fast": 4.0, "beta_slow": 0.5,
				"mscale": 1.0, "mscale_all_dim": 1.0, "llama_4_scaling_beta": 0.3,
			}}, bytePairTokens, decoder(bytePairTokens, layers, head))
			c.dtype = "BF16"
			c.useBytePairs(t, tekkenPattern)
			return c
		},
		"Mistral3ForConditionalGeneration": func(t testing.TB) *checkpoint {
			c := newCheckpoint("Mistral3ForConditionalGeneration", map[string]any{"head_dim": head}, bytePairTokens, decoder(bytePairTokens, layers, head))
			c.useBytePairs(t, tekkenPattern)
			c.multimodal()
			return c
		},
		"MixtralForCausalLM": func(t testing.TB) *checkpoint {
			shapes := decoder(pieceTokens, layers, hidden/heads)
			without(shapes, ".mlp.")
			each(shapes, "block_sparse_moe.gate.weight", 12, hidden)
			for i := range 12 {
				expert := fmt.Sprintf("block_sparse_moe.experts.%d.", i)
				each(shapes, expert+"w1.weight", inner, hidden)
				each(shapes, expert+"w2.weight", hidden, inner)
				each(shapes, expert+"w3.weight", inner, hidden)
			}
			c := newCheckpoint("MixtralForCausalLM", map[string]any{"num_local_experts": 12, "num_experts_per_tok": 2}, pieceTokens, shapes)
			c.useSentencePiece(t, true)
			return c
		},
		"Qwen2ForCausalLM": func(t testing.TB) *checkpoint {
			shapes := decoder(bytePairTokens, layers, hidden/heads)
			each(shapes, "self_attn.q_proj.bias", heads*hidden/heads)
			each(shapes, "self_attn.k_proj.bias", kv*hidden/heads)
			each(shapes, "self_attn.v_proj.bias", kv*hidden/heads)
			c := newCheckpoint("Qwen2ForCausalLM", map[string]any{"tie_word_embeddings": true, "rope_theta": 1e6}, bytePairTokens, shapes)
			c.useBytePairs(t, qwen2Pattern)
			return c
		},
		"Qwen3ForCausalLM": func(t testing.TB) *checkpoint {
			shapes := decoder(bytePairTokens, layers, head)
			each(shapes, "self_attn.q_norm.weight", head)
			each(shapes, "self_attn.k_norm.weight", head)
			c := newCheckpoint("Qwen3ForCausalLM", map[string]any{"head_dim": head}, bytePairTokens, shapes)
			delete(c.config, "rope_theta") // as transformers 5 writes it
			c.config["rope_parameters"] = map[string]any{"rope_theta": 1e6, "rope_type": "default"}
			c.useBytePairs(t, qwen2Pattern)
			return c
		},
		"Qwen3MoeForCausalLM": func(t testing.TB) *checkpoint {
			shapes := decoder(bytePairTokens, layers, head)
			without(shapes, ".mlp.")
			each(shapes, "self_attn.q_norm.weight", head)
			each(shapes, "self_attn.k_norm.weight", head)
			each(shapes, "mlp.gate.weight", 4, hidden)
			for i := range 4 {
				expert := fmt.Sprintf("mlp.experts.%d.", i)
				each(shapes, expert+"gate_proj.weight", 24, hidden)
				each(shapes, expert+"up_proj.weight", 24, hidden)
				each(shapes, expert+"down_proj.weight", hidden, 24)
			}
			c := newCheckpoint("Qwen3MoeForCausalLM", map[string]any{
				"head_dim": head, "num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 24, "norm_topk_prob": true,
			}, bytePairTokens, shapes)
			c.dtype = "BF16"
			c.useBytePairs(t, qwen2Pattern)
			return c
		},
		"GemmaForCausalLM": func(t testing.TB) *checkpoint {
			shapes := decoder(pieceTokens, layers, head)
			without(shapes, "lm_head")
			c := newCheckpoint("GemmaForCausalLM", map[string]any{"head_dim": head}, pieceTokens, shapes)
			c.useSentencePiece(t, false)
			return c
		},
		"Gemma2ForCausalLM": func(t testing.TB) *checkpoint {
			shapes := decoder(pieceTokens, layers, head)
			each(shapes, "pre_feedforward_layernorm.weight", hidden)
			each(shapes, "post_feedforward_layernorm.weight", hidden)
			c := newCheckpoint("Gemma2ForCausalLM", map[string]any{ // with a head that counts for nothing
				"tie_word_embeddings": true, "head_dim": head, "query_pre_attn_scalar": head, "sliding_window": 64, "attn_logit_softcapping": 5.0, "final_logit_softcapping": 3.0,
			}, pieceTokens, shapes)
			c.dtype = "F16"
			c.useSentencePiece(t, false)
			return c
		},
		"Gemma3ForCausalLM":                  func(t testing.TB) *checkpoint { return tinyGemma3(t, "Gemma3ForCausalLM") },
		"Gemma3ForConditionalGeneration":     func(t testing.TB) *checkpoint { return tinyGemma3(t, "Gemma3ForConditionalGeneration") },
		"Qwen2VLForConditionalGeneration":    func(t testing.TB) *checkpoint { return tinyQwen2VL(t, "Qwen2VLForConditionalGeneration") },
		"Qwen2_5_VLForConditionalGeneration": func(t testing.TB) *checkpoint { return tinyQwen2VL(t, "Qwen2_5_VLForConditionalGeneration") },
		"Qwen3VLForConditionalGeneration": func(t testing.TB) *checkpoint {
			c := tinyModels["Qwen3ForCausalLM"](t)
			c.config["architectures"] = []string{"Qwen3VLForConditionalGeneration"}
			c.config["rope_parameters"] = map[string]any{"rope_theta": 5e6, "rope_type": "default", "mrope_section": []int{2, 3, 3}, "mrope_interleaved": true}
			c.multimodal()
			c.config["vision_config"] = map[string]any{"deepstack_visual_indexes": []int{1, 2}}
			for name, w := range maps.Clone(c.tensors) {
				if rest, ok := strings.CutPrefix(name, "language_model.model."); ok {
					delete(c.tensors, name)
					c.tensors["model.language_model."+rest] = w
				}
			}
			c.tensors["lm_head.weight"] = c.tensors["language_model.lm_head.weight"]
			delete(c.tensors, "language_model.lm_head.weight")
			return c
		},
		"NomicBertModel": func(t testing.TB) *checkpoint {
			shapes := map[string][]uint64{
				"embeddings.word_embeddings.weight": {wordPieceTokens, hidden}, "embeddings.token_type_embeddings.weight": {2, hidden},
				"emb_ln.weight": {hidden}, "emb_ln.bias": {hidden},
			}
			for i := range layers {
				for name, shape := range map[string][]uint64{
					"attn.Wqkv.weight": {3 * hidden, hidden}, "attn.out_proj.weight": {hidden, hidden}, "norm1.weight": {hidden}, "norm1.bias": {hidden},
					"mlp.fc11.weight": {inner, hidden}, "mlp.fc12.weight": {inner, hidden}, "mlp.fc2.weight": {hidden, inner}, "norm2.weight": {hidden}, "norm2.bias": {hidden},
				} {
					shapes[fmt.Sprintf("encoder.layers.%d.%s", i, name)] = shape
				}
			}
			c := newCheckpoint("NomicBertModel", nil, wordPieceTokens, shapes)
			c.config = map[string]any{
				"architectures": []string{"NomicBertModel"}, "vocab_size": wordPieceTokens, "n_embd": hidden, "n_head": heads, "n_inner": inner, "n_layer": layers,
				"n_positions": 128, "rotary_emb_base": 1000, "rotary_emb_fraction": 1.0, "rotary_emb_interleaved": false, "activation_function": "swiglu",
				"layer_norm_epsilon": 1e-12, "prenorm": false, "type_vocab_size": 2,
			}
			c.useWordPiece(t)
			return c
		},
		"SmolLM3ForCausalLM": func(t testing.TB) *checkpoint {
			c := newCheckpoint("SmolLM3ForCausalLM", map[string]any{
				"num_hidden_layers": 4, "no_rope_layers": []int{1, 1, 1, 0}, "no_rope_layer_interval": 4, "tie_word_embeddings": true,
			}, bytePairTokens, decoder(bytePairTokens, 4, hidden/heads))
			c.useBytePairs(t, llama3Pattern)
			return c
		},
		"Gemma3TextModel": func(t testing.TB) *checkpoint {
			c := headless(t, "Gemma3ForCausalLM", "Gemma3TextModel", "mean_tokens")
			c.config["use_bidirectional_attention"] = true
			delete(c.config, "rope_scaling")
			c.useDense(t)
			return c
		},
		"LlamaModel":       func(t testing.TB) *checkpoint { return headless(t, "LlamaForCausalLM", "LlamaModel", "mean_tokens") },
		"MistralModel":     func(t testing.TB) *checkpoint { return headless(t, "MistralForCausalLM", "MistralModel", "lasttoken") },
		"Qwen2Model":       func(t testing.TB) *checkpoint { return headless(t, "Qwen2ForCausalLM", "Qwen2Model", "mean_tokens") },
		"Qwen3Model":       func(t testing.TB) *checkpoint { return headless(t, "Qwen3ForCausalLM", "Qwen3Model", "lasttoken") },
		"Olmo2ForCausalLM": func(t testing.TB) *checkpoint { return tinyOlmo(t, "Olmo2ForCausalLM") },
		"Olmo3ForCausalLM": func(t testing.TB) *checkpoint {
			c := tinyOlmo(t, "Olmo3ForCausalLM")
			c.config["sliding_window"] = 64
			c.config["layer_types"] = []string{"sliding_attention", "sliding_attention", "sliding_attention", "full_attention"}
			c.config["rope_scaling"] = map[string]any{"rope_type": "yarn", "factor": 8.0, "original_max_position_embeddings": 16}
			return c
		},
		"Phi3ForCausalLM": func(t testing.TB) *checkpoint {
			shapes := decoder(bytePairTokens, layers, hidden/heads)
			without(shapes, "q_proj")
			without(shapes, "k_proj")
			without(shapes, "v_proj")
			without(shapes, "gate_proj")
			without(shapes, "up_proj")
			each(shapes, "self_attn.qkv_proj.weight", (heads+2*kv)*hidden/heads, hidden)
			each(shapes, "mlp.gate_up_proj.weight", 2*inner, hidden)
			c := newCheckpoint("Phi3ForCausalLM", map[string]any{
				"partial_rotary_factor": 0.5, "original_max_position_embeddings": 1024, "max_position_embeddings": 4096,
				"rope_scaling": map[string]any{"type": "longrope", "long_factor": []float64{1.5, 3}, "short_factor": []float64{1, 1.25}},
			}, bytePairTokens, shapes)
			p := bytePairs(llama3Pattern)
			p["model"].(map[string]any)["ignore_merges"] = false
			c.useBytePairs(t, llama3Pattern)
			c.files["tokenizer.json"] = asJSON(t, p)
			return c
		},
		"CohereForCausalLM": func(t testing.TB) *checkpoint {
			shapes := decoder(bytePairTokens, layers, hidden/heads)
			without(shapes, "post_attention_layernorm")
			without(shapes, "lm_head")
			c := newCheckpoint("CohereForCausalLM", map[string]any{"logit_scale": 0.25, "layer_norm_eps": 1e-5, "tie_word_embeddings": true}, bytePairTokens, shapes)
			c.useBytePairs(t, llama3Pattern)
			return c
		},
		"BertModel": func(t testing.TB) *checkpoint {
			shapes := map[string][]uint64{
				"embeddings.word_embeddings.weight": {wordPieceTokens, hidden}, "embeddings.position_embeddings.weight": {128, hidden},
				"embeddings.token_type_embeddings.weight": {2, hidden}, "embeddings.LayerNorm.weight": {hidden}, "embeddings.LayerNorm.bias": {hidden},
				"pooler.dense.weight": {hidden, hidden}, "pooler.dense.bias": {hidden},
			}
			for i := range layers {
				for name, rows := range map[string][2]uint64{
					"attention.self.query": {hidden, hidden}, "attention.self.key": {hidden, hidden}, "attention.self.value": {hidden, hidden},
					"attention.output.dense": {hidden, hidden}, "intermediate.dense": {inner, hidden}, "output.dense": {hidden, inner},
					"attention.output.LayerNorm": {hidden}, "output.LayerNorm": {hidden},
				} {
					prefix := fmt.Sprintf("encoder.layer.%d.%s.", i, name)
					shapes[prefix+"bias"] = rows[:1]
					shapes[prefix+"weight"] = slices.DeleteFunc(slices.Clone(rows[:]), func(n uint64) bool { return n == 0 })
				}
			}
			c := newCheckpoint("BertModel", map[string]any{"layer_norm_eps": 1e-12, "hidden_act": "gelu", "position_embedding_type": "absolute"}, wordPieceTokens, shapes)
			delete(c.config, "num_key_value_heads")
			c.useWordPiece(t)
			return c
		},
	}
}

func tinyQwen2VL(t testing.TB, architecture string) *checkpoint {
	c := tinyModels["Qwen2ForCausalLM"](t)
	c.config["architectures"] = []string{architecture}
	c.config["rope_scaling"] = map[string]any{"type": "mrope", "mrope_section": []int{1, 1, 2}}
	c.tensors["visual.blocks.0.norm1.weight"] = weights{[]uint64{1}, []float32{1}}
	return c
}

// headless makes a model of sentences of one that answers.
func headless(t testing.TB, of, architecture, pooling string) *checkpoint {
	c := tinyModels[of](t)
	c.config["architectures"] = []string{architecture}
	tensors := map[string]weights{}
	for name, w := range c.tensors {
		if rest, ok := strings.CutPrefix(name, "model."); ok {
			tensors[rest] = w
		}
	}
	c.tensors = tensors
	c.usePooling(t, pooling)
	return c
}

func tinyOlmo(t testing.TB, architecture string) *checkpoint {
	shapes := decoder(bytePairTokens, 4, hidden/heads)
	each(shapes, "post_feedforward_layernorm.weight", hidden)
	each(shapes, "self_attn.q_norm.weight", hidden)
	each(shapes, "self_attn.k_norm.weight", kv*hidden/heads)
	without(shapes, "input_layernorm")
	c := newCheckpoint(architecture, map[string]any{"num_hidden_layers": 4}, bytePairTokens, shapes)
	c.useBytePairs(t, llama3Pattern)
	return c
}

// tinyGemma3 has a layer without a window; the multimodal one has its numbers in an
// object within, and a part for images.
func tinyGemma3(t testing.TB, architecture string) *checkpoint {
	shapes := decoder(pieceTokens, 6, head)
	without(shapes, "lm_head")
	for _, name := range []string{"pre_feedforward_layernorm", "post_feedforward_layernorm"} {
		each(shapes, name+".weight", hidden)
	}
	each(shapes, "self_attn.q_norm.weight", head)
	each(shapes, "self_attn.k_norm.weight", head)
	c := newCheckpoint(architecture, map[string]any{
		"num_hidden_layers": 6, "head_dim": head, "query_pre_attn_scalar": head, "sliding_window": 64, "sliding_window_pattern": 6, "rope_theta": 1e6,
		"rope_scaling": map[string]any{"rope_type": "linear", "factor": 8.0},
	}, pieceTokens, shapes)
	c.dtype = "BF16"
	c.useSentencePiece(t, false)
	if architecture == "Gemma3ForCausalLM" {
		return c
	}
	c.multimodal()
	return c
}

// multimodal makes the checkpoint the text part of a model that reads images.
func (c *checkpoint) multimodal() {
	text := c.config
	c.config = map[string]any{"architectures": text["architectures"], "model_type": "tiny", "text_config": text, "vision_config": map[string]any{"hidden_size": 8}}
	delete(text, "architectures")
	tensors := map[string]weights{
		"vision_tower.vision_model.post_layernorm.weight": {[]uint64{1}, []float32{1}}, "multi_modal_projector.linear.weight": {[]uint64{1, 1}, []float32{1}},
	}
	for name, w := range c.tensors {
		tensors["language_model."+name] = w
	}
	c.tensors = tensors
}

// variants are what configs and tokenizers may say in other ways.
var variants = map[string]func(testing.TB) *checkpoint{
	"Qwen2 with yarn": func(t testing.TB) *checkpoint {
		c := tinyModels["Qwen2ForCausalLM"](t)
		c.config["rope_scaling"] = map[string]any{"type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32}
		return c
	},
	"Qwen3 with yarn as it is now": func(t testing.TB) *checkpoint {
		c := tinyModels["Qwen3ForCausalLM"](t)
		c.config["rope_parameters"] = map[string]any{"rope_type": "yarn", "rope_theta": 1e6, "factor": 8.0, "attention_factor": 1.1}
		return c
	},
	"Llama with linear scaling": func(t testing.TB) *checkpoint {
		c := tinyModels["LlamaForCausalLM"](t)
		c.config["rope_scaling"] = map[string]any{"type": "linear", "factor": 4.0}
		return c
	},
	"Gemma 3 with rope for each kind of layer": func(t testing.TB) *checkpoint {
		c := tinyModels["Gemma3ForCausalLM"](t)
		delete(c.config, "rope_theta")
		delete(c.config, "rope_scaling")
		c.config["rope_parameters"] = map[string]any{
			"full_attention":    map[string]any{"rope_type": "linear", "factor": 8.0, "rope_theta": 1e6},
			"sliding_attention": map[string]any{"rope_type": "default", "rope_theta": 10000.0},
		}
		return c
	},
	"Gemma with an embedding of its own": func(t testing.TB) *checkpoint {
		c := tinyModels["Gemma3ForCausalLM"](t)
		c.tensors["lm_head.weight"] = weights{c.tensors["model.embed_tokens.weight"].shape, slices.Clone(c.tensors["model.embed_tokens.weight"].values)}
		slices.Reverse(c.tensors["lm_head.weight"].values)
		return c
	},
	"Mistral without tokenizer.model": func(t testing.TB) *checkpoint {
		c := tinyModels["MistralForCausalLM"](t)
		delete(c.files, "tokenizer.model")
		c.files["tokenizer.json"] = asJSON(t, piecesFile())
		return c
	},
}

// converted converts a checkpoint's files.
func converted(t testing.TB, f files) (path string, header *gguf.File) {
	path = filepath.Join(t.TempDir(), "model.gguf")
	out, err := os.Create(path)
	require.NoError(t, err)
	defer out.Close()
	require.NoError(t, Model(context.Background(), f, out, Options{}))
	header, err = gguf.Open(path)
	require.NoError(t, err)
	return path, header
}

func allModels() map[string]func(testing.TB) *checkpoint {
	all := maps.Clone(tinyModels)
	maps.Copy(all, variants)
	return all
}

func TestEveryArchitectureConverts(t *testing.T) {
	require.Equal(t, Architectures(), slices.Sorted(maps.Keys(tinyModels)))
	for name, tiny := range allModels() {
		t.Run(name, func(t *testing.T) {
			c := tiny(t)
			f := c.write(t)
			path, header := converted(t, f)
			require.NoError(t, header.Validate())
			size, err := Size(f)
			require.NoError(t, err)
			info, err := os.Stat(path)
			require.NoError(t, err)
			assert.Equal(t, info.Size(), size)

			again, err := os.ReadFile(path)
			require.NoError(t, err)
			path, _ = converted(t, f)
			b, err := os.ReadFile(path)
			require.NoError(t, err)
			assert.Equal(t, again, b, "the same checkpoint gives other bytes")
		})
	}
}

func TestMetadata(t *testing.T) {
	_, f := converted(t, tinyModels["LlamaForCausalLM"](t).write(t))
	add, ok := f.Bool("tokenizer.ggml.add_bos_token")
	assert.True(t, ok && add, "the template of tokenizer.json begins with it")
	assert.Equal(t, "llama-bpe", f.String("tokenizer.ggml.pre"))
	assert.Equal(t, "BF16", f.FileType().String())
	assert.Equal(t, gguf.BF16, f.Tensor("blk.0.attn_q.weight").Type)
	assert.Equal(t, "{{ messages }}", f.ChatTemplate(""))
	tokens := f.Array("tokenizer.ggml.tokens").Strings()
	assert.Equal(t, []string{"<|end|>", "[PAD261]", "[PAD262]", "[PAD263]"}, tokens[260:])
	n, _ := f.Uint("tokenizer.ggml.eos_token_id")
	assert.EqualValues(t, 260, n)

	_, f = converted(t, tinyModels["GemmaForCausalLM"](t).write(t))
	prefix, ok := f.Bool("tokenizer.ggml.add_space_prefix")
	assert.True(t, ok && !prefix, "Gemma's texts get no space in front")
	types := f.Uints("tokenizer.ggml.token_type")
	assert.EqualValues(t, userToken, types[261], "a run of spaces")
	assert.EqualValues(t, controlToken, types[pieceTokens-1], "a turn")
	_, ok = f.Get("tokenizer.ggml.eot_token_id")
	assert.False(t, ok, "ids that the vocabulary doesn't have")

	c := tinyModels["Gemma2ForCausalLM"](t)
	delete(c.config, "attn_logit_softcapping")
	_, f = converted(t, c.write(t))
	_, ok = f.Get(".attn_logit_softcapping")
	assert.False(t, ok, "llama.cpp divides by it")
	cap, _ := f.Float(".final_logit_softcapping")
	assert.InDelta(t, 3, cap, 1e-6)

	_, f = converted(t, tinyModels["BertModel"](t).write(t))
	n, _ = f.Uint(".pooling_type")
	assert.EqualValues(t, 1, n)
	n, _ = f.Uint("tokenizer.ggml.bos_token_id")
	assert.EqualValues(t, 2, n, "[CLS]")
	assert.Equal(t, []string{"\u2581a", "a"}, []string{f.Array("tokenizer.ggml.tokens").Strings()[5], f.Array("tokenizer.ggml.tokens").Strings()[31]})

	c = tinyModels["MistralForCausalLM"](t)
	c.config["rope_theta"], c.config["rope_parameters"] = 5e5, map[string]any{}
	_, f = converted(t, c.write(t))
	base, _ := f.Float(".rope.freq_base")
	assert.InDelta(t, 5e5, base, 1)

	_, f = converted(t, tinyModels["Phi3ForCausalLM"](t).write(t))
	assert.Equal(t, "dbrx", f.String("tokenizer.ggml.pre"), "merges count")
	n, _ = f.Uint(".rope.dimension_count")
	assert.EqualValues(t, hidden/heads/2, n)
	for _, kv := range f.KV {
		assert.False(t, strings.HasPrefix(kv.Key, "gemma"), kv.Key)
	}
}
