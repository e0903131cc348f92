package name

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/puna-ai/puna"
)

func TestParse(t *testing.T) {
	cases := []struct{ in, short, path string }{
		{"guide", "guide:latest", "registry.ollama.ai/library/guide/latest"},
		{"Qwen3:0.6b", "Qwen3:0.6b", "registry.ollama.ai/library/Qwen3/0.6b"},
		{"me/mine", "me/mine:latest", "registry.ollama.ai/me/mine/latest"},
		{"hf.co/user/repo-GGUF:Q4_K_M", "hf.co/user/repo-GGUF:Q4_K_M", "hf.co/user/repo-GGUF/Q4_K_M"},
		{"http://localhost:5000/a/b:c", "localhost:5000/a/b:c", "localhost:5000/a/b/c"},
		{"registry.ollama.ai/library/x:latest", "x:latest", "registry.ollama.ai/library/x/latest"},
	}
	for _, c := range cases {
		n, err := Parse(c.in)
		require.NoError(t, err, c.in)
		assert.Equal(t, c.short, n.String())
		assert.Equal(t, filepath.FromSlash(c.path), n.Path())
		again, ok := FromPath(n.Path())
		assert.True(t, ok)
		assert.True(t, n.EqualFold(again))
		again, err = Parse(n.String())
		require.NoError(t, err)
		assert.Equal(t, n.Full(), again.Full())
	}
	n, err := Parse("http://localhost:5000/a/b:c")
	require.NoError(t, err)
	assert.Equal(t, "http", n.Scheme)
}

func TestInvalidNames(t *testing.T) {
	for _, s := range []string{"", ":", "a b", "../x", "a/../b", "..", ".hidden", "/etc/passwd", "a/b/c/d/e", "x:", ":y", "a//b",
		"a\x00b", "-x", strings.Repeat("x", 81), "ns.with.dot/x", "ü"} {
		_, err := Parse(s)
		assert.Equal(t, puna.Invalid, puna.KindOf(err), s)
		assert.ErrorContains(t, err, "invalid model name")
	}
	for _, path := range []string{"", "x", "a/b/c", "a/b/c/d/e", "a/b/.c/d", "a/../c/d"} {
		_, ok := FromPath(filepath.FromSlash(path))
		assert.False(t, ok, path)
	}
}

func TestCase(t *testing.T) {
	a, err := Parse("Guide")
	require.NoError(t, err)
	b, err := Parse("guide:LATEST")
	require.NoError(t, err)
	assert.True(t, a.EqualFold(b))
	assert.Equal(t, a.Key(), b.Key())
	assert.NotEqual(t, a, b)
	assert.True(t, Name{}.IsZero())
	assert.Empty(t, Name{}.String())
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"guide", "hf.co/a/b:c", "http://h:1/n/m:t", "a/../b", "@sha256:x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n, err := Parse(s)
		if err != nil {
			return
		}
		require.True(t, filepath.IsLocal(n.Path()), n.Path())
		require.Len(t, strings.Split(n.Path(), string(filepath.Separator)), 4)
		again, err := Parse(n.String())
		require.NoError(t, err)
		require.Equal(t, n.Key(), again.Key())
	})
}
