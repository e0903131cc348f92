//go:build unix

package engine

import "golang.org/x/sys/unix"

func allocate(n int) ([]byte, error) {
	return unix.Mmap(-1, 0, n, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
}

func release(b []byte) { unix.Munmap(b) } // fails only for what allocate didn't return
