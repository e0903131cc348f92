package convert

import (
	"context"
	"maps"
	"math"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/puna-ai/puna"
	"github.com/puna-ai/puna/models/gguf"
)

// Adapter converts a LoRA adapter of PEFT (adapter_model.safetensors and
// adapter_config.json) or of MLX (adapters.safetensors) and writes the GGUF file to out,
// an empty file. Base is the model that it changes. The file passes
// [gguf.File.ValidateAdapter]; after an error out is empty. Errors are as [Model]'s.
func Adapter(ctx context.Context, files map[string]string, base *gguf.File, out *os.File, o Options) error {
	t, err := planAdapter(files, base)
	if err != nil {
		return err
	}
	return t.write(ctx, out, o)
}

// adapterFamilies are the families whose adapters can be converted, by GGUF's name.
// Ollama's package has two, and permutes the matrix that isn't permuted.
var adapterFamilies = map[string]string{
	"llama": "LlamaForCausalLM", "mistral3": "Mistral3ForConditionalGeneration", "granite": "GraniteForCausalLM", "phi3": "Phi3ForCausalLM",
	"qwen2": "Qwen2ForCausalLM", "qwen2vl": "Qwen2_5_VLForConditionalGeneration", "qwen3": "Qwen3ForCausalLM", "qwen3moe": "Qwen3MoeForCausalLM",
	"qwen3vl": "Qwen3VLForConditionalGeneration", "gemma": "GemmaForCausalLM", "gemma2": "Gemma2ForCausalLM",
	"gemma3": "Gemma3ForConditionalGeneration", "olmo2": "Olmo2ForCausalLM", "command-r": "CohereForCausalLM",
}

// adapter is a LoRA adapter on its way into a GGUF file.
type adapter struct {
	family
	config config
	base   *gguf.File
	pairs  map[string]*pair // by the tensor that it changes, in the checkpoint
}

// pair are the matrices whose product is added to a tensor.
type pair struct{ a, b *tensor }

func planAdapter(f files, base *gguf.File) (*target, error) {
	name, ok := adapterFamilies[base.Arch()]
	if !ok {
		return nil, puna.Errorf(puna.Unsupported, "adapters for %s models can't be converted here, only those for %s: use an adapter in GGUF's format",
			base.Arch(), strings.Join(slices.Sorted(maps.Keys(adapterFamilies)), ", "))
	}
	a := &adapter{family: families[name], base: base, pairs: map[string]*pair{}}
	if err := a.readConfig(f); err != nil {
		return nil, err
	}
	if err := a.readPairs(f); err != nil {
		return nil, err
	}
	alpha, err := a.alpha()
	if err != nil {
		return nil, err
	}
	outputs, err := a.outputs()
	if err != nil {
		return nil, err
	}
	t := newTarget(map[string]any{
		"general.type": "adapter", "general.architecture": a.arch, "general.file_type": fileType(outputs),
		"adapter.type": "lora", "adapter.lora.alpha": alpha,
	}, outputs)
	header, err := t.header()
	if err != nil {
		return nil, err
	}
	return t, header.ValidateAdapter(base)
}

func (a *adapter) readConfig(f files) error {
	found, err := f.json("adapter_config.json", maxConfig, &a.config)
	if err != nil {
		return err
	}
	if !found {
		return puna.Errorf(puna.Invalid, "the folder has no adapter_config.json: it is no LoRA adapter")
	}
	if kind := a.config.text("peft_type"); kind != "" && kind != "LORA" {
		return puna.Errorf(puna.Unsupported, "adapter_config.json: peft_type is %q; llama.cpp only takes LORA", kind)
	}
	for _, key := range []string{"use_dora", "fan_in_fan_out"} {
		if a.config.bool(key) {
			return puna.Errorf(puna.Unsupported, "adapter_config.json: %s is true, which llama.cpp can't compute: merge the adapter into its model", key)
		}
	}
	if bias := a.config.text("bias"); bias != "" && bias != "none" {
		return puna.Errorf(puna.Unsupported, "adapter_config.json: bias is %q, but llama.cpp's adapters have none: merge the adapter into its model", bias)
	}
	for _, key := range []string{"rank_pattern", "alpha_pattern"} {
		if len(a.config.sub(key)) > 0 {
			return puna.Errorf(puna.Unsupported, "adapter_config.json: %s scales tensors differently, but llama.cpp has one alpha: merge the adapter into its model", key)
		}
	}
	return nil
}

// matrixName takes the name of a matrix apart: what it changes, which it is, and whether
// it is MLX's, whose matrices are the other way round.
var matrixName = regexp.MustCompile(`^(?:base_model\.model\.)?(.+)\.(?:lora_([AB])(?:\.default)?\.weight|lora_([ab]))$`)

