package engine_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/puna-ai/puna"
	"github.com/puna-ai/puna/cgo/llama"
	"github.com/puna-ai/puna/engine"
	"github.com/puna-ai/puna/internal/testmodel"
)

// proving opens an engine whose prover says death, and counts how often it is asked.
func proving(t *testing.T, dir, version, death string, failed error) (load func(o engine.LoadOptions) error, tries *int) {
	tries = new(int)
	e, err := engine.Open(engine.Options{Prover: &engine.Prover{Dir: dir, Version: version,
		Try: func(context.Context, engine.LoadOptions) (string, error) {
			*tries++
			return death, failed
		}}})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, e.Close()) })
	return func(o engine.LoadOptions) error {
		o.Path, o.Options.NumThread, o.PoolTokens = testmodel.Path(t), new(1), 256
		m, err := e.Load(t.Context(), o)
		if err == nil {
			require.NoError(t, m.Close(context.Background()))
		}
		return err
	}, tries
}

func TestAModelIsTriedOnce(t *testing.T) {
	dir := t.TempDir()
	load, tries := proving(t, dir, "1", "", nil)
	for range 2 {
		require.NoError(t, load(engine.LoadOptions{Digest: "one"}))
	}
	assert.Equal(t, 1, *tries)
	require.NoError(t, load(engine.LoadOptions{Digest: "two"}))
	assert.Equal(t, 2, *tries, "another model")
	require.NoError(t, load(engine.LoadOptions{Digest: "two", Options: puna.Options{NumGPU: new(0)}}))
	assert.Equal(t, 3, *tries, "elsewhere")
	require.NoError(t, load(engine.LoadOptions{Digest: "three", Proven: true}))
	require.NoError(t, load(engine.LoadOptions{}))
	assert.Equal(t, 3, *tries, "nothing to keep it under, or nothing to prove")
	newer, tries := proving(t, dir, "2", "", nil)
	require.NoError(t, newer(engine.LoadOptions{Digest: "one"}))
	assert.Zero(t, *tries, "what computed isn't tried again")
}

func TestAModelThatDiedIsNotLoaded(t *testing.T) {
	dir := t.TempDir()
	load, tries := proving(t, dir, "1", "exit status 2: SIGSEGV: segmentation violation", nil)
	for range 2 {
		err := load(engine.LoadOptions{Digest: "one", Name: "bad"})
		assert.ErrorContains(t, err, `"bad" is not loaded, since it ended the process that tried it: exit status 2: SIGSEGV`)
		assert.Equal(t, puna.Invalid, puna.KindOf(err))
	}
	assert.Equal(t, 1, *tries, "the verdict is remembered")
	files, err := filepath.Glob(filepath.Join(dir, "*.json"))
	require.NoError(t, err)
	require.Len(t, files, 1)
	assert.ErrorContains(t, load(engine.LoadOptions{Digest: "one"}), "remove "+files[0])

	newer, tries := proving(t, dir, "2", "", nil)
	require.NoError(t, newer(engine.LoadOptions{Digest: "one"}))
	assert.Equal(t, 1, *tries, "another version tries it again")
	require.NoError(t, load(engine.LoadOptions{Digest: "one"}), "and its verdict replaces the old one")

	require.NoError(t, os.WriteFile(files[0], []byte("{"), 0o644))
	assert.Error(t, load(engine.LoadOptions{Digest: "one"}), "what can't be read is proven again")
	require.NoError(t, os.Remove(files[0]))
	load, _ = proving(t, dir, "1", "", nil)
	assert.NoError(t, load(engine.LoadOptions{Digest: "one"}))
}

func TestAProofThatFailsIsNotKept(t *testing.T) {
	dir := t.TempDir()
	load, tries := proving(t, dir, "1", "", errors.New("no such program"))
	for range 2 {
		assert.ErrorContains(t, load(engine.LoadOptions{Digest: "one"}), "no such program")
	}
	assert.Equal(t, 2, *tries)
}

func TestTry(t *testing.T) {
	for _, s := range []testmodel.Shape{testmodel.Tiny, testmodel.Encoder, encoder(llama.PoolingRank), ranker()} {
		assert.NoError(t, shared.Try(t.Context(), engine.LoadOptions{Path: testmodel.PathOf(t, s), Digest: "d"}), s.Arch)
	}
	assert.Error(t, shared.Try(t.Context(), engine.LoadOptions{Path: "prove_test.go"}))
}
