package convert

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/puna-ai/puna"
)

// convertTo converts into a new file and returns what it holds then.
func convertTo(t testing.TB, ctx context.Context, f files, o Options) (size int64, err error) {
	out, errOpen := os.Create(filepath.Join(t.TempDir(), "model.gguf"))
	require.NoError(t, errOpen)
	defer out.Close()
	err = Model(ctx, f, out, o)
	info, errStat := out.Stat()
	require.NoError(t, errStat)
	return info.Size(), err
}

// TestBrokenCheckpoints: errors name the file or the value, and nothing is written.
func TestBrokenCheckpoints(t *testing.T) {
	llama := "LlamaForCausalLM"
	set := func(key string, value any) func(*checkpoint) {
		return func(c *checkpoint) { c.config[key] = value }
	}
	file := func(name, content string) func(*checkpoint) {
		return func(c *checkpoint) { c.files[name] = []byte(content) }
	}
	tokenizer := func(change func(map[string]any)) func(*checkpoint) {
		return func(c *checkpoint) {
			p := bytePairs(llama3Pattern)
			change(p)
			c.files["tokenizer.json"] = asJSON(t, p)
		}
	}
	for _, test := range []struct {
		name, of string
		change   func(*checkpoint)
		kind     puna.Kind
		say      []string
	}{
		{"unknown architecture", llama, set("architectures", []string{"FooForCausalLM"}), puna.Unsupported, []string{`"FooForCausalLM"`, "Qwen3ForCausalLM"}},
		{"no architecture", llama, set("architectures", nil), puna.Invalid, []string{"architectures"}},
		{"quantized", llama, set("quantization_config", map[string]any{"quant_method": "gptq"}), puna.Unsupported, []string{`"gptq"`}},
		{"config", llama, file("config.json", "{"), puna.Invalid, []string{"config.json"}},
		{"config of nulls", llama, file("config.json", "null"), puna.Invalid, []string{"architecture"}},
		{"heads", llama, set("num_attention_heads", 0), puna.Invalid, []string{"num_attention_heads is 0"}},
		{"heads that don't divide", llama, set("num_key_value_heads", 3), puna.Invalid, []string{"3 heads"}},
		{"layers", llama, set("num_hidden_layers", 4e9), puna.Invalid, []string{"num_hidden_layers", "512"}},
		{"layers less", llama, set("num_hidden_layers", 1), puna.Unsupported, []string{"model.layers.1."}},
		{"layers more", llama, set("num_hidden_layers", 3), puna.Invalid, []string{"blk.2."}},
		{"text for a number", llama, set("hidden_size", "32"), puna.Invalid, []string{"hidden_size"}},
		{"no width", llama, set("hidden_size", nil), puna.Invalid, []string{"hidden_size"}},
		{"other width", llama, set("hidden_size", 64), puna.Unsupported, []string{"64"}},
		{"vocabulary", llama, set("vocab_size", 4e9), puna.Invalid, []string{"vocab_size"}},
		{"other vocabulary", llama, set("vocab_size", 300), puna.Invalid, []string{"vocab_size is 300"}},
		{"theta", llama, set("rope_theta", -1), puna.Invalid, []string{"rope_theta is -1"}},
		{"scaling", llama, set("rope_scaling", map[string]any{"type": "ntk-magic", "factor": 2}), puna.Unsupported, []string{`"ntk-magic"`}},
		{"scaling by nothing", llama, set("rope_scaling", map[string]any{"type": "linear"}), puna.Invalid, []string{"factor"}},
		{"partial rotation", llama, set("partial_rotary_factor", 0.5), puna.Unsupported, []string{"0.5"}},
		{"a window of another kind", "Gemma3ForCausalLM", set("sliding_window_pattern", 4), puna.Unsupported, []string{"sliding_window_pattern is 4"}},
		{"rope of windows", "Gemma3ForCausalLM", set("rope_parameters", map[string]any{"sliding_attention": map[string]any{"rope_theta": 500}}), puna.Unsupported, []string{"500"}},
		{"a name of an id", llama, file("tokenizer_config.json", `{"added_tokens_decoder": {"7x": {"content": "<x>"}}}`), puna.Invalid, []string{`"7x"`}},
		{"other layers", "Olmo3ForCausalLM", set("layer_types", []string{"full_attention"}), puna.Unsupported, []string{"full_attention for layer 0"}},
		{"no softcapping", "Gemma2ForCausalLM", set("attn_logit_softcapping", nil), puna.Unsupported, []string{"attn_logit_softcapping is <nil>"}},
		{"positions elsewhere", "SmolLM3ForCausalLM", set("no_rope_layers", []int{1, 0}), puna.Unsupported, []string{"no_rope_layers has 0 for layer 1"}},
		{"a matrix with more", "Gemma3TextModel", file("2_Dense/config.json", `{"bias": true}`), puna.Unsupported, []string{"2_Dense/config.json"}},
		{"a matrix less", "Gemma3TextModel", func(c *checkpoint) { delete(c.files, "3_Dense/model.safetensors") }, puna.NotFound, []string{"3_Dense/model.safetensors"}},
		{"another scale", "Gemma2ForCausalLM", set("query_pre_attn_scalar", 99), puna.Unsupported, []string{"query_pre_attn_scalar is 99"}},
		{"factors", "Phi3ForCausalLM", set("rope_scaling", map[string]any{"type": "longrope", "long_factor": []int{1}}), puna.Invalid, []string{"long_factor", "1 numbers"}},
		{"experts", "MixtralForCausalLM", set("num_local_experts", 13), puna.Invalid, []string{"expert 12"}},
		{"fewer experts", "MixtralForCausalLM", set("num_local_experts", 11), puna.Invalid, []string{"12 experts"}},
		{"dense layers", "Qwen3MoeForCausalLM", set("mlp_only_layers", []int{0}), puna.Unsupported, []string{"mlp_only_layers"}},
		{"no pooling", "BertModel", func(c *checkpoint) { delete(c.files, "modules.json") }, puna.Invalid, []string{"modules.json"}},
		{"pooling elsewhere", "BertModel", func(c *checkpoint) { delete(c.files, "1_Pooling/config.json") }, puna.Invalid, []string{"1_Pooling/config.json"}},
		{"strange pooling", "BertModel", file("1_Pooling/config.json", `{"pooling_mode_max_tokens": true}`), puna.Unsupported, []string{"pooling_mode_max_tokens"}},
		{"a module more", "BertModel", file("modules.json", `[{"type": "sentence_transformers.models.Dense", "path": "2_Dense"}]`), puna.Unsupported, []string{"Dense"}},
		{"capitals", "BertModel", file("tokenizer.json", `{"normalizer": {"type": "BertNormalizer", "lowercase": false}, "model": {"type": "WordPiece"}}`), puna.Unsupported, []string{"uncased"}},
		{"no tokenizer", llama, func(c *checkpoint) { delete(c.files, "tokenizer.json") }, puna.Invalid, []string{"tokenizer.json"}},
		{"tokenizer of another kind", llama, file("tokenizer.json", `{"model": {"type": "Unigram"}}`), puna.Unsupported, []string{"Unigram", "tokenizer.model"}},
		{"broken tokenizer", llama, file("tokenizer.json", `{"model"`), puna.Invalid, []string{"tokenizer.json"}},
		{"broken pieces", "MistralForCausalLM", file("tokenizer.model", "xxxx"), puna.Invalid, []string{"tokenizer.model"}},
		{"unknown pattern", llama, tokenizer(func(p map[string]any) {
			p["pre_tokenizer"].(map[string]any)["pretokenizers"].([]any)[0].(map[string]any)["pattern"] = map[string]any{"Regex": "x+"}
		}), puna.Unsupported, []string{`"x+"`}},
		{"a token far away", llama, tokenizer(func(p map[string]any) {
			p["added_tokens"] = []any{map[string]any{"id": 2000000000, "content": "<far>"}}
		}), puna.Invalid, []string{"<far>", "2000000000"}},
		{"holes between all tokens", llama, tokenizer(func(p map[string]any) {
			var added []any
			for i := range 20 {
				added = append(added, map[string]any{"id": 261 + i*10000, "content": fmt.Sprintf("<%d>", i)})
			}
			p["added_tokens"] = added
		}), puna.Invalid, []string{"<7>", "70261"}},
		{"more pieces than there may be", "MistralForCausalLM", file("tokenizer.model", strings.Repeat("\x0a\x00", maxTokens+1)), puna.Invalid, []string{"tokenizer.model", "1048577"}},
		{"a negative token", llama, tokenizer(func(p map[string]any) {
			p["added_tokens"] = []any{map[string]any{"id": -1, "content": "<x>"}}
		}), puna.Invalid, []string{"-1"}},
		{"more tokens than rows", llama, tokenizer(func(p map[string]any) {
			p["added_tokens"] = []any{map[string]any{"id": 400, "content": "<x>"}}
		}), puna.Invalid, []string{"401 tokens", "264 rows"}},
		{"two tokens of an id", llama, tokenizer(func(p map[string]any) {
			p["model"].(map[string]any)["vocab"].(map[string]int)["hello"] = 7
		}), puna.Invalid, []string{"the same id 7"}},
		{"merges", llama, tokenizer(func(p map[string]any) { p["model"].(map[string]any)["merges"] = 5 }), puna.Invalid, []string{"model.merges"}},
		{"a tensor more", llama, func(c *checkpoint) {
			c.tensors["model.layers.0.self_attn.gate.weight"] = weights{[]uint64{1}, []float32{1}}
		}, puna.Unsupported, []string{`"model.layers.0.self_attn.gate.weight"`}},
		{"a tensor less", llama, func(c *checkpoint) { delete(c.tensors, "model.norm.weight") }, puna.Invalid, []string{"output_norm"}},
		{"no embedding", llama, func(c *checkpoint) { delete(c.tensors, "model.embed_tokens.weight") }, puna.Invalid, []string{"embed_tokens"}},
		{"an index of more", "MistralForCausalLM", file("model.safetensors.index.json", `{"weight_map": {"x": "model-00009.safetensors"}}`), puna.Invalid, []string{`"x"`, "model-00009"}},
		{"eight bits", llama, func(c *checkpoint) {
			c.files["model-extra.safetensors"] = encodeSafetensors([]byte(`{"model.norm.weight":{"dtype":"F8_E4M3","shape":[1],"data_offsets":[0,1]}}`), []byte{1})
			c.shards = 1
			delete(c.tensors, "model.norm.weight")
		}, puna.Unsupported, []string{"model-extra.safetensors", "model.norm.weight", "F8_E4M3"}},
		{"integers", llama, func(c *checkpoint) {
			c.shards = 1
			c.files["model-extra.safetensors"] = encodeSafetensors([]byte(`{"model.norm.weight":{"dtype":"I8","shape":[1],"data_offsets":[0,1]}}`), []byte{1})
			delete(c.tensors, "model.norm.weight")
		}, puna.Unsupported, []string{"I8"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := tinyModels[test.of](t)
			test.change(c)
			f := c.write(t)
			size, err := convertTo(t, context.Background(), f, Options{})
			require.Error(t, err)
			for _, say := range test.say {
				assert.ErrorContains(t, err, say)
			}
			assert.Equal(t, test.kind, puna.KindOf(err), err)
			assert.Zero(t, size, "something is left")
			_, err = Size(f)
			assert.Error(t, err)
		})
	}
}

