//go:build !linux

package engine

// physicalCPUs is unknown here.
func physicalCPUs() int { return 0 }

// freeMemory is unknown here.
func freeMemory() int64 { return 0 }

// ownMemory is unknown here.
func ownMemory() int64 { return 0 }
