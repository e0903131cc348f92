package puna

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// option describes one field of [Options].
type option struct {
	name     string
	field    func(*Options) any // pointer to the field
	min, max float64            // of numbers and of each number in a map
	def      string             // the default, for people
	doc      string
}

const maxInt = math.MaxInt32 // llama.cpp's integers are int32_t

// optionTable lists every option in the order of [Options].
var optionTable = []option{
	{"num_ctx", func(o *Options) any { return &o.NumCtx }, 1, maxInt, "4096", "tokens of the context"},
	{"num_batch", func(o *Options) any { return &o.NumBatch }, 1, 1 << 16, "512", "tokens of a batch"},
	{"num_gpu", func(o *Options) any { return &o.NumGPU }, -1, maxInt, "-1", "layers on GPUs (-1: as many as fit)"},
	{"main_gpu", func(o *Options) any { return &o.MainGPU }, 0, 255, "0", "the GPU for what is not split"},
	{"use_mmap", func(o *Options) any { return &o.UseMmap }, 0, 0, "true", "map the model file instead of reading it"},
	{"num_thread", func(o *Options) any { return &o.NumThread }, 0, 512, "0", "threads (0: the CPUs this process may use)"},
	{"kv_cache_type", func(o *Options) any { return &o.KVCacheType }, 0, 0, "f16", "type of the KV cache: " + strings.Join(KVCacheTypes(), ", ")},
	{"adapters", func(o *Options) any { return &o.Adapters }, -1000, 1000, "", "LoRA adapters of the model that apply, name or number to scale"},
	{"num_predict", func(o *Options) any { return &o.NumPredict }, -2, maxInt, "-1", "tokens to generate at most (-1: until the end, -2: until the context is full)"},
	{"num_keep", func(o *Options) any { return &o.NumKeep }, -1, maxInt, "4", "tokens at the start that a context shift keeps (-1: the whole prompt)"},
	{"stop", func(o *Options) any { return &o.Stop }, 0, 0, "", "strings that end the answer"},
	{"ignore_eos", func(o *Options) any { return &o.IgnoreEOS }, 0, 0, "false", "go on past the end of turn"},
	{"draft_num_predict", func(o *Options) any { return &o.DraftNumPredict }, -1, maxInt, "-1", "tokens to draft at once at most, of what repeats or a draft model foretells (-1: as many as pay, 0: none)"},
	{"seed", func(o *Options) any { return &o.Seed }, -1, math.MaxUint32, "-1", "seed of the random numbers (-1: random)"},
	{"logit_bias", func(o *Options) any { return &o.LogitBias }, -1e9, 1e9, "", "token id to an addend of its logit"},
	{"repeat_last_n", func(o *Options) any { return &o.RepeatLastN }, -1, maxInt, "64", "tokens that penalties look back (0: none, -1: the context)"},
	{"repeat_penalty", func(o *Options) any { return &o.RepeatPenalty }, 1e-3, 100, "1", "divides the logits of repeated tokens"},
	{"presence_penalty", func(o *Options) any { return &o.PresencePenalty }, -100, 100, "0", "subtracted once from repeated tokens"},
	{"frequency_penalty", func(o *Options) any { return &o.FrequencyPenalty }, -100, 100, "0", "subtracted for each repetition"},
	{"dry_multiplier", func(o *Options) any { return &o.DryMultiplier }, 0, 100, "0", "strength of the DRY penalty (0: off)"},
	{"dry_base", func(o *Options) any { return &o.DryBase }, 1, 100, "1.75", "base of the DRY penalty"},
	{"dry_allowed_length", func(o *Options) any { return &o.DryAllowedLength }, 0, maxInt, "2", "tokens that may repeat without a DRY penalty"},
	{"dry_penalty_last_n", func(o *Options) any { return &o.DryPenaltyLastN }, -1, maxInt, "-1", "tokens that DRY looks back (-1: the context)"},
	{"dry_sequence_breakers", func(o *Options) any { return &o.DryBreakers }, 0, 0, `\n : " *`, "strings that break a DRY repetition"},
	{"top_n_sigma", func(o *Options) any { return &o.TopNSigma }, -1, 100, "-1", "keep logits within n standard deviations of the best (-1: off)"},
	{"top_k", func(o *Options) any { return &o.TopK }, 0, maxInt, "40", "keep the k likeliest (0: all)"},
	{"typical_p", func(o *Options) any { return &o.TypicalP }, 0, 1, "1", "locally typical sampling (1: off)"},
	{"top_p", func(o *Options) any { return &o.TopP }, 0, 1, "0.9", "nucleus sampling (1: off)"},
	{"min_p", func(o *Options) any { return &o.MinP }, 0, 1, "0", "keep those at least this likely relative to the best (0: off)"},
	{"xtc_probability", func(o *Options) any { return &o.XTCProbability }, 0, 1, "0", "chance to exclude top choices (0: off)"},
	{"xtc_threshold", func(o *Options) any { return &o.XTCThreshold }, 0, 1, "0.1", "probability above which XTC excludes"},
	{"dynatemp_range", func(o *Options) any { return &o.DynatempRange }, 0, 100, "0", "range of the dynamic temperature (0: off)"},
	{"dynatemp_exponent", func(o *Options) any { return &o.DynatempExponent }, 0, 100, "1", "exponent of the dynamic temperature"},
	{"temperature", func(o *Options) any { return &o.Temperature }, 0, 100, "0.8", "0: always the likeliest token"},
	{"mirostat", func(o *Options) any { return &o.Mirostat }, 0, 2, "0", "Mirostat version (0: off)"},
	{"mirostat_tau", func(o *Options) any { return &o.MirostatTau }, 0, 100, "5", "Mirostat's target surprise"},
	{"mirostat_eta", func(o *Options) any { return &o.MirostatEta }, 0, 1, "0.1", "Mirostat's learning rate"},
	{"grammar", func(o *Options) any { return &o.Grammar }, 0, 0, "", "GBNF grammar that the answer must satisfy"},
}

