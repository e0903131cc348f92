//go:build !unix

package kernels

import "io/fs"

// inode returns the file's number, or 0.
func inode(fs.FileInfo) uint64 { return 0 }