// TestHostileJSON puts wrong values into the files beside the weights: each ends in an
// error or in a file that passes the validation.
func TestHostileJSON(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	for name, tiny := range tinyModels {
		f := tiny(t).write(t)
		var texts []string
		for file := range f {
			if strings.HasSuffix(file, ".json") {
				texts = append(texts, file)
			}
		}
		slices.Sort(texts)
		for range 20 {
			file := texts[rng.IntN(len(texts))]
			b, err := os.ReadFile(f[file])
			require.NoError(t, err)
			var v any
			require.NoError(t, json.Unmarshal(b, &v))
			mutant := maps.Clone(f)
			mutant[file] = filepath.Join(t.TempDir(), "mutant.json")
			require.NoError(t, os.WriteFile(mutant[file], asJSON(t, mutate(rng, v)), 0o644))
			plan, err := planModel(mutant, slog.New(slog.DiscardHandler))
			if err == nil {
				header, err := plan.header()
				require.NoError(t, err)
				require.NoError(t, header.Validate())
			} else {
				require.NotContains(t, err.Error(), "runtime error", "%s: %s: a panic that was caught", name, file)
			}
		}
	}
}

// mutate replaces a value within v, or removes it.
func mutate(rng *rand.Rand, v any) any {
	wrong := []any{nil, -1, 0, 1.5, 3, 1e9, 1e300, "", "x", true, []any{}, []any{"x"}, []any{nil}, map[string]any{}, map[string]any{"type": 5}}
	switch v := v.(type) {
	case map[string]any:
		if keys := slices.Sorted(maps.Keys(v)); len(keys) > 0 && rng.IntN(12) > 0 {
			key := keys[rng.IntN(len(keys))]
			if v[key] = mutate(rng, v[key]); rng.IntN(20) == 0 {
				delete(v, key)
			}
			return v
		}
	case []any:
		if len(v) > 0 && rng.IntN(12) > 0 {
			i := rng.IntN(len(v))
			v[i] = mutate(rng, v[i])
			return v
		}
	}
	return wrong[rng.IntN(len(wrong))]
}

