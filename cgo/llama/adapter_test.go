package llama

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/puna-ai/puna/internal/testmodel"
)

func smallPath(t testing.TB) string { return testmodel.PathOf(t, smallShape) }

func TestAdapterLora(t *testing.T) {
	noLeaks(t)
	m := loadPath(t, smallPath(t))
	a, err := m.AdapterLoraInit(loraPath(t, smallShape))
	require.NoError(t, err)
	defer a.Close()
	alpha, ok := a.MetaValStr("adapter.lora.alpha")
	assert.True(t, ok)
	assert.Contains(t, alpha, "8.0")
	_, ok = a.MetaValStr("none")
	assert.False(t, ok)
	require.Positive(t, a.MetaCount())
	key, ok := a.MetaKeyByIndex(0)
	assert.True(t, ok)
	val, ok := a.MetaValStrByIndex(0)
	assert.True(t, ok)
	again, _ := a.MetaValStr(key)
	assert.Equal(t, again, val)
	assert.Nil(t, a.AloraInvocationTokens())

	b := batchOf(t, 16)
	logits := func(set func(*Context)) []float32 {
		c := contextOf(t, m, nil)
		set(c)
		feed(t, c, b, 0, 0, prompt(6)...)
		assert.ErrorIs(t, c.SetAdapterLora(a, 1), errComputed)
		assert.ErrorIs(t, c.RmAdapterLora(a), errComputed)
		assert.ErrorIs(t, c.ClearAdapterLora(), errComputed)
		return logitsCopy(c)
	}
	plain := logits(func(*Context) {})
	with := logits(func(c *Context) { require.NoError(t, c.SetAdapterLora(a, 1)) })
	assert.Less(t, correlation(plain, with), 0.999)
	assert.InDeltaSlice(t, plain, logits(func(c *Context) { require.NoError(t, c.SetAdapterLora(a, 0)) }), 1e-3)
	assert.Equal(t, plain, logits(func(c *Context) {
		require.NoError(t, c.SetAdapterLora(a, 1))
		require.NoError(t, c.RmAdapterLora(a))
		require.Error(t, c.RmAdapterLora(a))
	}))
	assert.Equal(t, plain, logits(func(c *Context) {
		require.NoError(t, c.SetAdapterLora(a, 1))
		require.NoError(t, c.ClearAdapterLora())
	}))

	other := loadTiny(t)
	assert.ErrorContains(t, contextOf(t, other, nil).SetAdapterLora(a, 1), "another model")
	_, err = other.AdapterLoraInit(loraPath(t, smallShape))
	assert.Error(t, err, "the tensors don't fit")
	_, err = m.AdapterLoraInit(filepath.Join(t.TempDir(), "none"))
	assert.ErrorContains(t, err, "none")
	_, err = m.AdapterLoraInit(smallPath(t))
	assert.ErrorContains(t, err, "adapter", "a model is no adapter")
	a.Close()
	assert.PanicsWithValue(t, "llama: use of a closed AdapterLora", func() { a.MetaCount() })
}

func TestControlVector(t *testing.T) {
	m := loadPath(t, smallPath(t))
	b := batchOf(t, 16)
	vec := make([]float32, m.NEmbd()*(m.NLayer()-1))
	for i := range vec {
		vec[i] = float32(i % 5)
	}
	logits := func(set func(*Context)) []float32 {
		c := contextOf(t, m, nil)
		set(c)
		feed(t, c, b, 0, 0, prompt(6)...)
		assert.ErrorIs(t, c.ApplyAdapterCvec(vec, 1, 1), errComputed)
		return logitsCopy(c)
	}
	plain := logits(func(c *Context) { assert.Error(t, c.ApplyAdapterCvec(vec[1:], 1, 1)) })
	with := logits(func(c *Context) { require.NoError(t, c.ApplyAdapterCvec(vec, 1, m.NLayer()-1)) })
	assert.Less(t, correlation(plain, with), 0.999)
	assert.Equal(t, plain, logits(func(c *Context) {
		require.NoError(t, c.ApplyAdapterCvec(vec, 1, m.NLayer()-1))
		require.NoError(t, c.ApplyAdapterCvec(nil, 0, 0))
	}))
}
