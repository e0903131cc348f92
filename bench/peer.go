package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/puna-ai/puna/bench/peer"
	"github.com/puna-ai/puna/engine"
	"github.com/puna-ai/puna/local"
)

// peerFlags are the flags of peer.
type peerFlags struct {
	puna   string
	server string
	root   string
	rounds int
}

// peer compares `puna serve` with llama.cpp's llama-server, as clients see both.
//
//	bench -shapes qwen0.5b peer
//	bench -shapes qwen0.5b peer -llama-server 'chroot ROOT llama-server' -root ROOT
func (s settings) peer(ctx context.Context, args []string) error {
	var f peerFlags
	flags := flag.NewFlagSet("peer", flag.ExitOnError)
	flags.StringVar(&f.puna, "puna", filepath.Join("bin", "puna"), "Puna's program")
	flags.StringVar(&f.server, "llama-server", "llama-server", "command that runs llama.cpp's server")
	flags.StringVar(&f.root, "root", "", "the folder that this command sees as /, where it is another one")
	flags.IntVar(&f.rounds, "rounds", 3, "rounds, each with new processes")
	flags.Parse(args)
	if flags.NArg() > 0 || f.rounds < 1 {
		return fmt.Errorf("peer: %d rounds, and %q left over: need at least one round, and shapes before 'peer', as in -shapes qwen0.5b", f.rounds, flags.Args())
	}
	if err := f.check(ctx); err != nil {
		return err
	}
	s.threads = cmp.Or(s.threads, engine.Threads())
	for shape := range strings.SplitSeq(s.shapes, ",") {
		if err := s.peerShape(ctx, f, shape); err != nil {
			return fmt.Errorf("%s: %w", shape, err)
		}
	}
	return nil
}

// check runs both programs for their versions.
func (f peerFlags) check(ctx context.Context) error {
	for _, command := range [][]string{{f.puna, "version"}, append(strings.Fields(f.server), "--version")} {
		out, err := exec.CommandContext(ctx, command[0], command[1:]...).CombinedOutput()
		if err != nil {
			return fmt.Errorf("%q: %w: 'make build' makes Puna's program, and -llama-server names llama.cpp's\n%s", command, err, out)
		}
		fmt.Printf("%s: %s\n", strings.Join(command, " "), strings.Join(strings.Fields(string(out)), " "))
	}
	return nil
}

// peerShape prints the table of one model.
func (s settings) peerShape(ctx context.Context, f peerFlags, shape string) error {
	path, err := s.model(shape, s.quant)
	if err != nil {
		return err
	}
	store, err := os.MkdirTemp(s.dir, "store") // on the disk of the models
	if err != nil {
		return err
	}
	defer os.RemoveAll(store)
	if err := fillStore(ctx, store, shape, path); err != nil {
		return err
	}
	seen, remove, err := f.link(path)
	if err != nil {
		return err
	}
	defer remove()
	o := peer.Options{Threads: s.threads, Ctx: 8192, Parallel: 16, Repack: s.repack}
	d := duel{settings: s, programs: []*peer.Program{peer.Puna(f.puna, store, shape, o), peer.LlamaServer(strings.Fields(f.server), seen, o)}}
	rows, err := d.run(ctx, f.rounds)
	if err != nil {
		return err
	}
	fmt.Println()
	peer.Write(os.Stdout, fmt.Sprintf("%s %s, threads: %d, rounds: %d", shape, s.quant, s.threads, f.rounds), rows)
	return nil
}

// link returns the path by which the command of llama-server sees a file, and what
// removes it.
func (f peerFlags) link(path string) (seen string, remove func(), err error) {
	if f.root == "" {
		return path, func() {}, nil
	}
	dir, err := os.MkdirTemp(f.root, "puna-bench")
	if err != nil {
		return "", nil, err
	}
	remove = func() { os.RemoveAll(dir) }
	if err := os.Link(path, filepath.Join(dir, "model.gguf")); err != nil {
		remove()
		return "", nil, fmt.Errorf("%w: -dir and -root must be on one file system", err)
	}
	return filepath.Join("/", filepath.Base(dir), "model.gguf"), remove, nil
}

// fillStore puts a model into a folder as Puna keeps models.
func fillStore(ctx context.Context, dir, name, path string) error {
	svc, err := local.Open(local.Options{Models: dir, AllowPaths: true})
	if err != nil {
		return err
	}
	defer svc.Close()
	return create(ctx, svc, name, path)
}