func TestMissingFiles(t *testing.T) {
	for _, test := range []struct {
		change func(f files)
		say    string
	}{
		{func(f files) { delete(f, "config.json") }, "config.json"},
		{func(f files) { delete(f, "model-00002-of-00003.safetensors") }, "model-00002-of-00003.safetensors is missing"},
		{func(f files) { f["model-00001-of-00003.safetensors"] = f["model-00002-of-00003.safetensors"] }, "files of two checkpoints"},
		{func(f files) { f["config.json"] = filepath.Dir(f["config.json"]) }, "config.json is not a file"},
		{func(f files) { f["config.json"] += "x" }, "no such file"},
		{func(f files) {
			for name := range f {
				if strings.HasSuffix(name, ".safetensors") {
					delete(f, name)
				}
			}
			f["pytorch_model.bin"] = "x"
		}, "PyTorch's format"},
	} {
		f := tinyModels["LlamaForCausalLM"](t).write(t)
		test.change(f)
		_, err := convertTo(t, context.Background(), f, Options{})
		assert.ErrorContains(t, err, test.say)
	}
}

// TestFilesThatChange: a shard that is cut after its header was read.
func TestFilesThatChange(t *testing.T) {
	f := tinyModels["LlamaForCausalLM"](t).write(t)
	cut := false
	size, err := convertTo(t, context.Background(), f, Options{Progress: func(int64, int64) {
		if !cut {
			cut = true
			for name, path := range f {
				if strings.HasSuffix(name, ".safetensors") {
					require.NoError(t, os.Truncate(path, 1000))
				}
			}
		}
	}})
	assert.ErrorContains(t, err, "became shorter")
	assert.Zero(t, size)
}

