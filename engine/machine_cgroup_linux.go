package engine

import (
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// hierarchy is where a version of cgroups keeps what we read (the kernel's
// admin-guide/cgroup-v2 and cgroup-v1/memory).
type hierarchy struct {
	mount  string   // below /sys/fs/cgroup
	limits []string // files with a limit in bytes, or "max"
	usage  string
	cache  []string // lines of memory.stat: pages of files, which are reclaimed first
}

var (
	cgroup2 = hierarchy{limits: []string{"memory.max", "memory.high"}, usage: "memory.current",
		cache: []string{"active_file", "inactive_file"}}
	cgroup1 = hierarchy{mount: "memory", limits: []string{"memory.limit_in_bytes"}, usage: "memory.usage_in_bytes",
		cache: []string{"total_active_file", "total_inactive_file"}}
)

// cgroupRoom is the memory that the cgroups of a process let it have besides what is in
// use, in bytes; ok is false where nothing limits it. membership is /proc/PID/cgroup.
func cgroupRoom(membership, root string) (room int64, ok bool) {
	text, err := os.ReadFile(membership)
	if err != nil {
		return 0, false
	}
	room = math.MaxInt64
	for line := range strings.Lines(string(text)) {
		// 4:memory:/docker/1234 in version 1, 0::/user.slice/app.scope in version 2
		fields := strings.SplitN(strings.TrimSpace(line), ":", 3)
		switch {
		case len(fields) < 3:
		case fields[0] == "0" && fields[1] == "":
			for _, mount := range []string{"", "unified"} {
				h := cgroup2
				h.mount = mount
				room = min(room, h.room(root, fields[2]))
			}
		case hasController(fields[1], "memory"):
			room = min(room, cgroup1.room(root, fields[2]))
		}
	}
	return room, room < math.MaxInt64
}

func hasController(list, name string) bool {
	for c := range strings.SplitSeq(list, ",") {
		if c == name {
			return true
		}
	}
	return false
}

// room is the least room of a group and those above it. In a container the group's path
// may be one that only the host sees: then the mount itself is the container's group.
func (h hierarchy) room(root, group string) int64 {
	least := int64(math.MaxInt64)
	for group = filepath.Clean("/" + group); ; group = filepath.Dir(group) {
		least = min(least, h.roomOf(filepath.Join(root, h.mount, group)))
		if group == "/" {
			return least
		}
	}
}

func (h hierarchy) roomOf(dir string) int64 {
	limit := int64(math.MaxInt64)
	for _, file := range h.limits {
		if n, ok := number(filepath.Join(dir, file)); ok {
			limit = min(limit, n)
		}
	}
	used, ok := number(filepath.Join(dir, h.usage))
	if !ok || limit > math.MaxInt64/2 { // version 1 writes the largest multiple of a page for no limit
		return math.MaxInt64
	}
	return max(0, limit-used+h.reclaimable(filepath.Join(dir, "memory.stat")))
}

// reclaimable sums pages of files: they count as used but make room when it is needed.
func (h hierarchy) reclaimable(path string) (sum int64) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		for _, c := range h.cache {
			if n, err := strconv.ParseInt(value, 10, 64); name == c && err == nil {
				sum += n
			}
		}
	}
	return sum
}

// number reads a file with one number; ok is false for "max" and where there is none.
func number(path string) (n int64, ok bool) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, false
	}
	n, err = strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	return n, err == nil
}
