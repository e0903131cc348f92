package engine

import (
	"os"
	"runtime/metrics"
	"strconv"
	"strings"
)

// freeMemory is what this process can have without swapping, in bytes: what the kernel
// says is available, and no more than its cgroups allow; 0: unknown.
func freeMemory() int64 {
	free, ok := kib("/proc/meminfo", "MemAvailable")
	if !ok {
		return 0
	}
	if room, ok := cgroupRoom("/proc/self/cgroup", "/sys/fs/cgroup"); ok {
		free = min(free, room)
	}
	return max(free, 1) // 0 would mean unknown
}

// ownMemory is the anonymous memory that this process has in use outside Go's heap, in
// bytes.
func ownMemory() int64 {
	anonymous, _ := kib("/proc/self/status", "RssAnon")
	s := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	metrics.Read(s)
	return max(0, anonymous-int64(s[0].Value.Uint64()-s[1].Value.Uint64()))
}

// kib reads a line such as "MemAvailable: 1234 kB", in bytes.
func kib(path, name string) (bytes int64, ok bool) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, false
	}
	for line := range strings.Lines(string(text)) {
		if rest, found := strings.CutPrefix(line, name+":"); found {
			n, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
			return n << 10, err == nil
		}
	}
	return 0, false
}
