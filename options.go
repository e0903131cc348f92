package puna

import "encoding/json"

// Options are a request's or a model's parameters, under the names of Ollama's
// API and, where Ollama has none, llama.cpp's. A nil field is unset: the model's
// own value holds, then the default that [OptionDocs] states. Values out
// of range are refused by [Options.Validate], which names the option.
//
// It has more than 15 fields because it mirrors the API's flat list.
type Options struct {
	// Of the context. Another value gets another context, never a reload of the weights.
	NumCtx    *int  `json:"num_ctx,omitempty"`   // tokens a sequence may hold; default 4096 without a GPU, at most what the model was trained for
	NumBatch  *int  `json:"num_batch,omitempty"` // tokens of a batch; default 512
	NumGPU    *int  `json:"num_gpu,omitempty"`   // layers on GPUs; -1, the default: as many as fit
	MainGPU   *int  `json:"main_gpu,omitempty"`
	UseMmap   *bool `json:"use_mmap,omitempty"`   // default true
	NumThread *int  `json:"num_thread,omitempty"` // default: the CPUs this process may use

	KVCacheType string             `json:"kv_cache_type,omitempty"` // one of [KVCacheTypes]; default: the server's
	Adapters    map[string]float64 `json:"adapters,omitzero"`       // LoRA adapters of the model, by name or number from 0, to their scales, others are off; default: all, at their scales

	// Of the answer's length.
	NumPredict *int     `json:"num_predict,omitempty"` // tokens at most; -1, the default: until the model ends or the context is full
	NumKeep    *int     `json:"num_keep,omitempty"`    // tokens at the start that a context shift keeps; default 4
	Stop       []string `json:"stop,omitempty"`        // strings that end the answer, themselves left out
	IgnoreEOS  *bool    `json:"ignore_eos,omitempty"`  // go on past the end of turn; default false

	// Of speed alone.
	DraftNumPredict *int `json:"draft_num_predict,omitempty"` // tokens drafted at once, at most; -1, the default: as many as pay, 0: none

	// Of sampling, in the order of llama.cpp's chain.
	Seed             *int               `json:"seed,omitempty"`       // -1, the default: random
	LogitBias        map[string]float64 `json:"logit_bias,omitempty"` // token id, in decimal, to an addend of its logit
	RepeatLastN      *int               `json:"repeat_last_n,omitempty"`
	RepeatPenalty    *float64           `json:"repeat_penalty,omitempty"`
	PresencePenalty  *float64           `json:"presence_penalty,omitempty"`
	FrequencyPenalty *float64           `json:"frequency_penalty,omitempty"`
	DryMultiplier    *float64           `json:"dry_multiplier,omitempty"`
	DryBase          *float64           `json:"dry_base,omitempty"`
	DryAllowedLength *int               `json:"dry_allowed_length,omitempty"`
	DryPenaltyLastN  *int               `json:"dry_penalty_last_n,omitempty"`
	DryBreakers      []string           `json:"dry_sequence_breakers,omitempty"`
	TopNSigma        *float64           `json:"top_n_sigma,omitempty"`
	TopK             *int               `json:"top_k,omitempty"`
	TypicalP         *float64           `json:"typical_p,omitempty"`
	TopP             *float64           `json:"top_p,omitempty"`
	MinP             *float64           `json:"min_p,omitempty"`
	XTCProbability   *float64           `json:"xtc_probability,omitempty"`
	XTCThreshold     *float64           `json:"xtc_threshold,omitempty"`
	DynatempRange    *float64           `json:"dynatemp_range,omitempty"`
	DynatempExponent *float64           `json:"dynatemp_exponent,omitempty"`
	Temperature      *float64           `json:"temperature,omitempty"` // 0: greedy
	Mirostat         *int               `json:"mirostat,omitempty"`
	MirostatTau      *float64           `json:"mirostat_tau,omitempty"`
	MirostatEta      *float64           `json:"mirostat_eta,omitempty"`
	Grammar          string             `json:"grammar,omitempty"` // GBNF that the answer must satisfy
}

// Or returns v's value, or def where v is nil.
func Or[T any](v *T, def T) T {
	if v == nil {
		return def
	}
	return *v
}

// Over returns o with the gaps filled from base: o's fields win.
func (o Options) Over(base Options) Options {
	for _, opt := range optionTable {
		opt.fill(&o, &base)
	}
	return o
}

// Map returns the options that are set, by name, as JSON has them.
func (o Options) Map() (map[string]any, error) {
	data, err := json.Marshal(o)
	if err != nil {
		return nil, Errorf(Invalid, "options: %w", err)
	}
	var m map[string]any
	return m, json.Unmarshal(data, &m)
}
