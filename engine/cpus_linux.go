package engine

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// physicalCPUs counts the physical CPUs in the process's affinity; 0: unknown. Where
// some are slower by design, only the fast ones count: every step of a graph waits for
// the last thread.
func physicalCPUs() int {
	var set unix.CPUSet
	if unix.SchedGetaffinity(0, &set) != nil {
		return 0
	}
	var cpus []int
	for cpu := 0; len(cpus) < set.Count(); cpu++ {
		if set.IsSet(cpu) {
			cpus = append(cpus, cpu)
		}
	}
	return countCores("/sys/devices", fastCPUs("/sys/devices", cpus))
}

// countCores counts the physical CPUs that logical ones belong to; 0: unknown.
func countCores(devices string, cpus []int) int {
	cores := map[string]bool{}
	for _, cpu := range cpus {
		siblings, err := os.ReadFile(filepath.Join(cpuDir(devices, cpu), "topology/thread_siblings_list"))
		if err != nil {
			return 0
		}
		cores[strings.TrimSpace(string(siblings))] = true
	}
	return len(cores)
}

func cpuDir(devices string, cpu int) string {
	return filepath.Join(devices, "system/cpu/cpu"+strconv.Itoa(cpu))
}

// fastCPUs leaves out efficiency cores: those that aren't in Intel's list of
// performance cores, and Arm's with less than half of the largest capacity. A process
// that may run on no other keeps them.
func fastCPUs(devices string, cpus []int) []int {
	fast := slices.Clone(cpus)
	if list, err := os.ReadFile(filepath.Join(devices, "cpu_core/cpus")); err == nil {
		fast = slices.DeleteFunc(fast, func(cpu int) bool { return !inCPUList(string(list), cpu) })
	}
	capacity := func(cpu int) int64 {
		n, _ := number(filepath.Join(cpuDir(devices, cpu), "cpu_capacity"))
		return n
	}
	var most int64
	for _, cpu := range fast {
		most = max(most, capacity(cpu))
	}
	fast = slices.DeleteFunc(fast, func(cpu int) bool { return 2*capacity(cpu) < most })
	if len(fast) == 0 {
		return cpus
	}
	return fast
}

// inCPUList reads the kernel's "0-3,8,10-11".
func inCPUList(list string, cpu int) bool {
	for part := range strings.SplitSeq(strings.TrimSpace(list), ",") {
		from, to, isRange := strings.Cut(part, "-")
		if !isRange {
			to = from
		}
		lo, err := strconv.Atoi(from)
		hi, err2 := strconv.Atoi(to)
		if err == nil && err2 == nil && cpu >= lo && cpu <= hi {
			return true
		}
	}
	return false
}
