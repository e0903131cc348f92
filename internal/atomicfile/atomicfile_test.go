package atomicfile

import (
	"bufio"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func text(s string) func(*bufio.Writer) error {
	return func(w *bufio.Writer) error { w.WriteString(s); return nil }
}

func names(t *testing.T, dir string) (all []string) {
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return all
}

func TestWrite(t *testing.T) {
	dir, other := t.TempDir(), t.TempDir()
	path := filepath.Join(dir, "file")
	for _, c := range []struct {
		o    Options
		mode fs.FileMode
	}{
		{Options{Temp: ".tmp-"}, 0o600},
		{Options{Temp: ".tmp-*.json", Mode: 0o644, Sync: true}, 0o644},
		{Options{Dir: other, Mode: 0o640}, 0o640},
	} {
		temp := filepath.Join(dir, ".tmp-*")
		if c.o.Dir != "" {
			temp = filepath.Join(other, "*")
		}
		require.NoError(t, Write(path, c.o, func(w *bufio.Writer) error {
			while, err := filepath.Glob(temp)
			require.NoError(t, err)
			assert.Len(t, while, 1)
			return text("new")(w)
		}))
		data, err := os.ReadFile(path)
		require.NoError(t, err)
		assert.Equal(t, "new", string(data))
		info, err := os.Stat(path)
		require.NoError(t, err)
		assert.Equal(t, c.mode, info.Mode())
		assert.Equal(t, []string{"file"}, names(t, dir))
		assert.Empty(t, names(t, other))
	}
}

// Whatever fails, the old file stays and nothing lies beside it.
func TestFailuresLeaveTheOldFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	require.NoError(t, Write(path, Options{}, text("old")))
	broken := errors.New("broken")
	assert.ErrorIs(t, Write(path, Options{}, func(w *bufio.Writer) error { w.WriteString("half"); return broken }), broken)
	assert.ErrorIs(t, Write(path, Options{Dir: filepath.Join(dir, "none")}, text("new")), fs.ErrNotExist)
	assert.Error(t, Write(filepath.Dir(dir), Options{Dir: dir}, text("new")), "a folder is in its place")
	assert.ErrorIs(t, SyncDir(filepath.Join(dir, "none")), fs.ErrNotExist)

	data, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, "old", string(data))
	assert.Equal(t, []string{"file"}, names(t, dir))
}
