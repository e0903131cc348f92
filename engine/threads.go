package engine

import "runtime"

// Threads is the default number of compute threads: the physical CPUs that this
// process may run on (its affinity), without efficiency cores, and no more than
// GOMAXPROCS, which Go sets by the cgroup's limit. Two threads on one physical CPU would
// wait for each other.
func Threads() int {
	n := physicalCPUs()
	if n == 0 {
		n = runtime.NumCPU()
	}
	return max(1, min(n, runtime.GOMAXPROCS(0)))
}
