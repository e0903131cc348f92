package engine

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// Pages that were read leave the process, and come back with their content.
func TestLetGo(t *testing.T) {
	path := filepath.Join(t.TempDir(), "with space.gguf")
	content := bytes.Repeat([]byte("weights "), 1<<17)
	require.NoError(t, os.WriteFile(path, content, 0o600))
	file, err := os.Open(path)
	require.NoError(t, err)
	defer file.Close()
	mapped, err := unix.Mmap(int(file.Fd()), 0, len(content), unix.PROT_READ, unix.MAP_SHARED)
	require.NoError(t, err)
	defer unix.Munmap(mapped)

	require.True(t, bytes.Equal(content, mapped))
	require.Equal(t, "1024 kB", rss(t, path))
	link := filepath.Join(t.TempDir(), "link.gguf")
	require.NoError(t, os.Symlink(path, link))
	require.NoError(t, letGo(link))
	require.Equal(t, "0 kB", rss(t, path))
	require.True(t, bytes.Equal(content, mapped))
	require.Error(t, letGo(path+"x"))
}

// rss is what /proc/self/smaps says of a mapped file.
func rss(t *testing.T, path string) string {
	smaps, err := os.ReadFile("/proc/self/smaps")
	require.NoError(t, err)
	_, after, found := strings.Cut(string(smaps), path+"\n")
	require.True(t, found)
	_, after, _ = strings.Cut(after, "Rss:")
	line, _, _ := strings.Cut(after, "\n")
	return strings.TrimSpace(line)
}
