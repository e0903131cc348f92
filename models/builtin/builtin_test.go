package builtin

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/puna-ai/puna/models/gguf"
	"github.com/puna-ai/puna/models/modelfile"
)

func guide(t *testing.T) *Model {
	m, ok := Get("guide")
	require.True(t, ok)
	return m
}

func TestNames(t *testing.T) {
	assert.Equal(t, []string{"guide"}, Names())
	_, ok := Get("nothing")
	assert.False(t, ok)
}

func TestGGUFIsValidAndHonest(t *testing.T) {
	m := guide(t)
	assert.Less(t, m.Size(), int64(10<<20))
	f, err := gguf.Read(m.Open(), m.Size(), "guide", gguf.Options{})
	require.NoError(t, err)
	require.NoError(t, f.Validate())
	assert.InDelta(t, 6.3e6, float64(f.ParameterCount()), 0.05e6, "doc.go and the model's own description say 6.3 million")
	about := f.String("general.description")
	assert.Contains(t, about, "6.3 million parameters")
	assert.Contains(t, about, "no general assistant")
	assert.Equal(t, "mit", f.String("general.license"))
}

func TestModelfileParses(t *testing.T) {
	f, err := modelfile.Parse(strings.NewReader(guide(t).Modelfile))
	require.NoError(t, err)
	assert.Contains(t, f.Template, "<|im_start|>")
	assert.Contains(t, f.Template, ".Suffix")
}

func TestFileIsWrittenOnceAndRepaired(t *testing.T) {
	m, dir := guide(t), filepath.Join(t.TempDir(), "not", "there", "yet")
	path, err := m.File(dir)
	require.NoError(t, err)
	assert.Regexp(t, regexp.MustCompile(`guide-[0-9a-f]{16}\.gguf$`), path)
	want, err := io.ReadAll(m.Open())
	require.NoError(t, err)
	same := func() {
		t.Helper()
		got, err := os.ReadFile(path)
		require.NoError(t, err)
		assert.True(t, bytes.Equal(want, got))
		entries, err := os.ReadDir(dir)
		require.NoError(t, err)
		assert.Len(t, entries, 1, "nothing else is left in the folder")
	}
	same()
	before, err := os.Stat(path)
	require.NoError(t, err)
	_, err = m.File(dir)
	require.NoError(t, err)
	after, err := os.Stat(path)
	require.NoError(t, err)
	assert.True(t, os.SameFile(before, after), "a good file is left alone")

	require.NoError(t, os.Truncate(path, 100))
	_, err = m.File(dir)
	require.NoError(t, err)
	same()
	damaged := bytes.Clone(want)
	damaged[len(damaged)/2] ^= 1
	require.NoError(t, os.WriteFile(path, damaged, 0o644))
	_, err = m.File(dir)
	require.NoError(t, err)
	same()
}

func TestFileFromManyAtOnce(t *testing.T) {
	m, dir := guide(t), t.TempDir()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			path, err := m.File(dir)
			if assert.NoError(t, err) {
				info, err := os.Stat(path)
				assert.NoError(t, err)
				assert.Equal(t, m.Size(), info.Size())
			}
		})
	}
	wg.Wait()
}

func TestFileSaysWhereItFails(t *testing.T) {
	blocked := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(blocked, nil, 0o644))
	_, err := guide(t).File(blocked)
	require.Error(t, err)
	assert.Contains(t, err.Error(), "guide can't be unpacked")
	assert.Contains(t, err.Error(), blocked)
}
