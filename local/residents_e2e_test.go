package local_test

import (
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/puna-ai/puna"
	"github.com/puna-ai/puna/internal/testmodel"
	"github.com/puna-ai/puna/local"
)

// The engine's own estimates decide: with a budget of a byte each model is loaded alone.
func TestModelsTakeTurnsInABudget(t *testing.T) {
	svc, err := local.Open(local.Options{Models: t.TempDir(), AllowPaths: true, Memory: 1, Defaults: puna.Options{NumThread: new(1)}})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, svc.Close()) })
	models := []string{"guide", testmodel.Path(t)}
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			assert.NoError(t, svc.Load(t.Context(), &puna.Request{Model: models[i%2]}))
			running, err := svc.Running(t.Context())
			assert.NoError(t, err)
			assert.LessOrEqual(t, len(running), 1)
		})
	}
	wg.Wait()

	both := open(t)
	for _, m := range models {
		wg.Go(func() { assert.NoError(t, both.Load(t.Context(), &puna.Request{Model: m})) })
	}
	wg.Wait()
	running, err := both.Running(t.Context())
	require.NoError(t, err)
	assert.Len(t, running, 2, "what is free holds both")
}

func TestABrokenFileIsReadOnce(t *testing.T) {
	svc := open(t)
	path := filepath.Join(t.TempDir(), "broken.gguf")
	require.NoError(t, os.WriteFile(path, []byte("GGUF, and no more"), 0o600))
	first := svc.Load(t.Context(), &puna.Request{Model: path})
	require.Equal(t, puna.Invalid, puna.KindOf(first))
	assert.NotContains(t, first.Error(), "next try")
	again := svc.Load(t.Context(), &puna.Request{Model: path})
	require.Equal(t, puna.Invalid, puna.KindOf(again))
	assert.Contains(t, again.Error(), first.Error())
	assert.Contains(t, again.Error(), "the next try is in 1s")

	good, err := os.ReadFile(testmodel.Path(t))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, good, 0o600))
	require.NoError(t, svc.Load(t.Context(), &puna.Request{Model: path}))
}

func TestNegativeBoundsAreRefused(t *testing.T) {
	for _, o := range []local.Options{{Memory: -1}, {MaxModels: -1}, {MaxQueue: -1}} {
		_, err := local.Open(o)
		assert.Equal(t, puna.Invalid, puna.KindOf(err))
	}
}
