package snapshot

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var scope = NewScope("model", "llama.cpp")

func open(t testing.TB, limit int64) *Dir {
	t.Helper()
	d, err := Open(filepath.Join(t.TempDir(), "cache"), limit)
	require.NoError(t, err)
	return d
}

func write(t testing.TB, d *Dir, tokens []int32, state []byte) Entry {
	t.Helper()
	e, err := d.Write(scope, tokens, state)
	require.NoError(t, err)
	return e
}

func TestWhatIsWrittenIsRead(t *testing.T) {
	d := open(t, 1<<20)
	state := bytes.Repeat([]byte("state"), 100)
	write(t, d, []int32{1, 2, -1}, []byte("older"))
	write(t, d, []int32{1, 2, -1}, state)

	again, err := Open(d.path, 1<<20)
	require.NoError(t, err)
	list, err := again.List(scope)
	require.NoError(t, err)
	require.Len(t, list, 1)
	assert.Equal(t, []int32{1, 2, -1}, list[0].Tokens)
	got := make([]byte, list[0].Size)
	require.NoError(t, again.Read(list[0], got))
	assert.Equal(t, state, got)

	info, err := os.Stat(list[0].path)
	require.NoError(t, err)
	assert.Equal(t, fs.FileMode(0o600), info.Mode())
	assert.True(t, d.Touch(scope, []int32{1, 2, -1}))
	assert.False(t, d.Touch(scope, []int32{1, 2}), "another's prefix")
	other, err := d.List(NewScope("model", "a newer llama.cpp"))
	require.NoError(t, err)
	assert.Empty(t, other)
	require.NoError(t, d.Remove(list[0]))
	require.NoError(t, d.Remove(list[0]))
	assert.ErrorIs(t, d.Read(list[0], got), fs.ErrNotExist)
}

func TestPartsOfAScopeDontRunTogether(t *testing.T) {
	assert.NotEqual(t, NewScope("ab", "c"), NewScope("a", "bc"))
}

// A file of which any byte is changed, or that ends early anywhere, is never taken for
// what was written, and it is removed.
func TestDamagedFilesAreRemoved(t *testing.T) {
	d := open(t, 1<<20)
	tokens, state := []int32{7, 8, 9}, []byte("the state of three tokens")
	whole := func() []byte {
		data, err := os.ReadFile(write(t, d, tokens, state).path)
		require.NoError(t, err)
		return data
	}()
	check := func(data []byte) {
		e := write(t, d, tokens, state)
		require.NoError(t, os.WriteFile(e.path, data, 0o600))
		require.ErrorIs(t, d.Read(e, make([]byte, e.Size)), ErrDamaged)
		require.NoFileExists(t, e.path)

		require.NoError(t, os.WriteFile(e.path, data, 0o600))
		list, err := d.List(scope)
		require.NoError(t, err)
		if len(list) == 1 { // only the state is damaged
			require.Equal(t, tokens, list[0].Tokens)
			require.ErrorIs(t, d.Read(list[0], make([]byte, list[0].Size)), ErrDamaged)
		}
		require.NoFileExists(t, e.path)
	}
	for i := range whole {
		check(whole[:i])
		bent := bytes.Clone(whole)
		bent[i] ^= 1 << (i % 8)
		check(bent)
	}
	check(append(bytes.Clone(whole), 0))
}

func TestLeastRecentlyUsedFilesGo(t *testing.T) {
	state := make([]byte, 1000)
	d := open(t, 3*fileSize(1, 1000))
	var entries []Entry
	for i := range int32(3) {
		e := write(t, d, []int32{i}, state)
		old := time.Now().Add(time.Duration(i-10) * time.Minute)
		require.NoError(t, os.Chtimes(e.path, old, old))
		entries = append(entries, e)
	}
	require.NoError(t, d.Read(entries[0], state))
	write(t, d, []int32{3}, state)
	assert.FileExists(t, entries[0].path)
	assert.NoFileExists(t, entries[1].path)
	assert.FileExists(t, entries[2].path)

	_, err := d.Write(scope, []int32{4}, make([]byte, 5000))
	assert.ErrorContains(t, err, "larger than the cache")
	assert.FileExists(t, entries[0].path)
}

func TestCrashesLeaveNothingForEver(t *testing.T) {
	d := open(t, 1<<20)
	e := write(t, d, []int32{1}, nil)
	left := filepath.Join(filepath.Dir(e.path), temporary+"123")
	require.NoError(t, os.WriteFile(left, []byte("half"), 0o600))
	write(t, d, []int32{2}, nil)
	assert.FileExists(t, left, "another process may be writing it")
	old := time.Now().Add(-2 * time.Hour)
	require.NoError(t, os.Chtimes(left, old, old))
	write(t, d, []int32{3}, nil)
	assert.NoFileExists(t, left)
}

func TestAFolderThatCannotBe(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	_, err := Open(file, 1)
	assert.Error(t, err)
	_, err = Open(t.TempDir(), 0)
	assert.ErrorContains(t, err, "must be positive")
}

func FuzzRead(f *testing.F) {
	d := open(f, 1<<20)
	data, err := os.ReadFile(write(f, d, []int32{1, 2}, []byte("state")).path)
	require.NoError(f, err)
	f.Add(data)
	f.Fuzz(func(t *testing.T, data []byte) {
		e := write(t, d, []int32{1, 2}, []byte("state"))
		require.NoError(t, os.WriteFile(e.path, data, 0o600))
		list, err := d.List(scope)
		require.NoError(t, err)
		for _, e := range list {
			if d.Read(e, make([]byte, e.Size)) == nil {
				require.Equal(t, fileSize(len(e.Tokens), e.Size), int64(len(data)))
			}
		}
	})
}
