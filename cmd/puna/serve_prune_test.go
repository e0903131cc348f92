package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A server that starts removes what dead processes and forgotten uploads left.
func TestServePrunes(t *testing.T) {
	for value, stays := range map[string]bool{"": false, "0": false, "false": false, "1": true, "true": true, "yes": true} {
		models := t.TempDir()
		blobs := filepath.Join(models, "blobs")
		require.NoError(t, os.Mkdir(blobs, 0o755))
		old := time.Now().Add(-2 * time.Hour)
		paths := []string{filepath.Join(blobs, "puna-tmp-1"), filepath.Join(blobs, "sha256-"+strings.Repeat("0", 64))}
		for _, path := range paths {
			require.NoError(t, os.WriteFile(path, nil, 0o644))
			require.NoError(t, os.Chtimes(path, old, old))
		}
		ctx, stop := context.WithCancel(t.Context())
		stop() // serves nobody
		c := configOf(map[string]string{"PUNA_HOST": "127.0.0.1:0", "OLLAMA_MODELS": models, "OLLAMA_NOPRUNE": value})
		assert.NoError(t, c.serve(ctx))
		for _, path := range paths {
			_, err := os.Stat(path)
			assert.Equal(t, stays, err == nil, "OLLAMA_NOPRUNE=%q: %v", value, err)
		}
	}
}
