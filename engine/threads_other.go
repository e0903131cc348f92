//go:build !linux

package engine

// physicalCPUs is unknown here.
func physicalCPUs() int { return 0 }
