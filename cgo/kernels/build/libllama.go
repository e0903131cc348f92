package build

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// Libllama makes sure that the cache holds libllama, libggml and libggml-base
// as shared libraries with headers and lib/pkgconfig/llama.pc, and returns the
// prefix, <cache>/puna/libllama/<key>. The Go tag llama_system links it:
//
//	PKG_CONFIG_PATH=<prefix>/lib/pkgconfig go test -tags llama_system ./...
//
// The baseline CPU backend is linked into libggml, as in the default build.
// Options.Variants is not used.
func Libllama(ctx context.Context, o Options) (prefix string, err error) {
	flags := []string{"-DPUNA_PRODUCT=libllama", "-DCMAKE_BUILD_TYPE=Release", "-DCMAKE_INSTALL_LIBDIR=lib",
		"-DCMAKE_C_FLAGS=", "-DCMAKE_CXX_FLAGS=", "-DCMAKE_SHARED_LINKER_FLAGS="}
	j, err := begin(ctx, &o, "libllama", flags, false)
	if err != nil {
		return "", err
	}
	defer j.end()
	if _, err := os.Stat(filepath.Join(j.dst, "lib", "pkgconfig", "llama.pc")); err == nil {
		return j.dst, nil
	}
	o.Log.Info("building libllama", "compiler", j.tools.compiler, "dir", j.dst)
	start := time.Now()
	staged := filepath.Join(j.dir, "install")
	if err := j.configure(ctx, j.source, "-DCMAKE_INSTALL_PREFIX="+staged); err != nil {
		return "", fmt.Errorf("build libllama: %w", err)
	}
	if err := j.make(ctx); err != nil {
		return "", fmt.Errorf("build libllama: %w", err)
	}
	if err := j.run(ctx, "--install", filepath.Join(j.dir, "build"), "--strip"); err != nil {
		return "", fmt.Errorf("install libllama: %w", err)
	}
	os.RemoveAll(j.dst) // a folder without llama.pc is no installation
	if err := os.Rename(staged, j.dst); err != nil {
		return "", err
	}
	o.Log.Info("built libllama", "seconds", int(time.Since(start).Seconds()))
	return j.dst, nil
}
