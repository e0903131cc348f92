//go:build unix

package kernels

import (
	"io/fs"
	"syscall"
)

// inode returns the file's number, or 0.
func inode(info fs.FileInfo) uint64 {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return uint64(st.Ino)
	}
	return 0
}
