package build

import (
	"archive/tar"
	"bytes"
	"context"
	"debug/elf"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"

	thirdparty "github.com/puna-ai/puna/third_party"
)

// plain is the variant that compiles fastest and runs everywhere.
func plain() string { return Variants(runtime.GOARCH)[0].Name }

// TestBuild compiles libggml-base and one variant for real, by two callers at
// once, then again after damage.
func TestBuild(t *testing.T) {
	if testing.Short() {
		t.Skip("compiles for half a minute: run without -short")
	}
	var steps atomic.Int64
	options := Options{
		CacheDir: t.TempDir(),
		Variants: []string{plain()},
		Log:      slog.New(slog.DiscardHandler),
		Progress: func(done, total int) {
			if done < 1 || done > total {
				t.Errorf("step %d of %d", done, total)
			}
			steps.Add(1)
		},
	}
	results := make([]Result, 2)
	errs := make([]error, 2)
	var wg sync.WaitGroup
	for i := range results {
		wg.Go(func() { results[i], errs[i] = Build(t.Context(), options) })
	}
	wg.Wait()
	require.NoError(t, errors.Join(errs...))
	require.Len(t, append(results[0].Built, results[1].Built...), 1, "one of the two compiles")
	require.Equal(t, results[0].Dir, results[1].Dir)
	require.Positive(t, steps.Load())

	dir := results[0].Dir
	t.Run("manifest", func(t *testing.T) { checkFolder(t, dir) })
	t.Run("module", func(t *testing.T) { checkModule(t, filepath.Join(dir, "libggml-cpu-"+plain()+".so")) })
	t.Run("archive", func(t *testing.T) { checkArchive(t, dir) })
	t.Run("damage", func(t *testing.T) {
		require.NoError(t, os.Truncate(filepath.Join(dir, "libggml-cpu-"+plain()+".so"), 100))
		m, err := ReadManifest(dir)
		require.NoError(t, err)
		require.ErrorContains(t, m.Verify(dir), "has digest")
		require.Error(t, Archive(io.Discard, dir))
		require.ErrorIs(t, cancelledBuild(t, options), errStop, "compiles again")
	})
}

var errStop = errors.New("stop")

// cancelledBuild ends a build when it compiles its first file.
func cancelledBuild(t *testing.T, options Options) error {
	ctx, cancel := context.WithCancelCause(t.Context())
	options.Progress = func(int, int) { cancel(errStop) }
	_, err := Build(ctx, options)
	return err
}

func checkFolder(t *testing.T, dir string) {
	m, err := ReadManifest(dir)
	require.NoError(t, err)
	require.NoError(t, m.Verify(dir))
	require.Equal(t, thirdparty.LlamaCommit, m.LlamaCommit)
	require.Equal(t, runtime.GOARCH, m.Arch)
	require.NotEmpty(t, m.Compiler)
	mod, ok := m.Module(plain())
	require.True(t, ok)
	require.Equal(t, "cpu", mod.Backend)
	require.False(t, m.BuiltAt.IsZero())
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, entries, 3, "manifest, base, module")
}

// checkModule looks at what the loader will do with a module: its base comes
// from beside it and from nowhere else, the compiler's libraries are inside, and
// references to its own symbols stay inside.
func checkModule(t *testing.T, path string) {
	f, err := elf.Open(path)
	require.NoError(t, err)
	defer f.Close()
	needed, err := f.ImportedLibraries()
	require.NoError(t, err)
	require.Contains(t, needed, baseName)
	for _, n := range needed {
		require.NotRegexp(t, `libstdc\+\+|libgcc|libgomp`, n)
	}
	runpath, err := f.DynString(elf.DT_RUNPATH)
	require.NoError(t, err)
	require.Equal(t, []string{"$ORIGIN"}, runpath)
	symbolic, err := f.DynValue(elf.DT_FLAGS)
	require.NoError(t, err)
	require.NotEmpty(t, symbolic)
	require.NotZero(t, symbolic[0]&uint64(elf.DF_SYMBOLIC))

	symbols, err := f.DynamicSymbols()
	require.NoError(t, err)
	exported := map[string]bool{}
	for _, s := range symbols {
		if s.Section != elf.SHN_UNDEF {
			exported[s.Name] = true
			require.NotEqual(t, byte(10), s.Info>>4, "%s is STB_GNU_UNIQUE: variants would share it", s.Name)
		}
	}
	require.True(t, exported["ggml_backend_init"])
	require.True(t, exported["ggml_backend_score"])

	base, err := elf.Open(filepath.Join(filepath.Dir(path), baseName))
	require.NoError(t, err)
	defer base.Close()
	soname, err := base.DynString(elf.DT_SONAME)
	require.NoError(t, err)
	require.Equal(t, []string{baseName}, soname)
}

func checkArchive(t *testing.T, dir string) {
	var first, second bytes.Buffer
	require.NoError(t, Archive(&first, dir))
	require.NoError(t, Archive(&second, dir))
	require.Equal(t, first.Bytes(), second.Bytes())
	z, err := zstd.NewReader(&first)
	require.NoError(t, err)
	defer z.Close()
	var list []string
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if err == io.EOF {
			break
		}
		require.NoError(t, err)
		list = append(list, h.Name)
		got, err := io.ReadAll(r)
		require.NoError(t, err)
		want, err := os.ReadFile(filepath.Join(dir, h.Name))
		require.NoError(t, err)
		require.Equal(t, want, got, h.Name)
	}
	require.Equal(t, []string{ManifestName, baseName, "libggml-cpu-" + plain() + ".so"}, list)
}

