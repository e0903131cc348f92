package engine

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/puna-ai/puna"
	"github.com/puna-ai/puna/cgo/ggml"
)

// What the options list is what ggml knows, by the same names.
func TestKVTypes(t *testing.T) {
	load := LoadOptions{}
	assert.Equal(t, ggml.F16, load.kvType(puna.Options{}))
	for _, name := range puna.KVCacheTypes() {
		load.KVType = name
		assert.NoError(t, load.check())
		assert.Equal(t, name, load.kvType(puna.Options{}).String())
		assert.Equal(t, name, (&LoadOptions{}).kvType(puna.Options{KVCacheType: name}).String())
	}
	load.KVType = "q9"
	assert.EqualError(t, load.check(), `option "kv_cache_type": "q9" is none of f16, q8_0, q4_0`)
}
