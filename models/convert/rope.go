package convert

import (
	"math"

	"github.com/puna-ai/puna"
)

// rope writes how positions turn queries and keys. Ollama's converters leave that to each
// family, and most forget something: a base that config.json doesn't state, scaling by
// rope_type, heads that are longer than their share of the width.
func (m *model) rope() error {
	m.kv[m.arch+".attention.key_length"] = uint32(m.config.headDim())
	m.kv[m.arch+".attention.value_length"] = uint32(m.config.headDim())
	if m.family.theta == 0 {
		return nil // positions are embedded
	}
	settings, scaling := m.config, m.config.sub("rope_scaling")
	if p := m.config.sub("rope_parameters"); p != nil { // transformers 5
		if full := p.sub("full_attention"); full != nil {
			p = full
		}
		settings, scaling = p, p
	}
	theta := m.family.theta
	for _, c := range []config{m.config, settings} {
		if v, ok := c.number("rope_theta"); ok {
			theta = v
		}
	}
	if theta <= 0 || theta > math.MaxFloat32 {
		return puna.Errorf(puna.Invalid, "config.json: rope_theta is %v, not a number above 0", theta)
	}
	turned := float64(m.config.headDim())
	for _, c := range []config{m.config, settings} {
		if part, ok := c.number("partial_rotary_factor"); ok && part != 1 {
			if m.arch != "phi3" || part <= 0 || part > 1 {
				return puna.Errorf(puna.Unsupported, "config.json: partial_rotary_factor is %v, but llama.cpp turns whole heads of %s models", part, m.arch)
			}
			turned = math.Trunc(float64(m.config.headDim()) * part)
		}
	}
	m.kv[m.arch+".rope.freq_base"] = float32(theta)
	m.kv[m.arch+".rope.dimension_count"] = uint32(turned)
	return m.scaleRope(scaling, theta, int(turned))
}

// scaleRope writes how a longer context is squeezed into the positions trained.
func (m *model) scaleRope(s config, theta float64, turned int) error {
	kind := s.text("rope_type")
	if kind == "" {
		kind = s.text("type")
	}
	prefix := m.arch + ".rope.scaling."
	original := s.count("original_max_position_embeddings")
	if original == 0 {
		original = m.config.count("original_max_position_embeddings")
	}
	switch kind {
	case "", "default", "mrope", "dynamic": // dynamic only changes texts beyond the context
		return nil
	case "linear", "yarn":
		if s.float("factor") < 1 {
			return puna.Errorf(puna.Invalid, "config.json: the factor of rope_scaling is %v, not at least 1", s["factor"])
		}
		m.kv[prefix+"type"], m.kv[prefix+"factor"] = kind, s.float("factor")
		if kind == "linear" {
			return nil
		}
		if original > 0 {
			m.kv[prefix+"original_context_length"] = uint32(original)
		}
		return m.yarn(s)
	case "llama3":
		return m.llama3Rope(s, theta, turned)
	case "longrope", "su":
		return m.longRope(s, original, turned)
	}
	return puna.Errorf(puna.Unsupported, "config.json: rope_scaling has the type %q; linear, yarn, llama3 and longrope can be converted", kind)
}

// yarn writes what YaRN has besides: how far attention is scaled, which llama.cpp takes by
// what it does anyway, and between which frequencies it works.
func (m *model) yarn(s config) error {
	factor, _ := s.number("factor")
	scale := func(mscale float64) float64 { return 0.1*mscale*math.Log(factor) + 1 }
	want, ok := s.number("attention_factor")
	if all, hasAll := s.number("mscale_all_dim"); !ok && hasAll && all != 0 {
		mscale, _ := s.number("mscale")
		want, ok = scale(mscale)/scale(all), true
	}
	if ok && want > 0 {
		m.kv[m.arch+".rope.scaling.attn_factor"] = float32(want / scale(1))
	}
	for key, usual := range map[string]float64{"beta_fast": 32, "beta_slow": 1} {
		v, ok := s.number(key)
		if !ok || v == usual {
			continue
		}
		if m.arch != "mistral3" {
			return puna.Errorf(puna.Unsupported, "config.json: %s of rope_scaling is %v, but llama.cpp only runs %s models with %v", key, v, m.arch, usual)
		}
		m.kv[m.arch+".rope.scaling.yarn_"+key] = float32(v)
	}
	return nil
}

// llama3Rope writes what each frequency is divided by.
func (m *model) llama3Rope(s config, theta float64, turned int) error {
	values := map[string]float64{"factor": 8, "low_freq_factor": 1, "high_freq_factor": 4, "original_max_position_embeddings": 8192}
	for key := range values {
		if v, ok := s.number(key); ok {
			values[key] = v
		}
		if values[key] <= 0 {
			return puna.Errorf(puna.Invalid, "config.json: %s of rope_scaling is %v, not a number above 0", key, s[key])
		}
	}
	factor, low, high, original := values["factor"], values["low_freq_factor"], values["high_freq_factor"], values["original_max_position_embeddings"]
	if high <= low {
		return puna.Errorf(puna.Invalid, "config.json: high_freq_factor %v of rope_scaling is not above low_freq_factor %v", high, low)
	}
	factors := make([]float32, 0, turned/2)
	for i := 0; i < turned; i += 2 {
		length := 2 * math.Pi * math.Pow(theta, float64(i)/float64(turned))
		smooth := min(max((original/length-low)/(high-low), 0), 1)
		factors = append(factors, float32(1/((1-smooth)/factor+smooth)))
	}
	return m.addFloats("rope_freqs.weight", factors)
}

// longRope writes the factors of Phi 3's models of long contexts.
func (m *model) longRope(s config, original uint64, turned int) error {
	if m.arch != "phi3" || original < 2 {
		return puna.Errorf(puna.Unsupported, "config.json: rope_scaling is longrope with original_max_position_embeddings %d, which only works with Phi 3 and at least 2", original)
	}
	scale := float64(m.config.count("max_position_embeddings")) / float64(original)
	factor := 1.0
	if v, ok := s.number("attention_factor"); ok {
		factor = v
	} else if scale > 1 {
		factor = math.Sqrt(1 + math.Log(scale)/math.Log(float64(original)))
	}
	m.kv["phi3.rope.scaling.attn_factor"] = float32(factor)
	for _, length := range []string{"long", "short"} {
		factors := s.floats(length + "_factor")
		if len(factors) != turned/2 {
			return puna.Errorf(puna.Invalid, "config.json: %s_factor of rope_scaling has %d numbers, but heads of which %d dimensions turn need %d", length, len(factors), turned, turned/2)
		}
		if err := m.addFloats("rope_factors_"+length+".weight", factors); err != nil {
			return err
		}
	}
	return nil
}
