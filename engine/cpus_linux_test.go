package engine

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestFastCPUs(t *testing.T) {
	plain, hybrid, arm := map[string]string{}, map[string]string{"cpu_core/cpus": "0-3\n"}, map[string]string{}
	for cpu := range 8 {
		dir := fmt.Sprintf("system/cpu/cpu%d/", cpu)
		plain[dir+"topology/thread_siblings_list"] = fmt.Sprintf("%d,%d\n", cpu%4, cpu%4+4)
		hybrid[dir+"topology/thread_siblings_list"] = fmt.Sprintf("%d\n", cpu)
		if cpu < 4 {
			hybrid[dir+"topology/thread_siblings_list"] = fmt.Sprintf("%d-%d\n", cpu/2*2, cpu/2*2+1)
		}
		arm[dir+"topology/thread_siblings_list"] = fmt.Sprintf("%d\n", cpu)
		arm[dir+"cpu_capacity"] = []string{"1024\n", "1024\n", "762\n", "762\n", "250\n", "250\n", "250\n", "250\n"}[cpu]
	}
	for _, c := range []struct {
		name  string
		files map[string]string
		cpus  []int
		cores int
	}{
		{"two threads on each core", plain, []int{0, 1, 2, 3, 4, 5, 6, 7}, 4},
		{"some of them", plain, []int{0, 4, 5}, 2},
		{"performance and efficiency cores", hybrid, []int{0, 1, 2, 3, 4, 5, 6, 7}, 2},
		{"efficiency cores alone", hybrid, []int{4, 5, 6}, 3},
		{"big and little cores", arm, []int{0, 1, 2, 3, 4, 5, 6, 7}, 4},
		{"little cores alone", arm, []int{4, 5}, 2},
		{"nothing is known", nil, []int{0, 1}, 0},
	} {
		root := tree(t, c.files)
		assert.Equal(t, c.cores, countCores(root, fastCPUs(root, c.cpus)), c.name)
	}
	assert.True(t, inCPUList("0-3,8,10-11\n", 8))
	assert.False(t, inCPUList("0-3,8,10-11\n", 9))
	assert.False(t, inCPUList("\n", 0))
}
