//go:build llama_system

package convert

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/puna-ai/puna/cgo/llama"
)

// reference computes models as the transformers library defines them, from the
// checkpoint's own names and layout: rows of queries in halves, experts one by one.
type reference struct {
	c      config
	arch   string
	get    func(name string) weights
	gemma  bool // norms of 1 + w, a scaled embedding, gelu
	cohere bool // one norm, in parallel, and rope by pairs
	seq    [][]float64
}

func (c *checkpoint) reference(t testing.TB, tokens []llama.Token) []float32 {
	var cfg config
	if _, err := c.write(t).json("config.json", maxConfig, &cfg); err != nil {
		t.Fatal(err)
	}
	r := &reference{arch: fmt.Sprint(cfg["architectures"].([]any)[0]), c: cfg.flatten()}
	r.gemma, r.cohere = len(r.arch) > 5 && r.arch[:5] == "Gemma", r.arch == "CohereForCausalLM"
	r.get = func(name string) weights {
		if i := slices.Index([]string{"dense_2.weight", "dense_3.weight"}, name); i >= 0 {
			return c.dense[i]
		}
		if w, ok := c.tensors[name]; ok {
			return w
		}
		if w, ok := c.tensors["language_model."+name]; ok {
			return w
		}
		if w, ok := c.tensors[strings.TrimPrefix(name, "model.")]; ok {
			return w
		}
		return c.tensors[strings.Replace(name, "model.", "model.language_model.", 1)]
	}
	switch r.arch {
	case "BertModel":
		return r.bert(tokens)
	case "NomicBertModel":
		return r.nomic(tokens)
	}
	return r.decode(tokens)
}

func (r *reference) n(key string) int { return int(r.c.count(key)) }

// mul is w x (+ bias).
func (r *reference) mul(name string, x []float64) []float64 {
	w, bias := r.get(name+".weight"), r.get(name+".bias")
	out := make([]float64, w.shape[0])
	for i := range out {
		for j := range x {
			out[i] += float64(w.values[i*len(x)+j]) * x[j]
		}
		if bias.values != nil {
			out[i] += float64(bias.values[i])
		}
	}
	return out
}

func (r *reference) norm(name string, x []float64) []float64 {
	w, bias := r.get(name+".weight").values, r.get(name+".bias").values
	if w == nil {
		return x
	}
	eps, mean := float64(r.c.float("rms_norm_eps")), 0.0
	if r.cohere || strings.HasSuffix(r.arch, "BertModel") {
		eps = float64(r.c.float("layer_norm_eps"))
		for _, v := range x {
			mean += v / float64(len(x))
		}
	}
	square := 0.0
	for _, v := range x {
		square += (v - mean) * (v - mean) / float64(len(x))
	}
	out := make([]float64, len(x))
	for i, v := range x {
		scale := float64(w[i])
		if r.gemma {
			scale++
		}
		out[i] = (v - mean) / math.Sqrt(square+eps) * scale
		if bias != nil {
			out[i] += float64(bias[i])
		}
	}
	return out
}

func add(a, b []float64) []float64 {
	out := slices.Clone(a)
	for i := range b {
		out[i] += b[i]
	}
	return out
}

// settings returns rope's base and scaling of a layer.
func (r *reference) settings(layer int) (theta float64, scaling config) {
	if r.gemma && r.c["sliding_window_pattern"] != nil && (layer+1)%6 != 0 {
		return 10000, nil
	}
	scaling = r.c.sub("rope_scaling")
	theta, ok := r.c.number("rope_theta")
	if p := r.c.sub("rope_parameters"); p != nil {
		if p.sub("full_attention") != nil {
			p = p.sub("full_attention")
		}
		scaling = p
		theta, ok = p.number("rope_theta")
	}
	if !ok {
		panic("no rope_theta")
	}
	if r.arch == "Olmo3ForCausalLM" && (layer+1)%4 != 0 {
		scaling = nil
	}
	return theta, scaling
}

