package create

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/puna-ai/puna"
	"github.com/puna-ai/puna/internal/testmodel"
	"github.com/puna-ai/puna/models/info"
	"github.com/puna-ai/puna/models/modelfile"
)

func drafter(t *testing.T) string {
	s := testmodel.Tiny
	s.Name, s.Embd, s.Layers, s.FF, s.Seed = "other", 128, 1, 128, 7
	return testmodel.PathOf(t, s)
}

func TestDraft(t *testing.T) {
	c := newCreator(t)
	c.AllowPaths = true
	small := drafter(t)
	files := map[string]string{"tiny.gguf": upload(t, c, testmodel.Path(t))}
	digest := upload(t, c, small)
	must(t, c, &puna.CreateRequest{Model: "small", Files: map[string]string{"small.gguf": digest}})
	blob := "sha256-" + strings.TrimPrefix(digest, "sha256:")
	for name, draft := range map[string]string{"by-digest": digest, "by-name": "small", "by-path": small} {
		must(t, c, &puna.CreateRequest{Model: name, Files: files, Draft: draft})
		m, err := c.Store.Resolve(name)
		require.NoError(t, err)
		assert.True(t, strings.HasSuffix(m.Draft, blob), m.Draft)
		want, err := os.ReadFile(small)
		require.NoError(t, err)
		got, err := os.ReadFile(m.Draft)
		require.NoError(t, err)
		assert.Equal(t, want, got)
	}

	must(t, c, &puna.CreateRequest{Model: "child", From: "by-name", System: "x"})
	m, err := c.Store.Resolve("child")
	require.NoError(t, err)
	assert.True(t, strings.HasSuffix(m.Draft, blob), "a model keeps its base's draft")
	f, err := modelfile.Parse(strings.NewReader(info.Modelfile(m)))
	require.NoError(t, err)
	assert.Equal(t, m.Draft, f.Draft)

	must(t, c, &puna.CreateRequest{Model: "again", From: "child", Draft: testmodel.Path(t)})
	m, err = c.Store.Resolve("again")
	require.NoError(t, err)
	assert.Equal(t, m.Path, m.Draft, "or takes another")
}

func TestDraftsThatAreWrong(t *testing.T) {
	c := newCreator(t)
	files := map[string]string{"tiny.gguf": upload(t, c, testmodel.Path(t))}
	strange := testmodel.Tiny
	strange.Name, strange.Vocab = "small", 1024
	for _, w := range []struct {
		draft, text string
		kind        puna.Kind
	}{
		{upload(t, c, testmodel.PathOf(t, strange)), "can't draft for tiny.gguf, since they have 1024 and 2048 tokens", puna.Invalid},
		{"none", "model 'none:latest' not found", puna.NotFound},
		{"sha256:" + strings.Repeat("0", 64), "", puna.NotFound},
		{drafter(t), "", puna.Invalid},
	} {
		_, err := run(t.Context(), c, &puna.CreateRequest{Model: "m", Files: files, Draft: w.draft})
		assert.ErrorContains(t, err, w.text)
		assert.Equal(t, w.kind, puna.KindOf(err), "%v", err)
	}
}
