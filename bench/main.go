package main

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"

	"github.com/puna-ai/puna/bench/reference"
	"github.com/puna-ai/puna/cgo/kernels"
	"github.com/puna-ai/puna/engine"
)

// settings are the flags.
type settings struct {
	dir     string
	shapes  string
	quant   string
	repeat  int
	tokens  int
	prompt  int
	text    int
	threads int
	draft   string
	variant string
	repack  bool
}

func main() {
	var s settings
	cache, _ := os.UserCacheDir()
	flag.StringVar(&s.dir, "dir", filepath.Join(cache, "puna", "bench"), "where the synthetic models lie")
	flag.StringVar(&s.shapes, "shapes", "llama1b,qwen0.5b", "shapes to measure")
	flag.StringVar(&s.quant, "quant", "Q4_K_M", "quantization")
	flag.IntVar(&s.repeat, "repeat", 5, "runs of each measurement")
	flag.IntVar(&s.tokens, "tokens", 48, "tokens to generate in a run")
	flag.IntVar(&s.prompt, "prompt", 512, "tokens of a long prompt, about")
	flag.IntVar(&s.text, "text", 16, "tokens of a short text to embed, about")
	flag.IntVar(&s.threads, "threads", 0, "threads; 0: the engine's choice")
	flag.StringVar(&s.variant, "variant", "", "CPU kernels; empty: the best")
	flag.StringVar(&s.draft, "draft", "", "GGUF file of a model that drafts, for spec")
	flag.BoolVar(&s.repack, "repack", true, "let kernels copy weights into their own layout")
	flag.Parse()
	slog.SetDefault(slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})))

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := s.run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func (s settings) run(ctx context.Context) error {
	if flag.NArg() == 0 {
		return s.table(ctx)
	}
	what, args := flag.Arg(0), flag.Args()[1:]
	switch {
	case what == "hold" && len(args) == 1:
		return hold(ctx, args[0])
	case what == "contexts" && len(args) == 0:
		return s.contexts(ctx)
	case what == "embed":
		return s.embed(ctx, args)
	case what == "idle" && len(args) == 0:
		return s.idle(ctx)
	case what == "peer":
		return s.peer(ctx, args)
	case what == "restart" && len(args) == 0:
		return s.restart(ctx)
	case what == "reuse" && len(args) == 0:
		return s.reuse(ctx)
	case what == "spec":
		return s.spec(ctx, args)
	}
	return fmt.Errorf("%q: need hold MODEL, contexts, embed, idle, peer, restart, reuse, spec or nothing, and flags before that", flag.Args())
}

// table prints the table of the README.
func (s settings) table(ctx context.Context) error {
	tmp, err := os.MkdirTemp("", "puna-bench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	bin, err := reference.Build(tmp)
	if err != nil {
		return err
	}
	err = s.eachShape(s.engineOptions(), func(e *engine.Engine, shape, path string) error {
		return s.measureShape(ctx, e, bin, shape, path)
	})
	if err != nil {
		return err
	}
	return s.measureTiny(ctx)
}

func (s settings) engineOptions() engine.Options {
	return engine.Options{Kernels: kernels.Options{Variant: s.variant}}
}
