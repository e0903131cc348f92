package engine

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// tree writes files below a new folder.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		path := filepath.Join(root, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	}
	return root
}

func TestCgroupRoom(t *testing.T) {
	const unlimited = "9223372036854771712\n"
	for name, c := range map[string]struct {
		membership string
		files      map[string]string
		room       int64
		limited    bool
	}{
		"version 2, the pages of files can be reclaimed": {
			membership: "0::/app\n",
			files: map[string]string{
				"app/memory.max": "4000\n", "app/memory.current": "3000\n",
				"app/memory.stat": "anon 2000\nfile 900\nactive_file 300\ninactive_file 500\nshmem 100\n",
			},
			room: 1800, limited: true,
		},
		"version 2, a group above has less": {
			membership: "0::/user.slice/app.scope\n",
			files: map[string]string{
				"user.slice/app.scope/memory.max": "max\n", "user.slice/app.scope/memory.current": "100\n",
				"user.slice/memory.max": "max\n", "user.slice/memory.high": "1000\n", "user.slice/memory.current": "400\n",
			},
			room: 600, limited: true,
		},
		"version 2, in a container": {
			membership: "0::/\n",
			files:      map[string]string{"memory.max": "4000\n", "memory.current": "1000\n"},
			room:       3000, limited: true,
		},
		"version 2, over its limit": {
			membership: "0::/\n",
			files:      map[string]string{"memory.max": "4000\n", "memory.current": "5000\n"},
			room:       0, limited: true,
		},
		"version 2, without a limit": {
			membership: "0::/app\n",
			files:      map[string]string{"app/memory.max": "max\n", "app/memory.current": "5000\n"},
		},
		"version 1": {
			membership: "9:name=systemd:/\n4:cpuset,memory:/docker/1\n0::/\n",
			files: map[string]string{
				"memory/docker/1/memory.limit_in_bytes": "4000\n", "memory/docker/1/memory.usage_in_bytes": "3000\n",
				"memory/docker/1/memory.stat":  "active_file 1\ntotal_active_file 200\ntotal_inactive_file 300\n",
				"memory/memory.limit_in_bytes": unlimited, "memory/memory.usage_in_bytes": "9000\n",
			},
			room: 1500, limited: true,
		},
		"version 1, in a container that sees the host's path": {
			membership: "4:memory:/docker/1\n",
			files:      map[string]string{"memory/memory.limit_in_bytes": "4000\n", "memory/memory.usage_in_bytes": "1000\n"},
			room:       3000, limited: true,
		},
		"version 1, without a limit": {
			membership: "4:memory:/\n",
			files:      map[string]string{"memory/memory.limit_in_bytes": unlimited, "memory/memory.usage_in_bytes": "1000\n"},
		},
		"no cgroups": {membership: ""},
	} {
		t.Run(name, func(t *testing.T) {
			root := tree(t, c.files)
			membership := filepath.Join(tree(t, map[string]string{"cgroup": c.membership}), "cgroup")
			room, limited := cgroupRoom(membership, root)
			assert.Equal(t, c.limited, limited)
			if c.limited {
				assert.Equal(t, c.room, room)
			}
		})
	}
	_, limited := cgroupRoom(filepath.Join(t.TempDir(), "none"), t.TempDir())
	assert.False(t, limited)
}

func TestThisMachine(t *testing.T) {
	total, ok := kib("/proc/meminfo", "MemTotal")
	require.True(t, ok)
	free := freeMemory()
	assert.Positive(t, free)
	assert.LessOrEqual(t, free, total)
}