// KVCacheTypes lists the types that a KV cache may have, by ggml's names, the default first.
func KVCacheTypes() []string { return []string{"f16", "q8_0", "q4_0"} }

// fill copies the option from base to o where o has none.
func (opt option) fill(o, base *Options) {
	switch dst := opt.field(o).(type) {
	case **int:
		fillPtr(dst, opt.field(base).(**int))
	case **float64:
		fillPtr(dst, opt.field(base).(**float64))
	case **bool:
		fillPtr(dst, opt.field(base).(**bool))
	case *[]string:
		if *dst == nil {
			*dst = *opt.field(base).(*[]string)
		}
	case *map[string]float64:
		if *dst == nil {
			*dst = *opt.field(base).(*map[string]float64)
		}
	case *string:
		if *dst == "" {
			*dst = *opt.field(base).(*string)
		}
	}
}

func fillPtr[T any](dst, src **T) {
	if *dst == nil {
		*dst = *src
	}
}

// OptionDoc describes an option for people.
type OptionDoc struct{ Name, Default, Doc string }

// OptionDocs lists every option, in the order of [Options].
func OptionDocs() []OptionDoc {
	docs := make([]OptionDoc, len(optionTable))
	for i, opt := range optionTable {
		docs[i] = OptionDoc{opt.name, opt.def, opt.doc}
	}
	return docs
}

// Validate returns an [Invalid] error for the first value out of range.
func (o Options) Validate() error {
	for _, opt := range optionTable {
		if err := opt.validate(&o); err != nil {
			return err
		}
	}
	return nil
}

