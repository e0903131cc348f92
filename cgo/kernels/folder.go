package kernels

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"

	"github.com/puna-ai/puna/cgo/ggml"
	"github.com/puna-ai/puna/cgo/kernels/build"
	thirdparty "github.com/puna-ai/puna/third_party"
)

// Source says where a module was found.
type Source string

const (
	FromDir        Source = "folder"     // Options.Dir
	FromEmbedded   Source = "embedded"   // in the program
	FromExecutable Source = "executable" // beside the executable
	FromCache      Source = "cache"      // the user's cache
)

// folder is a set of modules with one libggml-base.
type folder interface {
	source() Source
	name() string // for the user
	manifest() *build.Manifest
	// digest returns the SHA-256 of a file's content.
	digest(f build.File, b *book) (string, error)
	// open makes files readable by dlopen and by child processes. The paths live as
	// long as the process; base is "" where the module finds it by itself.
	open(m build.Module) (opened, error)
}

// opened is a module that can be loaded.
type opened struct {
	path, base string     // for dlopen; base is "" or must be opened first
	files      []*os.File // what path and base refer to, if they are no files of their own
}

// commit is the llama.cpp commit that modules must come from: a module shares C
// structures with the ggml linked here.
func commit() string {
	if ggml.System {
		return ggml.Commit()
	}
	return thirdparty.LlamaCommit
}

// diskFolder is a kernels folder on disk.
type diskFolder struct {
	from Source
	dir  string
	m    *build.Manifest
}

func (d *diskFolder) source() Source            { return d.from }
func (d *diskFolder) name() string              { return d.dir }
func (d *diskFolder) manifest() *build.Manifest { return d.m }

func (d *diskFolder) digest(f build.File, b *book) (string, error) {
	sum, err := b.fileDigest(filepath.Join(d.dir, f.Name))
	if err == nil && sum != f.SHA256 {
		err = fmt.Errorf("%s isn't the file that was built: its SHA-256 is %s, %s says %s; run %q",
			filepath.Join(d.dir, f.Name), sum, build.ManifestName, f.SHA256, BuildCommand)
	}
	return sum, err
}

func (d *diskFolder) open(m build.Module) (opened, error) {
	return opened{path: filepath.Join(d.dir, m.Name)}, nil // it finds its base by $ORIGIN
}

// readFolder opens dir if it holds modules for this program.
func readFolder(dir string, from Source) (*diskFolder, error) {
	dir, err := filepath.Abs(dir) // $ORIGIN and dlopen want it
	if err != nil {
		return nil, err
	}
	m, err := build.ReadManifest(dir)
	if err != nil {
		return nil, err
	}
	if m.LlamaCommit != commit() || m.Arch != runtime.GOARCH {
		return nil, fmt.Errorf("kernels in %s are for llama.cpp %s on %s, this program needs %s on %s; run %q",
			dir, m.LlamaCommit, m.Arch, commit(), runtime.GOARCH, BuildCommand)
	}
	return &diskFolder{from, dir, m}, nil
}

// findFolders returns the kernels folders in order of preference. A folder that the
// caller named must be one, others are skipped when they aren't.
func findFolders(o Options) (found []folder, notes []string, err error) {
	if o.Dir != "" {
		d, err := readFolder(o.Dir, FromDir)
		if errors.Is(err, fs.ErrNotExist) {
			err = fmt.Errorf("no kernels in %s: %w; name a folder that \"puna kernels build\" made", o.Dir, err)
		}
		if err != nil {
			return nil, nil, fmt.Errorf("kernels: %w", err)
		}
		return []folder{d}, nil, nil
	}
	if e, err := embedded(); err != nil {
		notes = append(notes, err.Error())
	} else if e != nil {
		found = append(found, e)
	}
	add := func(dir string, from Source) {
		d, err := readFolder(dir, from)
		switch {
		case err == nil:
			found = append(found, d)
		case !errors.Is(err, fs.ErrNotExist):
			notes = append(notes, err.Error())
		}
	}
	if exe, err := os.Executable(); err == nil {
		if exe, err = filepath.EvalSymlinks(exe); err == nil {
			add(filepath.Join(filepath.Dir(exe), "kernels"), FromExecutable)
			add(filepath.Join(filepath.Dir(exe), "..", "lib", "puna", "kernels"), FromExecutable)
		}
	}
	cached, err := cachedFolders(o.CacheDir)
	if err != nil {
		notes = append(notes, err.Error())
	}
	return append(found, cached...), notes, nil
}

// cachedFolders returns what "puna kernels build" made, latest first.
func cachedFolders(cacheDir string) ([]folder, error) {
	root, err := build.Dir(cacheDir)
	if err != nil {
		return nil, err
	}
	dirs, _ := filepath.Glob(filepath.Join(root, commit()+"-"+runtime.GOARCH+"-*")) // its only error is a bad pattern
	var found []*diskFolder
	var errs []error
	for _, dir := range dirs {
		d, err := readFolder(dir, FromCache)
		switch {
		case err == nil:
			found = append(found, d)
		case !errors.Is(err, fs.ErrNotExist): // being built
			errs = append(errs, err)
		}
	}
	slices.SortFunc(found, func(a, b *diskFolder) int { return b.m.BuiltAt.Compare(a.m.BuiltAt) })
	folders := make([]folder, len(found))
	for i, d := range found {
		folders[i] = d
	}
	return folders, errors.Join(errs...)
}
