package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/puna-ai/puna"
	"github.com/puna-ai/puna/engine"
)

const diskForPrefixes = 8 << 30

// restart measures the first token of a long prompt that was computed before all was
// closed, and opened again, with prefixes kept on disk.
//
//	bench -shapes llama1b restart
func (s settings) restart(ctx context.Context) error {
	return s.eachFile(func(shape, path string) error {
		dir, err := os.MkdirTemp(s.dir, "prefixes") // on the disk of the models
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		o := s.engineOptions()
		o.CacheDisk, o.CacheDir = diskForPrefixes, dir
		fmt.Printf("\n%s %s\n", shape, s.quant)
		return s.measureRestart(ctx, o, engine.LoadOptions{
			Path: path, Digest: shape + s.quant, Repack: s.repacking(), Options: puna.Options{NumThread: &s.threads, NumCtx: new(8192)}})
	})
}

func (s settings) measureRestart(ctx context.Context, o engine.Options, load engine.LoadOptions) error {
	var opened, computed, restored []float64
	var again life
	for range s.repeat {
		prompt := randomText(4000)
		before, err := live(ctx, o, load, prompt)
		if err != nil {
			return err
		}
		if again, err = live(ctx, o, load, prompt); err != nil {
			return err
		}
		opened = append(opened, again.opened.Seconds())
		computed, restored = append(computed, before.first.Seconds()), append(restored, again.first.Seconds())
	}
	report("first token of a prompt after a restart", "%.3f s, computed %.3f s, ratio 1/%.0f (%d of %d tokens reused)",
		median(restored), median(computed), ratio(computed, restored), again.done.CachedTokens, again.done.PromptTokens)
	report("before that, to open the engine and the model", "%.2f s", median(opened))
	return nil
}

// life is what an engine does from its opening to its end.
type life struct {
	run
	opened time.Duration // the model included
}

// live opens an engine and a model, answers a prompt with one token, and closes both,
// which writes prefixes to disk.
func live(ctx context.Context, o engine.Options, load engine.LoadOptions, prompt string) (l life, err error) {
	began := time.Now()
	e, err := engine.Open(o)
	if err != nil {
		return l, err
	}
	defer e.Close()
	m, err := e.Load(ctx, load)
	if err != nil {
		return l, err
	}
	defer m.Close(ctx)
	l.opened = time.Since(began)
	l.run, err = firstToken(ctx, m, prompt)
	return l, err
}

// firstToken answers with one token.
func firstToken(ctx context.Context, m *engine.Model, prompt string) (run, error) {
	return generate(ctx, m, &puna.Request{Prompt: prompt, Template: "{{ .Prompt }}",
		Options: puna.Options{NumPredict: new(1), Temperature: new(0.0)}})
}
