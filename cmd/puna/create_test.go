package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/puna-ai/puna"
	"github.com/puna-ai/puna/internal/testmodel"
	"github.com/puna-ai/puna/local"
	"github.com/puna-ai/puna/models/modelfile"
)

// A DRAFT goes from a Modelfile into the store, to the engine, and back into a Modelfile
// that makes the same model.
func TestADraftThereAndBack(t *testing.T) {
	dir := t.TempDir()
	svc, err := local.Open(local.Options{Models: filepath.Join(dir, "models"), Defaults: puna.Options{NumThread: new(1)}})
	require.NoError(t, err)
	defer svc.Close()
	path := filepath.Join(dir, "Modelfile")
	create := func(model, text string) (card *puna.ModelCard) {
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
		req, err := createRequest(t.Context(), svc, model, path, newProgressBars(devNull(t)))
		require.NoError(t, err)
		for _, err := range svc.Create(t.Context(), req) {
			require.NoError(t, err)
		}
		card, err = svc.Show(t.Context(), model, false)
		require.NoError(t, err)
		return card
	}
	tiny := testmodel.Path(t)
	create("small", "FROM "+tiny)
	first := create("first", fmt.Sprintf("FROM %s\nDRAFT %s\n", tiny, tiny))
	assert.Regexp(t, `\nDRAFT .*sha256-[0-9a-f]{64}\n`, first.Modelfile)
	named := create("named", fmt.Sprintf("FROM %s\nDRAFT small\n", tiny))
	again := create("again", first.Modelfile)
	draft := func(card *puna.ModelCard) string {
		f, err := modelfile.Parse(strings.NewReader(card.Modelfile))
		require.NoError(t, err)
		return f.Draft
	}
	assert.Equal(t, draft(first), draft(named))
	assert.Equal(t, draft(first), draft(again))
	for _, err := range svc.Generate(t.Context(), &puna.Request{Model: "again", Prompt: "hello", Options: puna.Options{NumPredict: new(20)}}) {
		require.NoError(t, err)
	}
}

// Adapters of one file name in two folders are two, in the Modelfile's order.
func TestAdaptersKeepTheirOrder(t *testing.T) {
	dir := t.TempDir()
	svc, err := local.Open(local.Options{Models: filepath.Join(dir, "models")})
	require.NoError(t, err)
	defer svc.Close()
	text := "FROM " + testmodel.Path(t) + "\n"
	folders := []string{"style", "tone", "accent"}
	for i, folder := range folders {
		path := filepath.Join(dir, folder, "adapter.gguf")
		require.NoError(t, os.Mkdir(filepath.Dir(path), 0o755))
		require.NoError(t, testmodel.WriteLora(path, testmodel.Tiny, i+1))
		text += "ADAPTER " + folder + "/adapter.gguf\n"
	}
	path := filepath.Join(dir, "Modelfile")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
	req, err := createRequest(t.Context(), svc, "m", path, newProgressBars(devNull(t)))
	require.NoError(t, err)
	for _, err := range svc.Create(t.Context(), req) {
		require.NoError(t, err)
	}
	card, err := svc.Show(t.Context(), "m", false)
	require.NoError(t, err)
	made, err := modelfile.Parse(strings.NewReader(card.Modelfile))
	require.NoError(t, err)
	require.Len(t, made.Adapters, len(folders))
	for i, folder := range folders {
		want, err := os.ReadFile(filepath.Join(dir, folder, "adapter.gguf"))
		require.NoError(t, err)
		got, err := os.ReadFile(made.Adapters[i])
		require.NoError(t, err)
		assert.True(t, bytes.Equal(want, got), "adapter %d is that of %s", i, folder)
	}
}

func devNull(t *testing.T) *os.File {
	t.Helper()
	f, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	require.NoError(t, err)
	t.Cleanup(func() { f.Close() })
	return f
}