func (a *adapter) readPairs(f files) error {
	names := slices.DeleteFunc([]string{"adapter_model.safetensors", "adapters.safetensors"}, func(name string) bool { return f[name] == "" })
	if len(names) != 1 {
		return puna.Errorf(puna.Invalid, "the folder needs one of adapter_model.safetensors (PEFT) and adapters.safetensors (MLX), but has %q", names)
	}
	sources, err := openSafetensors(names[0], f[names[0]])
	if err != nil {
		return err
	}
	for _, s := range sources {
		if err := s.convertible(); err != nil {
			return err
		}
		m := matrixName.FindStringSubmatch(s.name)
		if m == nil || len(s.shape) != 2 {
			return puna.Errorf(puna.Unsupported, "%s: the tensor %q of %v is no LoRA matrix, and llama.cpp's adapters have nothing else: merge the adapter into its model", s.file, s.name, s.shape)
		}
		p := a.pairs[m[1]]
		if p == nil {
			p = &pair{}
			a.pairs[m[1]] = p
		}
		t := newTensor(s, "")
		if m[3] != "" {
			transpose(t)
		}
		if strings.EqualFold(m[2]+m[3], "a") {
			p.a = t
		} else {
			p.b = t
		}
	}
	return nil
}

// transpose turns a matrix when it is read; adapters' are small.
func transpose(t *tensor) {
	rows, columns := t.shape[0], t.shape[1]
	t.shape = []uint64{columns, rows}
	t.repack = func(_ string, values []float32, _ []uint64) ([]float32, error) {
		out := make([]float32, len(values))
		for i, v := range values {
			out[uint64(i)%columns*rows+uint64(i)/columns] = v
		}
		return out, nil
	}
}

// alpha returns the number that llama.cpp divides by the rank and multiplies with.
func (a *adapter) alpha() (float32, error) {
	ranks := map[uint64]string{}
	rank := uint64(0)
	for name, p := range a.pairs {
		if p.a == nil || p.b == nil || p.a.shape[0] != p.b.shape[1] {
			return 0, puna.Errorf(puna.Invalid, "the adapter's matrices for %q don't fit one another, or one is missing: the file is broken", name)
		}
		rank = p.a.shape[0]
		ranks[rank] = name
	}
	if rank == 0 {
		return 0, puna.Errorf(puna.Invalid, "the adapter changes nothing: it has %d pairs of matrices", len(a.pairs))
	}
	mlx := a.config.sub("lora_parameters")
	key, from := "lora_alpha", a.config
	if mlx != nil {
		key, from = "scale", mlx
	}
	v, ok := from.number(key)
	switch {
	case !ok:
		return 0, puna.Errorf(puna.Invalid, "adapter_config.json: %s is %v, not a number", key, from[key])
	case mlx != nil:
		v *= float64(rank)
	case a.config.bool("use_rslora"):
		v *= math.Sqrt(float64(rank))
	default:
		return float32(v), nil
	}
	if len(ranks) > 1 {
		return 0, puna.Errorf(puna.Unsupported, "the adapter's matrices have different ranks (%v), which llama.cpp scales differently: merge the adapter into its model", ranks)
	}
	return float32(v), nil
}

// outputs names the matrices.
func (a *adapter) outputs() ([]output, error) {
	conv, err := ollamaConverter(a.ollama, config{})
	if err != nil {
		return nil, err
	}
	own, theirs := strings.NewReplacer(a.rename...), strings.NewReplacer(conv.Replacements()...)
	var all []output
	for name, p := range a.pairs {
		target := theirs.Replace(own.Replace(name)) + ".weight"
		if a.permuted {
			if err := a.permute(target, p.b); err != nil {
				return nil, err
			}
		}
		for suffix, t := range map[string]*tensor{".lora_a": p.a, ".lora_b": p.b} {
			t.name, t.full = target+suffix, true // as llama.cpp's own converter
			all = append(all, output{name: t.name, kind: t.kind(), shape: reversed(t.shape), data: t})
		}
	}
	return all, nil
}

// permute puts the rows of queries' and keys' second matrix into llama.cpp's order: they
// are the rows of what is added.
func (a *adapter) permute(target string, b *tensor) error {
	key := ""
	switch {
	case strings.HasSuffix(target, ".attn_q.weight"):
		key = ".attention.head_count"
	case strings.HasSuffix(target, ".attn_k.weight"):
		key = ".attention.head_count_kv"
	default:
		return nil
	}
	heads, ok := a.base.Uint(key)
	if _, found := a.base.Get(key); !found {
		heads, ok = a.base.Uint(".attention.head_count")
	}
	if !ok || heads == 0 {
		return puna.Errorf(puna.Unsupported, "%s: %s isn't one number, so adapters for it can't be converted", a.base.Path, a.arch+key)
	}
	order, repack := headOrder(b.shape[0], heads), b.repack
	b.repack = func(name string, values []float32, shape []uint64) (_ []float32, err error) {
		if repack != nil {
			if values, err = repack(name, values, shape); err != nil {
				return nil, err
			}
		}
		var out []float32
		width := int(shape[1])
		for row := range int(shape[0]) {
			from := order(row) * width
			out = append(out, values[from:from+width]...)
		}
		return out, nil
	}
	return nil
}
