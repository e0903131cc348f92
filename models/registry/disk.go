package registry

import (
	"errors"
	"io/fs"
	"path/filepath"
	"syscall"

	"github.com/ollama/ollama/format"
	"golang.org/x/sys/unix"

	"github.com/puna-ai/puna"
)

// freeSpace returns how many bytes a user may still write below a folder. Tests
// replace it.
var freeSpace = func(dir string) (int64, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return 0, err
	}
	return int64(s.Bavail) * int64(s.Bsize), nil
}

// checkSpace says early that a disk can't take so many more bytes. A file system
// that can't tell is trusted.
func checkSpace(path string, needed int64) error {
	free, err := freeSpace(filepath.Dir(path))
	if err != nil || free >= needed {
		return nil
	}
	return diskFull(path, needed, syscall.ENOSPC)
}

func diskFull(path string, needed int64, err error) error {
	have := "little"
	if free, err := freeSpace(filepath.Dir(path)); err == nil {
		have = format.HumanBytes(free)
	}
	return puna.Errorf(puna.Unavailable, "the disk is full: %s (%d bytes) more are needed in %s, which has %s left; free some and pull again, what has come is kept: %w",
		format.HumanBytes(needed), needed, filepath.Dir(path), have, err)
}

// diskError gives an error of a file its kind; needed is what was still to be written.
func diskError(path string, needed int64, err error) error {
	var known *puna.Error
	switch {
	case err == nil:
		return nil
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return diskFull(path, needed, err)
	case errors.As(err, &known):
		return err
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		return puna.Errorf(puna.Forbidden, "%w", err)
	}
	return puna.Errorf(puna.Internal, "%w", err)
}
