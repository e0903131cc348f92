//go:build llama_system

package convert

import (
	"context"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const rank = 3

// merge adds to a checkpoint's tensors what an adapter would, and returns its matrices by
// PEFT's names.
func (c *checkpoint) merge(scale float32, projections ...string) map[string]weights {
	rng := rand.New(rand.NewPCG(5, 6))
	lora := map[string]weights{}
	for _, name := range slices.Sorted(maps.Keys(c.tensors)) {
		base, _ := strings.CutSuffix(name, ".weight")
		w := c.tensors[name]
		if !slices.ContainsFunc(projections, func(p string) bool { return strings.HasSuffix(base, p) }) {
			continue
		}
		rows, columns := int(w.shape[0]), int(w.shape[1])
		a := weights{[]uint64{rank, w.shape[1]}, make([]float32, rank*columns)}
		b := weights{[]uint64{w.shape[0], rank}, make([]float32, rows*rank)}
		for _, values := range [][]float32{a.values, b.values} {
			for i := range values {
				values[i] = float32(rng.NormFloat64()) * 0.3
			}
		}
		w.values = slices.Clone(w.values)
		for i := range rows {
			for j := range columns {
				for r := range rank {
					w.values[i*columns+j] += scale * b.values[i*rank+r] * a.values[r*columns+j]
				}
			}
		}
		c.tensors[name] = w
		lora["base_model.model."+base+".lora_A.weight"], lora["base_model.model."+base+".lora_B.weight"] = a, b
	}
	return lora
}

// forMLX turns matrices round and names them as MLX does.
func forMLX(lora map[string]weights) map[string]weights {
	out := map[string]weights{}
	for name, w := range lora {
		rows, columns := int(w.shape[0]), int(w.shape[1])
		turned := weights{[]uint64{w.shape[1], w.shape[0]}, make([]float32, len(w.values))}
		for i, v := range w.values {
			turned.values[i%columns*rows+i/columns] = v
		}
		out[strings.NewReplacer("base_model.model.", "", "lora_A.weight", "lora_a", "lora_B.weight", "lora_b").Replace(name)] = turned
	}
	return out
}

func writeAdapter(t testing.TB, config map[string]any, name string, lora map[string]weights) files {
	dir := t.TempDir()
	f := files{"adapter_config.json": filepath.Join(dir, "adapter_config.json"), name: filepath.Join(dir, name)}
	require.NoError(t, os.WriteFile(f["adapter_config.json"], asJSON(t, config), 0o644))
	require.NoError(t, os.WriteFile(f[name], safetensors(t, lora, "F32"), 0o644))
	return f
}

// TestAdaptersAreWhatMergingGives: a model with an adapter computes what the definition says
// of a checkpoint that the adapter was added to.
func TestAdaptersAreWhatMergingGives(t *testing.T) {
	for name, architecture := range adapterFamilies {
		for _, form := range []string{"peft", "rslora", "mlx"} {
			t.Run(name+" "+form, func(t *testing.T) {
				c := tinyModels[architecture](t)
				path, base := converted(t, c.write(t))
				projections := []string{"q_proj", "k_proj", "o_proj", "down_proj"}
				switch name {
				case "phi3":
					projections = []string{"qkv_proj", "gate_up_proj"}
				case "qwen3moe": // experts are in one tensor
					projections = []string{"q_proj", "k_proj", "v_proj", "o_proj"}
				}
				config := map[string]any{"peft_type": "LORA", "r": rank, "lora_alpha": 6, "use_rslora": form == "rslora", "bias": "none"}
				scale, file := float32(6.0/rank), "adapter_model.safetensors"
				switch form {
				case "rslora":
					scale = float32(6 / math.Sqrt(rank))
				case "mlx":
					config, file, scale = map[string]any{"lora_parameters": map[string]any{"rank": rank, "scale": 1.5}}, "adapters.safetensors", 1.5
				}
				lora := c.merge(scale, projections...)
				if form == "mlx" {
					lora = forMLX(lora)
				}
				adapter := filepath.Join(t.TempDir(), "adapter.gguf")
				out, err := os.Create(adapter)
				require.NoError(t, err)
				defer out.Close()
				require.NoError(t, Adapter(context.Background(), writeAdapter(t, config, file, lora), base, out, Options{}))

				want, got := c.reference(t, prompt), compute(t, path, adapter)
				assert.Greater(t, similarity(want, got), 0.998) // ggml computes with BF16 where weights are
				assert.Less(t, similarity(want, compute(t, path)), 0.98, "the adapter changes nothing")
			})
		}
	}
}

func TestAdaptersThatCantBe(t *testing.T) {
	c := tinyModels["LlamaForCausalLM"](t)
	_, base := converted(t, c.write(t))
	good := map[string]any{"lora_alpha": 6}
	lora := c.merge(1, "q_proj")
	one := func(name string, shape ...uint64) map[string]weights {
		n, _ := product(shape)
		m := maps.Clone(lora)
		m[name] = weights{shape, make([]float32, n)}
		return m
	}
	for _, test := range []struct {
		say    string
		config map[string]any
		lora   map[string]weights
	}{
		{"peft_type", map[string]any{"peft_type": "IA3"}, lora},
		{"use_dora", map[string]any{"use_dora": true}, lora},
		{"rank_pattern", map[string]any{"rank_pattern": map[string]int{"q_proj": 2}}, lora},
		{"lora_alpha is <nil>", map[string]any{}, lora},
		{"changes nothing", good, nil},
		{"lm_head.weight", good, one("base_model.model.lm_head.weight", 4, 4)},
		{"one is missing", good, one("base_model.model.model.layers.0.self_attn.k_proj.lora_A.weight", rank, hidden)},
		{"mlp.experts.0.w1", good, one("base_model.model.model.layers.0.mlp.experts.0.w1.lora_A.weight", rank, hidden)},
		{"for another model", good, one("base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight", rank, hidden+2)},
	} {
		out, err := os.Create(filepath.Join(t.TempDir(), "a.gguf"))
		require.NoError(t, err)
		defer out.Close()
		err = Adapter(context.Background(), writeAdapter(t, test.config, "adapter_model.safetensors", test.lora), base, out, Options{})
		assert.ErrorContains(t, err, test.say)
	}
	assert.ErrorContains(t, Adapter(context.Background(), files{}, base, nil, Options{}), "adapter_config.json")
}