// frequency returns how far a position turns the i-th pair of a head, and what attention is
// multiplied with.
func (r *reference) frequency(layer, i, turned int) (frequency, attention float64) {
	theta, scaling := r.settings(layer)
	f := math.Pow(theta, -2*float64(i)/float64(turned))
	get := func(key string, usual float64) float64 {
		for _, c := range []config{scaling, r.c} {
			if v, ok := c.number(key); ok {
				return v
			}
		}
		return usual
	}
	factor, longest := get("factor", 0), get("max_position_embeddings", 0)
	original := get("original_max_position_embeddings", longest)
	switch scaling.text("rope_type") + scaling.text("type") {
	case "linear":
		return f / factor, 1
	case "longrope":
		return f / float64(scaling.floats("short_factor")[i]), math.Sqrt(1 + math.Log(longest/original)/math.Log(original))
	case "llama3":
		low, high, length := get("low_freq_factor", 0), get("high_freq_factor", 0), 2*math.Pi/f
		switch {
		case length < original/high:
			return f, 1
		case length > original/low:
			return f / factor, 1
		}
		smooth := (original/length - low) / (high - low)
		return (1-smooth)*f/factor + smooth*f, 1
	case "yarn":
		dim := func(turns float64) float64 {
			return float64(turned) * math.Log(original/(turns*2*math.Pi)) / (2 * math.Log(theta))
		}
		low, high := max(0, math.Floor(dim(get("beta_fast", 32)))), min(float64(turned-1), math.Ceil(dim(get("beta_slow", 1))))
		ramp := min(1, max(0, (float64(i)-low)/max(0.001, high-low)))
		attention = get("attention_factor", 0.1*math.Log(factor)+1)
		if get("mscale_all_dim", 0) > 0 {
			attention = 1 // mscale is the same
		}
		return f/factor*ramp + f*(1-ramp), attention
	}
	return f, 1
}

// rope turns a head in place.
func (r *reference) rope(x []float64, pos, layer int) {
	if r.arch == "SmolLM3ForCausalLM" && (layer+1)%4 == 0 {
		return
	}
	turned := len(x)
	if part, ok := r.c.number("partial_rotary_factor"); ok {
		turned = int(float64(turned) * part)
	}
	for i := range turned / 2 {
		a, b := i, i+turned/2
		if r.cohere {
			a, b = 2*i, 2*i+1
		}
		f, scale := r.frequency(layer, i, turned)
		sin, cos := math.Sincos(float64(pos) * f)
		x[a], x[b] = scale*(x[a]*cos-x[b]*sin), scale*(x[b]*cos+x[a]*sin)
	}
}

func softmax(x []float64) {
	top, sum := slices.Max(x), 0.0
	for i := range x {
		x[i] = math.Exp(x[i] - top)
		sum += x[i]
	}
	for i := range x {
		x[i] /= sum
	}
}

func (r *reference) headLength() int { return int(r.c.headDim()) }

// project returns queries, keys and values, with positions.
func (r *reference) project(blk string, x []float64, pos, layer int) (q, k, v []float64) {
	length, heads, kv := r.headLength(), r.n("num_attention_heads"), r.n("num_key_value_heads")
	if r.get(blk+"self_attn.qkv_proj.weight").values != nil {
		all := r.mul(blk+"self_attn.qkv_proj", x)
		q, k, v = all[:heads*length], all[heads*length:(heads+kv)*length], all[(heads+kv)*length:]
	} else {
		q, k, v = r.mul(blk+"self_attn.q_proj", x), r.mul(blk+"self_attn.k_proj", x), r.mul(blk+"self_attn.v_proj", x)
	}
	if beta, ok := r.c.sub("rope_parameters").number("llama_4_scaling_beta"); ok {
		original, _ := r.c.sub("rope_parameters").number("original_max_position_embeddings")
		for i := range q {
			q[i] *= 1 + beta*math.Log(1+math.Floor(float64(pos)/original))
		}
	}
	for name, all := range map[string][]float64{"q": q, "k": k} {
		norm := blk + "self_attn." + name + "_norm"
		whole := len(r.get(norm+".weight").values) == len(all) // OLMo
		if whole {
			copy(all, r.norm(norm, all))
		}
		for at := 0; at < len(all); at += length {
			if !whole {
				copy(all[at:], r.norm(norm, all[at:at+length]))
			}
			r.rope(all[at:at+length], pos, layer)
		}
	}
	return q, k, v
}

// attend mixes the values of the positions that each one sees.
func (r *reference) attend(qs, ks, vs [][]float64, causal bool) [][]float64 {
	length, heads := r.headLength(), r.n("num_attention_heads")
	group := heads / max(1, len(ks[0])/length)
	cap, scale := float64(r.c.float("attn_logit_softcapping")), 1/math.Sqrt(float64(length))
	if v, ok := r.c.number("attention_multiplier"); ok {
		scale = v
	}
	var out [][]float64
	for pos, q := range qs {
		sees := len(ks)
		if causal {
			sees = pos + 1
		}
		mixed := make([]float64, heads*length)
		for h := range heads {
			scores := make([]float64, sees)
			for i := range scores {
				for d := range length {
					scores[i] += q[h*length+d] * ks[i][h/group*length+d] * scale
				}
				if cap > 0 {
					scores[i] = cap * math.Tanh(scores[i]/cap)
				}
			}
			softmax(scores)
			for i, s := range scores {
				for d := range length {
					mixed[h*length+d] += s * vs[i][h/group*length+d]
				}
			}
		}
		out = append(out, mixed)
	}
	return out
}

