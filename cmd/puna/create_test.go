package main

import (
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
	out, err := os.Create(filepath.Join(dir, "progress"))
	require.NoError(t, err)
	defer out.Close()
	path := filepath.Join(dir, "Modelfile")
	create := func(model, text string) (card *puna.ModelCard) {
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
		req, err := createRequest(t.Context(), svc, model, path, newProgressBars(out))
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
