package build

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	thirdparty "github.com/puna-ai/puna/third_party"
)

// Options say what to build and where. The zero value builds the Default
// variants into the user's cache.
type Options struct {
	CacheDir  string   // the cache folder of the user; zero is os.UserCacheDir
	Variants  []string // names of Variants, "all", or CUDA; zero is Default
	Jobs      int      // compilers at a time; zero is the number of CPUs
	OllamaDir string   // folder of the pinned module; zero asks the go command
	CC, CXX   string   // compilers; zero is gcc and g++, else clang, else cc
	NVCC      string   // the CUDA compiler; zero is nvcc, else /usr/local/cuda/bin/nvcc
	CUDAArch  string   // CMAKE_CUDA_ARCHITECTURES; zero is native: the cards of this machine

	Log      *slog.Logger          // zero is slog.Default
	Progress func(done, total int) // compile steps; called from another goroutine, one call at a time
}

// A Result is a finished kernels folder.
type Result struct {
	Dir      string
	Manifest *Manifest
	Built    []string // variants compiled by this call; none when all were there
}

// Dir returns the folder below which kernels folders lie, one for each key. An
// empty cacheDir is os.UserCacheDir.
func Dir(cacheDir string) (string, error) { return productDir(cacheDir, "kernels") }

// Build makes sure that the kernels folder of these options holds the variants
// asked for, and compiles those that are missing or damaged. It may be called
// by several goroutines and processes at once.
func Build(ctx context.Context, o Options) (Result, error) {
	want, err := resolve(o.Variants, runtime.GOARCH)
	if err != nil {
		return Result{}, err
	}
	b, err := begin(ctx, &o, "kernels", kernelFlags(), slices.Contains(want, CUDA))
	if err != nil {
		return Result{}, err
	}
	defer b.end()
	res := Result{Dir: b.dst, Manifest: b.current()}
	for _, v := range want {
		if !b.has(res.Manifest, v) {
			res.Built = append(res.Built, v)
		}
	}
	if len(res.Built) == 0 {
		return res, nil
	}
	o.Log.Info("building kernels", "variants", res.Built, "compiler", b.tools.compiler, "dir", b.dst)
	start := time.Now()
	if err := b.compile(ctx, res.Manifest, res.Built); err != nil {
		return Result{}, fmt.Errorf("build kernels: %w", err)
	}
	o.Log.Info("built kernels", "variants", res.Built, "seconds", int(time.Since(start).Seconds()))
	return res, nil
}

func kernelFlags() []string {
	return []string{"-DPUNA_PRODUCT=kernels", "-DCMAKE_BUILD_TYPE=Release",
		// Given, so that the environment's CFLAGS and the like stay out.
		"-DCMAKE_C_FLAGS=", "-DCMAKE_CXX_FLAGS=", "-DCMAKE_CUDA_FLAGS=",
		"-DCMAKE_SHARED_LINKER_FLAGS=", "-DCMAKE_MODULE_LINKER_FLAGS="}
}

// job is one build of one product under the cache's lock.
type job struct {
	tree
	source string // the pinned module's folder
	dst    string // where the product goes: <cache>/puna/<product>/<key>
	unlock func()
}

// begin finds tools and sources, takes the lock and makes the folder to build in.
func begin(ctx context.Context, o *Options, product string, flags []string, cuda bool) (*job, error) {
	if runtime.GOOS != "linux" {
		return nil, fmt.Errorf("build %s: %w on %s: modules are built on Linux", product, errors.ErrUnsupported, runtime.GOOS)
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.CUDAArch == "" {
		o.CUDAArch = "native"
	}
	if o.Jobs <= 0 {
		o.Jobs = runtime.NumCPU()
	}
	tools, err := findTools(ctx, o, cuda)
	if err != nil {
		return nil, err
	}
	source, commit, err := findSource(ctx, o.OllamaDir)
	if err != nil {
		return nil, err
	}
	dir, err := productDir(o.CacheDir, product)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	unlock, err := lock(ctx, filepath.Join(dir, ".lock"), func() {
		o.Log.Info("another build is running; waiting for it", "dir", dir)
	})
	if err != nil {
		return nil, err
	}
	j := &job{source: source, dst: filepath.Join(dir, key(product, commit, tools.compiler, flags)), unlock: unlock}
	j.tree = tree{o: o, tools: tools, flags: flags}
	if err := j.makeTree(dir); err != nil {
		unlock()
		return nil, err
	}
	return j, nil
}

// makeTree makes the folder to build in, inside the cache so that a rename can
// move files out of it. What a killed build left is removed: the lock is held.
func (j *job) makeTree(dir string) error {
	stale, _ := filepath.Glob(filepath.Join(dir, ".build-*"))
	for _, s := range stale {
		os.RemoveAll(s)
	}
	tmp, err := os.MkdirTemp(dir, ".build-")
	j.dir = tmp
	return err
}

func (j *job) end() {
	os.RemoveAll(j.dir)
	j.unlock()
}

func productDir(cacheDir, product string) (string, error) {
	if cacheDir == "" {
		user, err := os.UserCacheDir()
		if err != nil {
			return "", fmt.Errorf("no cache folder: %w", err)
		}
		cacheDir = user
	}
	return filepath.Join(cacheDir, "puna", product), nil
}

// cmakeFilesOf lists the CMake files that a product is made by.
var cmakeFilesOf = map[string][]string{
	"kernels":  {"CMakeLists.txt", "kernels.cmake", "variants.cmake"},
	"libllama": {"CMakeLists.txt", "libllama.cmake", "llama.pc.in"},
}

// key names a product's folder by everything that shapes its content.
func key(product, commit, compiler string, flags []string) string {
	h := sha256.New()
	fmt.Fprintf(h, "%s\n%s\n%q\n", commit, compiler, flags)
	for _, name := range cmakeFilesOf[product] {
		data, err := fs.ReadFile(cmakeFiles(), name)
		if err != nil {
			panic(err) // embedded
		}
		fmt.Fprintf(h, "%s %d\n%s", name, len(data), data)
	}
	return fmt.Sprintf("%s-%s-%s", commit, runtime.GOARCH, hex.EncodeToString(h.Sum(nil))[:12])
}

func cmakeFiles() fs.FS { return thirdparty.CMake }