func (r *reference) activate(x float64) float64 {
	if r.gemma {
		return 0.5 * x * (1 + math.Tanh(math.Sqrt(2/math.Pi)*(x+0.044715*x*x*x)))
	}
	return x / (1 + math.Exp(-x))
}

func (r *reference) gated(gate, up []float64) []float64 {
	out := slices.Clone(up)
	for i := range out {
		out[i] *= r.activate(gate[i])
	}
	return out
}

func (r *reference) feedForward(blk string, x []float64) []float64 {
	switch {
	case r.get(blk+"block_sparse_moe.gate.weight").values != nil:
		return r.mixture(blk+"block_sparse_moe.", "w1", "w3", "w2", x)
	case r.get(blk+"mlp.gate.weight").values != nil:
		return r.mixture(blk+"mlp.", "gate_proj", "up_proj", "down_proj", x)
	case r.get(blk+"mlp.gate_up_proj.weight").values != nil:
		both := r.mul(blk+"mlp.gate_up_proj", x)
		return r.mul(blk+"mlp.down_proj", r.gated(both[:len(both)/2], both[len(both)/2:]))
	}
	return r.mul(blk+"mlp.down_proj", r.gated(r.mul(blk+"mlp.gate_proj", x), r.mul(blk+"mlp.up_proj", x)))
}

// mixture weighs the two best experts, whose weights sum up to one.
func (r *reference) mixture(prefix, gate, up, down string, x []float64) []float64 {
	weights := r.mul(prefix+"gate", x)
	softmax(weights)
	order := make([]int, len(weights))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return map[bool]int{true: -1, false: 1}[weights[a] > weights[b]] })
	best := order[:r.n("num_experts_per_tok")]
	sum := 0.0
	for _, e := range best {
		sum += weights[e]
	}
	out := make([]float64, len(x))
	for _, e := range best {
		expert := fmt.Sprintf("%sexperts.%d.", prefix, e)
		y := r.mul(expert+down, r.gated(r.mul(expert+gate, x), r.mul(expert+up, x)))
		for i := range y {
			out[i] += y[i] * weights[e] / sum
		}
	}
	return out
}

func (r *reference) embed(name string, row, width int) []float64 {
	out := make([]float64, width)
	for i := range out {
		out[i] = float64(r.get(name).values[row*width+i])
	}
	return out
}

// decode returns the logits after the last token.
func (r *reference) decode(tokens []llama.Token) []float32 {
	width := r.n("hidden_size")
	var seq [][]float64
	for _, tok := range tokens {
		x := r.embed("model.embed_tokens.weight", int(tok), width)
		for i := range x {
			if r.gemma {
				x[i] *= math.Sqrt(float64(width))
			}
			if v, ok := r.c.number("embedding_multiplier"); ok {
				x[i] *= v
			}
		}
		seq = append(seq, x)
	}
	for layer := range r.n("num_hidden_layers") {
		seq = r.layer(fmt.Sprintf("model.layers.%d.", layer), layer, seq)
	}
	if strings.HasSuffix(r.arch, "Model") {
		return r.pooled(seq)
	}
	last := r.norm("model.norm", seq[len(seq)-1])
	head := "lm_head"
	if r.get("lm_head.weight").values == nil || r.c.bool("tie_word_embeddings") {
		head = "model.embed_tokens"
	}
	logits := r.mul(head, last)
	out := make([]float32, len(logits))
	for i, v := range logits {
		if cap := float64(r.c.float("final_logit_softcapping")); cap > 0 {
			v = cap * math.Tanh(v/cap)
		}
		if r.cohere {
			v *= float64(r.c.float("logit_scale"))
		}
		if scaling, ok := r.c.number("logits_scaling"); ok {
			v /= scaling
		}
		out[i] = float32(v)
	}
	return out
}

// pooled returns the vector of a text.
func (r *reference) pooled(seq [][]float64) []float32 {
	for i, x := range seq {
		seq[i] = r.norm("model.norm", x)
	}
	if r.arch == "MistralModel" || r.arch == "Qwen3Model" {
		seq = seq[len(seq)-1:]
	}
	vector := mean(seq)
	if r.arch != "Gemma3TextModel" {
		return vector
	}
	x := make([]float64, len(vector))
	for i, v := range vector {
		x[i] = float64(v)
	}
	for i, v := range r.mul("dense_3", r.mul("dense_2", x)) {
		vector[i] = float32(v)
	}
	return vector
}