func TestCancel(t *testing.T) {
	f := tinyModels["GemmaForCausalLM"](t).write(t)
	ctx, cancel := context.WithCancel(context.Background())
	size, err := convertTo(t, ctx, f, Options{Progress: func(int64, int64) { cancel() }})
	assert.Equal(t, puna.Canceled, puna.KindOf(err))
	assert.Zero(t, size)
}

func TestProgress(t *testing.T) {
	f := tinyModels["GemmaForCausalLM"](t).write(t)
	var done, total int64
	size, err := convertTo(t, context.Background(), f, Options{Progress: func(d, n int64) { done, total = d, n }})
	require.NoError(t, err)
	assert.Equal(t, []int64{size, size}, []int64{done, total})
}

// TestNumbersThatF16DoesntHave: a weight that would become infinite.
func TestNumbersThatF16DoesntHave(t *testing.T) {
	c := tinyModels["MistralForCausalLM"](t)
	c.tensors["lm_head.weight"].values[5] = 70000
	size, err := convertTo(t, context.Background(), c.write(t), Options{})
	assert.ErrorContains(t, err, "70000")
	assert.ErrorContains(t, err, "lm_head.weight")
	assert.Zero(t, size)
}

// TestNotFinite: Python writes numbers that JSON doesn't have.
func TestNotFinite(t *testing.T) {
	f := tinyModels["MistralForCausalLM"](t).write(t)
	b, err := os.ReadFile(f["config.json"])
	require.NoError(t, err)
	b = append([]byte(`{"time_step_limit": [0.0, Infinity], "a": NaN, "b": "NaN, \"Infinity", `), b[1:]...)
	require.NoError(t, os.WriteFile(f["config.json"], b, 0o644))
	_, err = convertTo(t, context.Background(), f, Options{})
	require.NoError(t, err)
	assert.JSONEq(t, `{"a": "NaN \" Infinity", "b": null}`, string(finite([]byte(`{"a": "NaN \" Infinity", "b": -Infinity}`))))
}

