package puna

import (
	"encoding/json"
	"math"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestOptionTableCoversEveryField(t *testing.T) {
	var o Options
	typ := reflect.TypeOf(o)
	require.Len(t, optionTable, typ.NumField())
	byTag := map[string]uintptr{}
	for i := range typ.NumField() {
		name, _, _ := strings.Cut(typ.Field(i).Tag.Get("json"), ",")
		byTag[name] = uintptr(reflect.ValueOf(&o).Elem().Field(i).Addr().UnsafePointer())
	}
	for _, opt := range optionTable {
		assert.Equal(t, byTag[opt.name], uintptr(reflect.ValueOf(opt.field(&o)).UnsafePointer()), opt.name)
	}
}

func TestSetTakesJSONValues(t *testing.T) {
	var o Options
	var values map[string]any
	require.NoError(t, json.Unmarshal([]byte(`{"num_ctx":2048.0,"temperature":0,"use_mmap":false,"stop":"x","logit_bias":{"7":-1.5},"seed":4294967295}`), &values))
	for name, value := range values {
		known, err := o.Set(name, value)
		require.True(t, known, name)
		require.NoError(t, err)
	}
	assert.Equal(t, Options{NumCtx: new(2048), Temperature: new(0.0), UseMmap: new(false), Stop: []string{"x"},
		LogitBias: map[string]float64{"7": -1.5}, Seed: new(4294967295)}, o)
}

func TestSetNamesTheOption(t *testing.T) {
	cases := []struct {
		name  string
		value any
		text  string
	}{
		{"num_ctx", 1.5, `option "num_ctx": 1.5 is not a whole number`},
		{"num_ctx", 0, `option "num_ctx": 0 is not between 1 and 2147483647`},
		{"num_ctx", math.NaN(), `option "num_ctx": NaN is not a whole number`},
		{"top_p", 2.0, `option "top_p": 2 is not between 0 and 1`},
		{"top_p", math.NaN(), `option "top_p": NaN is not between 0 and 1`},
		{"temperature", "hot", `option "temperature": "hot" is not a number`},
		{"use_mmap", 1.0, `option "use_mmap": 1 is not true or false`},
		{"stop", 3.0, `option "stop": 3 is of the wrong type`},
		{"stop", []any{""}, `option "stop": an empty string is not allowed`},
		{"kv_cache_type", "q3", `option "kv_cache_type": "q3" is none of f16, q8_0, q4_0`},
		{"adapters", map[string]any{"style": 1e4}, `option "adapters": 10000 is not between -1000 and 1000`},
		{"logit_bias", map[string]any{"x": 1.0}, `option "logit_bias": "x" is not a token id`},
	}
	for _, c := range cases {
		var o Options
		known, err := o.Set(c.name, c.value)
		assert.True(t, known)
		assert.EqualError(t, err, c.text)
		assert.Equal(t, Invalid, KindOf(err))
	}
	var o Options
	known, err := o.Set("nonsense", 1)
	assert.False(t, known)
	assert.NoError(t, err)
}

func TestParseReadsText(t *testing.T) {
	var o Options
	for _, kv := range [][2]string{{"stop", "a"}, {"stop", "b"}, {"num_ctx", "4096"}, {"temperature", " 0.5"}, {"use_mmap", "true"}, {"grammar", "1"}} {
		known, err := o.Parse(kv[0], kv[1])
		require.True(t, known)
		require.NoError(t, err)
	}
	assert.Equal(t, Options{Stop: []string{"a", "b"}, NumCtx: new(4096), Temperature: new(0.5), UseMmap: new(true), Grammar: "1"}, o)
	_, err := o.Parse("top_k", "many")
	assert.EqualError(t, err, `option "top_k": "many" is not a whole number`)
}

func TestOverFillsGaps(t *testing.T) {
	base := Options{NumCtx: new(1), Temperature: new(0.5), Stop: []string{"x"}, Grammar: "g", UseMmap: new(false), LogitBias: map[string]float64{"1": 1}}
	over := Options{Temperature: new(0.0), Stop: []string{"y"}}
	assert.Equal(t, Options{NumCtx: new(1), Temperature: new(0.0), Stop: []string{"y"}, Grammar: "g", UseMmap: new(false), LogitBias: map[string]float64{"1": 1}}, over.Over(base))
	assert.Equal(t, Options{Temperature: new(0.0), Stop: []string{"y"}}, over, "the receiver is a copy")
}
