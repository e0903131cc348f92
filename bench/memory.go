package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/puna-ai/puna"
	"github.com/puna-ai/puna/engine"
)

// hold loads a model with and without repacking, answers once, and prints what of
// the process's memory is the mapped file and what is its own. Two of it side by
// side show what processes share:
//
//	bench hold MODEL & bench hold MODEL
func hold(ctx context.Context, path string) error {
	e, err := engine.Open(engine.Options{})
	if err != nil {
		return err
	}
	defer e.Close()
	for _, repack := range []engine.Repack{engine.RepackOn, engine.RepackOff} {
		m, err := e.Load(ctx, engine.LoadOptions{Path: path, Repack: repack})
		if err != nil {
			return err
		}
		req := &puna.Request{Prompt: randomText(64), Raw: true, Options: puna.Options{NumPredict: new(16), IgnoreEOS: new(true)}}
		if _, err := generate(ctx, m, req); err != nil {
			return err
		}
		fmt.Printf("repacking %v: press Enter to measure\n", repack == engine.RepackOn)
		bufio.NewReader(os.Stdin).ReadString('\n')
		if err := printMemory(path); err != nil {
			return err
		}
		bufio.NewReader(os.Stdin).ReadString('\n')
		m.Close(ctx)
	}
	return nil
}

// printMemory sums /proc/self/smaps (proc(5)) over the model's mapping and the rest.
func printMemory(path string) error {
	data, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		return err
	}
	type sum struct{ rss, pss int }
	var file, rest sum
	current := &rest
	for line := range strings.Lines(string(data)) {
		fields := strings.Fields(line)
		var kb int
		switch {
		case strings.Contains(fields[0], "-"):
			current = &rest
			if strings.HasSuffix(strings.TrimSpace(line), path) {
				current = &file
			}
		case fields[0] == "Rss:":
			fmt.Sscan(fields[1], &kb)
			current.rss += kb
		case fields[0] == "Pss:":
			fmt.Sscan(fields[1], &kb)
			current.pss += kb
		}
	}
	fmt.Printf("mapped file: Rss %d MB, Pss %d MB; all else: Rss %d MB, Pss %d MB\n",
		file.rss>>10, file.pss>>10, rest.rss>>10, rest.pss>>10)
	return nil
}