func TestFolder(t *testing.T) {
	want := tinyModels["BertModel"](t).write(t)
	dir := filepath.Dir(want["config.json"])
	for _, name := range []string{"README.md", ".git/config.json", "onnx/model.onnx", "1_Pooling/deeper/config.json"} {
		path := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, nil, 0o644))
	}
	// Caches of Hugging Face hold links.
	require.NoError(t, os.Rename(want["config.json"], filepath.Join(dir, "README.md")))
	require.NoError(t, os.Symlink("README.md", want["config.json"]))
	got, err := Folder(dir)
	require.NoError(t, err)
	assert.Equal(t, map[string]string(want), got)
	_, err = Folder(filepath.Join(dir, "none"))
	assert.Equal(t, puna.NotFound, puna.KindOf(err))
	_, err = Folder(t.TempDir())
	assert.ErrorContains(t, err, "config.json")
}

// TestLittleMemory: however large a tensor is, some pieces of it are in memory.
func TestLittleMemory(t *testing.T) {
	const rows, columns = 1 << 12, 1 << 12
	path := filepath.Join(t.TempDir(), "large.safetensors")
	require.NoError(t, os.WriteFile(path, nil, 0o644))
	require.NoError(t, os.Truncate(path, rows*columns*4))
	large := newTensor(source{name: "large", dtype: "F32", shape: []uint64{rows, columns}, file: "large", path: path, size: rows * columns * 4}, "large.weight")
	turned := newTensor(large.source, "large.weight")
	turned.order = headOrder(rows, 32)
	for _, tensor := range []*tensor{large, turned} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		n, err := io.Copy(io.Discard, tensor.reader())
		require.NoError(t, err)
		require.EqualValues(t, rows*columns*2, n)
		runtime.ReadMemStats(&after)
		assert.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(8<<20))
	}
}

// TestWarnings: what the file does without is said.
func TestWarnings(t *testing.T) {
	for name, want := range map[string]string{"Gemma3ForConditionalGeneration": "mmproj", "MistralForCausalLM": "sliding window", "Gemma2ForCausalLM": ""} {
		c := tinyModels[name](t)
		c.config["sliding_window"] = 64
		var log strings.Builder
		_, err := planModel(c.write(t), slog.New(slog.NewTextHandler(&log, nil)))
		require.NoError(t, err)
		assert.Contains(t, log.String(), want)
		assert.Equal(t, want == "", log.String() == "", name)
	}
}

// TestReadersLetGo: what was written is in memory no more, though its reader lives on.
func TestReadersLetGo(t *testing.T) {
	const size = 2 << 20
	path := filepath.Join(t.TempDir(), "many.safetensors")
	require.NoError(t, os.WriteFile(path, make([]byte, size), 0o644))
	one := newTensor(source{name: "one", dtype: "F32", shape: []uint64{size / 4 / 64, 64}, file: "many", path: path, size: size}, "one.weight")
	changed := newTensor(one.source, "one.weight")
	changed.repack = func(_ string, values []float32, _ []uint64) ([]float32, error) { return values, nil }
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	var readers []io.Reader
	for i := range 64 {
		r := lazy([]*tensor{one, changed}[i%2].reader)
		n, err := io.CopyN(io.Discard, r, size/2)
		require.NoError(t, err)
		require.EqualValues(t, size/2, n)
		readers = append(readers, r)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	assert.Less(t, after.HeapAlloc, before.HeapAlloc+8<<20)
	runtime.KeepAlive(readers)
}
