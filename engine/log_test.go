package engine_test

import (
	"bytes"
	"context"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/puna-ai/puna"
	"github.com/puna-ai/puna/cgo/ggml"
	"github.com/puna-ai/puna/engine"
	"github.com/puna-ai/puna/internal/testmodel"
)

// What llama.cpp warns of at every load is as it should be here.
func TestLoadsOfEveryArchitectureWarnOfNothing(t *testing.T) {
	var log bytes.Buffer
	e, err := engine.Open(engine.Options{Log: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelWarn}))})
	require.NoError(t, err)
	defer func() {
		assert.NoError(t, e.Close())
		ggml.SetLogger(slog.New(slog.DiscardHandler))
	}()
	for _, s := range architectures {
		m, err := e.Load(t.Context(), engine.LoadOptions{Path: testmodel.PathOf(t, s), Options: puna.Options{NumThread: new(1)}})
		require.NoError(t, err)
		require.NoError(t, m.Close(context.Background()))
		assert.Empty(t, log.String(), s.Arch)
	}
}