func TestCancelledBuildLeavesNothing(t *testing.T) {
	options := Options{CacheDir: t.TempDir(), Variants: []string{plain()}, Log: slog.New(slog.DiscardHandler)}
	require.ErrorIs(t, cancelledBuild(t, options), errStop)
	dir, err := Dir(options.CacheDir)
	require.NoError(t, err)
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, entries, 1)
	require.Equal(t, ".lock", entries[0].Name())
}

func TestMissingTools(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	_, err := Build(t.Context(), Options{CacheDir: t.TempDir()})
	var missing *MissingToolsError
	require.ErrorAs(t, err, &missing)
	require.EqualError(t, err, "to build kernels these are missing: cmake, gcc, g++, ninja-build; "+
		"install them with: sudo apt-get install -y cmake gcc g++ ninja-build")
}

// TestFailedBuild shows what a user sees of a compiler's error.
func TestFailedBuild(t *testing.T) {
	bin := t.TempDir()
	script := "#!/bin/sh\ncase \" $* \" in *' -E '*|*--version*|*-dumpmachine*|*CMakeScratch*|*CompilerId*|*cmTC*) exec /usr/bin/g++ \"$@\";; esac\n" +
		"echo 'ggml.c:1:1: error: no space left in the universe' >&2; exit 1\n"
	cxx := filepath.Join(bin, "cxx")
	require.NoError(t, os.WriteFile(cxx, []byte(script), 0o755))
	cache := t.TempDir()
	_, err := Build(t.Context(), Options{CacheDir: cache, Variants: []string{plain()}, CXX: cxx, Log: slog.New(slog.DiscardHandler)})
	require.ErrorContains(t, err, "build kernels: cmake ")
	require.ErrorContains(t, err, "no space left in the universe")
	manifests, err := filepath.Glob(filepath.Join(cache, "puna/kernels/*/"+ManifestName))
	require.NoError(t, err)
	require.Empty(t, manifests)
}

func TestWrongSources(t *testing.T) {
	dir := t.TempDir()
	_, err := Build(t.Context(), Options{CacheDir: t.TempDir(), OllamaDir: dir})
	require.ErrorContains(t, err, "no llama.cpp sources in "+dir)

	require.NoError(t, os.Mkdir(filepath.Join(dir, "llama"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "llama/build-info.cpp"), []byte(`char const *LLAMA_COMMIT = "abc123";`), 0o644))
	_, err = Build(t.Context(), Options{CacheDir: t.TempDir(), OllamaDir: dir})
	require.ErrorContains(t, err, "is llama.cpp abc123; this Puna works with kernels of "+thirdparty.LlamaCommit)
}

func TestManifestNamesStayInside(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"", "../x.so", "/lib/x.so", "a/b.so"} {
		m := Manifest{Base: File{Name: name}}
		require.NoError(t, m.write(dir))
		_, err := ReadManifest(dir)
		require.ErrorContains(t, err, "is not the name of a file", name)
	}
	_, err := ReadManifest(t.TempDir())
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestManifestOrder(t *testing.T) {
	m := Manifest{Arch: "amd64"}
	for _, v := range []string{CUDA, "zen4", "x64", "icelake", "zen4"} {
		m.add(Module{Variant: v})
	}
	var got []string
	for _, mod := range m.Modules {
		got = append(got, mod.Variant)
	}
	require.Equal(t, "x64 icelake zen4 cuda", strings.Join(got, " "))
}

func TestKey(t *testing.T) {
	base := key("kernels", "c0ffee", "g++ 12", []string{"-Da=b"})
	require.Regexp(t, `^c0ffee-`+runtime.GOARCH+`-[0-9a-f]{12}$`, base)
	require.Equal(t, base, key("kernels", "c0ffee", "g++ 12", []string{"-Da=b"}))
	for _, other := range []string{
		key("libllama", "c0ffee", "g++ 12", []string{"-Da=b"}),
		key("kernels", "c0ffef", "g++ 12", []string{"-Da=b"}),
		key("kernels", "c0ffee", "g++ 13", []string{"-Da=b"}),
		key("kernels", "c0ffee", "g++ 12", []string{"-Da=c"}),
		key("kernels", "c0ffee", "g++ 12", []string{"-Da", "b"}),
	} {
		require.NotEqual(t, base, other)
	}
}

// TestEveryCMakeFileIsInAKey catches a file that CMake reads and no key covers.
func TestEveryCMakeFileIsInAKey(t *testing.T) {
	covered := map[string]bool{}
	for _, files := range cmakeFilesOf {
		for _, f := range files {
			covered[f] = true
		}
	}
	entries, err := thirdparty.CMake.ReadDir(".")
	require.NoError(t, err)
	for _, e := range entries {
		require.True(t, covered[e.Name()], e.Name())
	}
	require.Len(t, entries, len(covered))
}

func TestProgress(t *testing.T) {
	for line, want := range map[string][2]int{
		"[12/64] Building C object x.o":       {12, 64},
		"[  7%] Building CXX object x.o":      {7, 100},
		"[100%] Built target ggml-base":       {100, 100},
		"x.c:3:4: warning: [12/64] somewhere": {},
		"-- Configuring done":                 {},
	} {
		done, total, ok := progress(line)
		require.Equal(t, want, [2]int{done, total}, line)
		require.Equal(t, want[1] != 0, ok, line)
	}
}
