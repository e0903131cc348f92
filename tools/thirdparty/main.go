// Command thirdparty builds what the Makefile needs of llama.cpp, by package
// cgo/kernels/build and without cgo:
//
//	thirdparty kernels [-o FILE.tar.zst] [-cuda-arch LIST] [VARIANT ...]
//	thirdparty libllama
//
// It prints the folder of the product, and writes an archive of the kernels
// when asked to. For users there is `puna kernels build`.
package main

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/puna-ai/puna/cgo/kernels/build"
	"github.com/puna-ai/puna/internal/atomicfile"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "thirdparty:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return fmt.Errorf("usage: thirdparty kernels [-o FILE] [VARIANT ...] | libllama")
	}
	options := build.Options{
		Log:      slog.New(slog.NewTextHandler(os.Stderr, nil)),
		Progress: reporter(10 * time.Second),
	}
	switch args[0] {
	case "kernels":
		return kernels(ctx, options, args[1:])
	case "libllama":
		prefix, err := build.Libllama(ctx, options)
		if err == nil {
			fmt.Println(prefix)
		}
		return err
	}
	return fmt.Errorf("unknown command %q; want kernels or libllama", args[0])
}

func kernels(ctx context.Context, options build.Options, args []string) error {
	flags := flag.NewFlagSet("kernels", flag.ContinueOnError)
	archive := flags.String("o", "", "also write the folder as a tar.zst to this `file`")
	flags.StringVar(&options.CUDAArch, "cuda-arch", "", "card architectures for the variant cuda, as CMake's `list`")
	if err := flags.Parse(args); err != nil {
		return err
	}
	options.Variants = flags.Args()
	res, err := build.Build(ctx, options)
	if err != nil {
		return err
	}
	if *archive != "" {
		if err := writeArchive(*archive, res.Dir); err != nil {
			return err
		}
	}
	fmt.Println(res.Dir)
	return nil
}

// writeArchive replaces the file in one step.
func writeArchive(path, dir string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return atomicfile.Write(path, atomicfile.Options{Temp: ".kernels-*", Mode: 0o644}, func(w *bufio.Writer) error {
		return build.Archive(w, dir)
	})
}

// reporter prints the progress of a build every so often, and its end.
func reporter(every time.Duration) func(done, total int) {
	last := time.Now()
	return func(done, total int) {
		if now := time.Now(); now.Sub(last) >= every || done == total {
			last = now
			fmt.Fprintf(os.Stderr, "  compiled %d of %d\n", done, total)
		}
	}
}