func (r *reference) layer(blk string, layer int, seq [][]float64) [][]float64 {
	var qs, ks, vs, normed [][]float64
	for pos, x := range seq {
		normed = append(normed, r.norm(blk+"input_layernorm", x))
		q, k, v := r.project(blk, normed[pos], pos, layer)
		qs, ks, vs = append(qs, q), append(ks, k), append(vs, v)
	}
	out := r.attend(qs, ks, vs, !r.c.bool("use_bidirectional_attention"))
	for pos, x := range seq {
		o := r.mul(blk+"self_attn.o_proj", out[pos])
		switch {
		case r.cohere:
			out[pos] = add(add(x, o), r.feedForward(blk, normed[pos]))
		case r.get(blk+"post_feedforward_layernorm.weight").values != nil:
			x = add(x, r.norm(blk+"post_attention_layernorm", o))
			y := r.feedForward(blk, r.norm(blk+"pre_feedforward_layernorm", x))
			out[pos] = add(x, r.norm(blk+"post_feedforward_layernorm", y))
		default:
			x = add(x, r.scaled(o))
			out[pos] = add(x, r.scaled(r.feedForward(blk, r.norm(blk+"post_attention_layernorm", x))))
		}
	}
	return out
}

// nomic is BERT with rope and gates, under other names.
func (r *reference) nomic(tokens []llama.Token) []float32 {
	for key, from := range map[string]string{"num_attention_heads": "n_head", "num_key_value_heads": "n_head", "hidden_size": "n_embd",
		"rope_theta": "rotary_emb_base", "layer_norm_eps": "layer_norm_epsilon"} {
		r.c[key] = r.c[from]
	}
	width := r.n("hidden_size")
	var seq [][]float64
	for _, tok := range tokens {
		x := r.embed("embeddings.word_embeddings.weight", int(tok), width)
		seq = append(seq, r.norm("emb_ln", add(x, r.embed("embeddings.token_type_embeddings.weight", 0, width))))
	}
	for layer := range r.n("n_layer") {
		blk := fmt.Sprintf("encoder.layers.%d.", layer)
		var qs, ks, vs [][]float64
		for pos, x := range seq {
			all := r.mul(blk+"attn.Wqkv", x)
			for at := 0; at < 2*width; at += r.headLength() {
				r.rope(all[at:at+r.headLength()], pos, layer)
			}
			qs, ks, vs = append(qs, all[:width]), append(ks, all[width:2*width]), append(vs, all[2*width:])
		}
		for pos, mixed := range r.attend(qs, ks, vs, false) {
			x := r.norm(blk+"norm1", add(seq[pos], r.mul(blk+"attn.out_proj", mixed)))
			y := r.mul(blk+"mlp.fc2", r.gated(r.mul(blk+"mlp.fc12", x), r.mul(blk+"mlp.fc11", x)))
			seq[pos] = r.norm(blk+"norm2", add(x, y))
		}
	}
	return mean(seq)
}

// scaled is what is added to the stream, by Granite in part.
func (r *reference) scaled(x []float64) []float64 {
	if v, ok := r.c.number("residual_multiplier"); ok {
		for i := range x {
			x[i] *= v
		}
	}
	return x
}

// bert returns the mean of the tokens' vectors, before it is made one of length 1.
func (r *reference) bert(tokens []llama.Token) []float32 {
	r.c["num_key_value_heads"] = r.c["num_attention_heads"]
	width := r.n("hidden_size")
	var seq [][]float64
	for pos, tok := range tokens {
		x := add(r.embed("embeddings.word_embeddings.weight", int(tok), width), r.embed("embeddings.position_embeddings.weight", pos, width))
		seq = append(seq, r.norm("embeddings.LayerNorm", add(x, r.embed("embeddings.token_type_embeddings.weight", 0, width))))
	}
	for layer := range r.n("num_hidden_layers") {
		blk := fmt.Sprintf("encoder.layer.%d.", layer)
		var qs, ks, vs [][]float64
		for _, x := range seq {
			qs, ks, vs = append(qs, r.mul(blk+"attention.self.query", x)), append(ks, r.mul(blk+"attention.self.key", x)), append(vs, r.mul(blk+"attention.self.value", x))
		}
		for pos, mixed := range r.attend(qs, ks, vs, false) {
			x := r.norm(blk+"attention.output.LayerNorm", add(seq[pos], r.mul(blk+"attention.output.dense", mixed)))
			up := r.mul(blk+"intermediate.dense", x)
			for i, v := range up {
				up[i] = 0.5 * v * (1 + math.Erf(v/math.Sqrt2))
			}
			seq[pos] = r.norm(blk+"output.LayerNorm", add(x, r.mul(blk+"output.dense", up)))
		}
	}
	return mean(seq)
}

func mean(seq [][]float64) []float32 {
	out := make([]float32, len(seq[0]))
	for _, x := range seq {
		for i := range out {
			out[i] += float32(x[i] / float64(len(seq)))
		}
	}
	return out
}
