package main

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/puna-ai/puna/engine"
	"github.com/puna-ai/puna/internal/testmodel"
)

func TestTryInAnotherProcess(t *testing.T) {
	good := testmodel.PathOf(t, testmodel.Encoder)
	broken := filepath.Join(t.TempDir(), "broken.gguf")
	require.NoError(t, os.WriteFile(broken, []byte("GGUF"), 0o644))
	for _, path := range []string{good, broken} { // what is only broken is for the load to report
		death, err := tryWith(t.Context(), executable(), engine.LoadOptions{Path: path})
		assert.NoError(t, err)
		assert.Empty(t, death)
	}
}

func TestDeathsOfChildren(t *testing.T) {
	program := func(script string) string {
		path := filepath.Join(t.TempDir(), "puna")
		require.NoError(t, os.WriteFile(path, []byte("#!/bin/sh\n"+script+"\n"), 0o755))
		return path
	}
	model := engine.LoadOptions{Path: program("")} // any file
	for script, want := range map[string]string{
		"kill -s SEGV $$": "signal: segmentation fault",
		"echo x >&2; echo 'SIGABRT: abort' >&2; exit 2": "exit status 2: SIGABRT: abort",
		"exit 1": "",
	} {
		death, err := tryWith(t.Context(), program(script), model)
		assert.NoError(t, err)
		assert.Contains(t, death, want)
		assert.Equal(t, want == "", death == "", death)
	}
	_, err := tryWith(t.Context(), program("kill -s KILL $$"), model)
	assert.ErrorContains(t, err, "lack of memory")
	_, err = tryWith(t.Context(), program("")+"x", model)
	assert.ErrorContains(t, err, "no such file")

	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(10*time.Millisecond, cancel)
	death, err := tryWith(ctx, program("exec sleep 100"), model)
	assert.NoError(t, err, "the caller looks at its context")
	assert.Empty(t, death)
}
