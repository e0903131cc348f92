// Package atomicfile replaces files in one step: they are written beside their place and
// renamed, so that no reader sees half a file, and what was there stays when writing
// fails.
package atomicfile

import (
	"bufio"
	"cmp"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// Options say how a file is written.
type Options struct {
	Temp string      // name of the temporary file, as [os.CreateTemp] takes it
	Dir  string      // folder of the temporary file, in the same file system; "": that of the file
	Mode fs.FileMode // 0: 0600, for its owner alone
	Sync bool        // the file is on disk, under its name, before Write returns
}

// Write makes what fill writes the file at path, whose folder exists. Fill may ignore the
// errors of w.
func Write(path string, o Options, fill func(w *bufio.Writer) error) error {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(cmp.Or(o.Dir, dir), o.Temp)
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // fails once it is renamed
	if err := errors.Join(o.write(f, fill), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil || !o.Sync {
		return err
	}
	return SyncDir(dir)
}

func (o Options) write(f *os.File, fill func(w *bufio.Writer) error) error {
	w := bufio.NewWriterSize(f, 1<<16)
	if err := fill(w); err != nil {
		return err
	}
	if err := w.Flush(); err != nil { // the first error of w
		return err
	}
	if o.Mode != 0 {
		if err := f.Chmod(o.Mode); err != nil {
			return err
		}
	}
	if o.Sync {
		return f.Sync()
	}
	return nil
}

// SyncDir makes renames and removals in a folder outlast a crash.
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
