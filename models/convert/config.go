package convert

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"math"
	"regexp"
	"slices"
	"strconv"

	"github.com/puna-ai/puna"
)

// Limits on the JSON files beside the weights. Real ones stay far below: the largest
// tokenizer.json has some 35 MB.
const (
	maxConfig    = 1 << 20
	maxTokenizer = 64 << 20
	maxAdded     = 16 << 20 // files that list added tokens
)

// files are a checkpoint's files: paths by name.
type files map[string]string

// read returns a file's content, nil if there is none.
func (f files) read(name string, limit int64) ([]byte, error) {
	path, ok := f[name]
	if !ok {
		return nil, nil
	}
	r, size, err := openFile(name, path)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	if size > limit {
		return nil, puna.Errorf(puna.Invalid, "%s has %d bytes, more than the %d that it may have", name, size, limit)
	}
	b, err := io.ReadAll(io.LimitReader(r, limit))
	if err != nil {
		return nil, puna.Errorf(puna.Internal, "%s: %w", name, err)
	}
	if len(b) >= 8 && isPointer(b) {
		return nil, pointerError(name)
	}
	return b, nil
}

// json decodes a file into v; ok is false if there is none.
func (f files) json(name string, limit int64, v any) (ok bool, err error) {
	b, err := f.read(name, limit)
	if b == nil || err != nil {
		return false, err
	}
	dec := json.NewDecoder(bytes.NewReader(finite(b)))
	dec.UseNumber()
	if err := dec.Decode(v); err != nil {
		return false, puna.Errorf(puna.Invalid, "%s is broken: %w", name, err)
	}
	return true, nil
}

// notFinite finds the numbers that Python writes and JSON doesn't have, and strings, in
// which they aren't numbers.
var notFinite = regexp.MustCompile(`"(?:[^"\\]|\\.)*"|-?Infinity|NaN`)

// finite makes nulls of the numbers that JSON doesn't have.
func finite(b []byte) []byte {
	if !bytes.Contains(b, []byte("Infinity")) && !bytes.Contains(b, []byte("NaN")) {
		return b
	}
	return notFinite.ReplaceAllFunc(b, func(m []byte) []byte {
		if m[0] == '"' {
			return m
		}
		return []byte("null")
	})
}

// config is a config.json.
type config map[string]any

// sub returns an object within; nil if there is none.
func (c config) sub(key string) config {
	m, _ := c[key].(map[string]any)
	return m
}

func (c config) text(key string) string {
	s, _ := c[key].(string)
	return s
}

func (c config) bool(key string) bool {
	b, _ := c[key].(bool)
	return b
}

// number returns a number; ok is false for what isn't one.
func (c config) number(key string) (v float64, ok bool) {
	n, isNumber := c[key].(json.Number)
	v, err := strconv.ParseFloat(string(n), 64)
	return v, isNumber && err == nil && !math.IsInf(v, 0)
}

// float returns a number that is 0 where there is none.
func (c config) float(key string) float32 {
	v, _ := c.number(key)
	return float32(v)
}

// floats returns an array of numbers, nil unless each item is one.
func (c config) floats(key string) []float32 {
	items, _ := c[key].([]any)
	values := make([]float32, len(items))
	for i, item := range items {
		v, ok := config{"": item}.number("")
		if !ok {
			return nil
		}
		values[i] = float32(v)
	}
	return values
}

// uint returns a whole number from lo to hi, or an error that names key and value.
func (c config) uint(key string, lo, hi uint64) (uint64, error) {
	v, ok := c.number(key)
	if !ok || v != math.Trunc(v) || v < float64(lo) || v > float64(hi) {
		return 0, puna.Errorf(puna.Invalid, "config.json: %s is %v, not a whole number from %d to %d", key, c[key], lo, hi)
	}
	return uint64(v), nil
}

// count is uint for numbers that were checked; 0 where there is none.
func (c config) count(key string) uint64 {
	n, _ := c.uint(key, 0, math.MaxUint32)
	return n
}

// sizes are the numbers that converters compute with, and how large they may be:
// what GGUF's validation allows.
var sizes = map[string][2]uint64{
	"vocab_size": {1, 1 << 24}, "hidden_size": {1, 1 << 24}, "intermediate_size": {1, 1 << 24},
	"num_hidden_layers": {1, 512}, "num_attention_heads": {1, 1 << 16}, "num_key_value_heads": {1, 1 << 16},
	"max_position_embeddings": {1, math.MaxInt32}, "head_dim": {2, 1 << 16}, "sliding_window": {0, math.MaxInt32},
	"original_max_position_embeddings": {1, math.MaxInt32}, "moe_intermediate_size": {1, 1 << 24},
	"num_local_experts": {1, 512}, "num_experts": {1, 512}, "num_experts_per_tok": {1, 512}, "type_vocab_size": {1, 1 << 16},
}

// fractions are other numbers that converters take.
var fractions = []string{"rms_norm_eps", "layer_norm_eps", "attn_logit_softcapping", "final_logit_softcapping", "logit_scale"}

// aliases are other names of sizes, in pairs.
var aliases = []string{
	"n_embd", "hidden_size", "n_layer", "num_hidden_layers", "n_layers", "num_hidden_layers", "n_head", "num_attention_heads",
	"n_inner", "intermediate_size", "n_ctx", "max_position_embeddings", "n_positions", "max_position_embeddings",
	"rotary_emb_base", "rope_theta", "layer_norm_epsilon", "layer_norm_eps", "norm_epsilon", "layer_norm_eps",
}

// settle fills defaults in, checks all sizes, and requires some.
func (c config) settle(defaults config, required ...string) error {
	for pair := range slices.Chunk(aliases, 2) {
		if alias, key := pair[0], pair[1]; c[key] == nil && c[alias] != nil {
			c[key] = c[alias]
		}
	}
	for key, v := range defaults {
		if c[key] == nil {
			c[key] = v
		}
	}
	if c["num_key_value_heads"] == nil {
		c["num_key_value_heads"] = c["num_attention_heads"]
	}
	for key, limits := range sizes {
		if c[key] == nil {
			continue
		}
		if _, err := c.uint(key, limits[0], limits[1]); err != nil {
			return err
		}
	}
	for _, key := range fractions {
		if _, ok := c.number(key); !ok && c[key] != nil {
			return puna.Errorf(puna.Invalid, "config.json: %s is %v, not a number", key, c[key])
		}
	}
	for _, key := range required {
		if c[key] == nil {
			return puna.Errorf(puna.Invalid, "config.json has no %s, which %s models need", key, c.text("model_type"))
		}
	}
	return nil
}

// headDim returns the length of an attention head.
func (c config) headDim() uint64 {
	if n := c.count("head_dim"); n > 0 {
		return n
	}
	return c.count("hidden_size") / max(1, c.count("num_attention_heads"))
}

// forOllama returns what Ollama's converters get to see: numbers that were checked, and
// nothing else.
func (c config) forOllama(architecture string) config {
	out := config{"architectures": []string{architecture}}
	for key := range sizes {
		if c[key] != nil {
			out[key] = c.count(key)
		}
	}
	for _, key := range fractions {
		if c[key] != nil {
			out[key] = c.float(key)
		}
	}
	return out
}

// flatten moves the values of the text part of a multimodal model's config up.
func (c config) flatten() config {
	flat := config{}
	maps.Copy(flat, c)
	maps.Copy(flat, c.sub("text_config"))
	flat["architectures"] = c["architectures"]
	return flat
}