func (opt option) validate(o *Options) error {
	switch v := opt.field(o).(type) {
	case **int:
		if *v != nil {
			return opt.inRange(float64(**v))
		}
	case **float64:
		if *v != nil {
			return opt.inRange(**v)
		}
	case *map[string]float64:
		for key, bias := range *v {
			if n, err := strconv.ParseInt(key, 10, 32); opt.name == "logit_bias" && (err != nil || n < 0) {
				return Errorf(Invalid, "option %q: %q is not a token id", opt.name, key)
			}
			if err := opt.inRange(bias); err != nil {
				return err
			}
		}
	case *string:
		if opt.name == "kv_cache_type" && *v != "" && !slices.Contains(KVCacheTypes(), *v) {
			return Errorf(Invalid, "option %q: %q is none of %s", opt.name, *v, strings.Join(KVCacheTypes(), ", "))
		}
	case *[]string:
		if slices.Contains(*v, "") {
			return Errorf(Invalid, "option %q: an empty string is not allowed", opt.name)
		}
	}
	return nil
}

func (opt option) inRange(v float64) error {
	if v >= opt.min && v <= opt.max { // false for NaN
		return nil
	}
	plain := func(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }
	return Errorf(Invalid, "option %q: %s is not between %s and %s", opt.name, plain(v), plain(opt.min), plain(opt.max))
}

// Set sets the option called name from a JSON value as [encoding/json] decodes
// it: a whole float64 will do for an integer. It returns false for a name that
// isn't an option, and an [Invalid] error for a value of the wrong type or out of
// range. A nil value leaves the option unset.
func (o *Options) Set(name string, value any) (known bool, err error) {
	i := slices.IndexFunc(optionTable, func(opt option) bool { return opt.name == name })
	if i < 0 {
		return false, nil
	}
	if value == nil {
		return true, nil
	}
	opt := optionTable[i]
	if err := opt.set(o, value); err != nil {
		return true, Errorf(Invalid, "option %q: %w", name, err)
	}
	return true, opt.validate(o)
}

func (opt option) set(o *Options, value any) error {
	switch dst := opt.field(o).(type) {
	case **int:
		f, ok := number(value)
		if !ok || f != math.Trunc(f) || math.Abs(f) > math.MaxUint32 {
			return fmt.Errorf("%v is not a whole number", show(value))
		}
		*dst = new(int(f))
	case **float64:
		f, ok := number(value)
		if !ok {
			return fmt.Errorf("%v is not a number", show(value))
		}
		*dst = new(f)
	case **bool:
		b, ok := value.(bool)
		if !ok {
			return fmt.Errorf("%v is not true or false", show(value))
		}
		*dst = new(b)
	default: // lists, maps, strings: as JSON has them
		if s, ok := value.(string); ok && opt.isList(o) {
			value = []string{s}
		}
		data, err := json.Marshal(value)
		if err != nil || json.Unmarshal(data, dst) != nil {
			return fmt.Errorf("%v is of the wrong type", show(value))
		}
	}
	return nil
}

func (opt option) isList(o *Options) bool {
	_, ok := opt.field(o).(*[]string)
	return ok
}

// Parse sets the option called name from text, as a Modelfile or a command line
// holds it. A list grows by one item. It returns what [Options.Set] does.
func (o *Options) Parse(name, text string) (known bool, err error) {
	i := slices.IndexFunc(optionTable, func(opt option) bool { return opt.name == name })
	if i < 0 {
		return false, nil
	}
	var value any = text
	switch dst := optionTable[i].field(o).(type) {
	case *[]string:
		value = append(slices.Clip(*dst), text)
	case *string:
	default:
		if json.Unmarshal([]byte(strings.TrimSpace(text)), &value) != nil {
			value = text // Set says what is wrong with it
		}
	}
	return o.Set(name, value)
}

func number(value any) (float64, bool) {
	switch v := value.(type) {
	case float64:
		return v, true
	case float32:
		return float64(v), true
	case int:
		return float64(v), true
	case int64:
		return float64(v), true
	case json.Number:
		f, err := v.Float64()
		return f, err == nil
	}
	return 0, false
}

// show writes a value for an error text: strings in quotes.
func show(value any) string {
	if s, ok := value.(string); ok {
		return strconv.Quote(s)
	}
	return fmt.Sprint(value)
}
