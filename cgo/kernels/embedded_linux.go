//go:build puna_embed_kernels && linux

package kernels

import (
	"archive/tar"
	"bytes"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"sync"

	"github.com/klauspost/compress/zstd"
	"golang.org/x/sys/unix"

	"github.com/puna-ai/puna/cgo/kernels/build"
)

// archive is what build.Archive made of a kernels folder: the manifest, then its
// files.
//
//go:embed embedded/kernels.tar.zst
var archive []byte

// memory is the kernels folder in this program. Its files are written to memory
// when they are needed. Their descriptors stay open for the life of the process:
// the dynamic loader knows a library by its path, and would take a later file with
// the same descriptor for the one it has.
type memory struct {
	m  *build.Manifest
	mu sync.Mutex
	at map[string]*os.File // by name in the archive
}

var theMemory = sync.OnceValues(func() (*memory, error) {
	e := &memory{m: new(build.Manifest), at: map[string]*os.File{}}
	err := readArchive(func(name string, r io.Reader) (more bool, err error) {
		if name != build.ManifestName {
			return false, fmt.Errorf("begins with %s, want %s", name, build.ManifestName)
		}
		return false, json.NewDecoder(r).Decode(e.m)
	})
	if err == nil && (e.m.LlamaCommit != commit() || e.m.Arch != runtime.GOARCH) {
		err = fmt.Errorf("is for llama.cpp %s on %s, want %s on %s", e.m.LlamaCommit, e.m.Arch, commit(), runtime.GOARCH)
	}
	if err != nil {
		return nil, fmt.Errorf("the kernels in this program can't be used: %w", err)
	}
	return e, nil
})

// embedded returns the modules in this program.
func embedded() (folder, error) {
	e, err := theMemory()
	if err != nil {
		return nil, err
	}
	return e, nil
}

func (e *memory) source() Source            { return FromEmbedded }
func (e *memory) name() string              { return "this program" }
func (e *memory) manifest() *build.Manifest { return e.m }

// digest trusts the manifest: it comes out of the same checksummed archive.
func (e *memory) digest(f build.File, _ *book) (string, error) { return f.SHA256, nil }

func (e *memory) open(m build.Module) (opened, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.unpack(m.Name, e.m.Base.Name); err != nil {
		return opened{}, fmt.Errorf("unpack %s from this program: %w", m.Name, err)
	}
	module, base := e.at[m.Name], e.at[e.m.Base.Name]
	return opened{path: fdPath(module), base: fdPath(base), files: []*os.File{module, base}}, nil
}

func fdPath(f *os.File) string { return fmt.Sprintf("/proc/self/fd/%d", f.Fd()) }

// unpack writes those of the named files to memory that aren't there yet.
func (e *memory) unpack(names ...string) error {
	missing := map[string]bool{}
	for _, name := range names {
		if e.at[name] == nil {
			missing[name] = true
		}
	}
	if len(missing) == 0 {
		return nil
	}
	err := readArchive(func(name string, r io.Reader) (more bool, err error) {
		if !missing[name] {
			return true, nil
		}
		f, err := memoryFile(name, r)
		if err != nil {
			return false, err
		}
		e.at[name] = f
		delete(missing, name)
		return len(missing) > 0, nil
	})
	if err == nil && len(missing) > 0 {
		err = errors.New("the archive lacks it")
	}
	return err
}

func memoryFile(name string, r io.Reader) (*os.File, error) {
	fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC|unix.MFD_NOEXEC_SEAL) // mapped, never executed
	if errors.Is(err, unix.EINVAL) {
		fd, err = unix.MemfdCreate(name, unix.MFD_CLOEXEC) // Linux before 6.3
	}
	if err != nil {
		return nil, fmt.Errorf("memfd_create: %w", err)
	}
	f := os.NewFile(uintptr(fd), name)
	if _, err := io.Copy(f, r); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// readArchive calls visit for each file until it wants no more.
func readArchive(visit func(name string, r io.Reader) (more bool, err error)) error {
	z, err := zstd.NewReader(bytes.NewReader(archive), zstd.WithDecoderConcurrency(1)) // not ahead of what is read
	if err != nil {
		return err
	}
	defer z.Close()
	t := tar.NewReader(z)
	for {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if more, err := visit(h.Name, t); err != nil || !more {
			return err
		}
	}
}
