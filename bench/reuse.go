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

// reuse measures what isn't computed or loaded again: weights for another context, and
// prefixes in the cells and on disk.
//
//	bench -shapes llama1b reuse
func (s settings) reuse(ctx context.Context) error {
	if err := os.MkdirAll(s.dir, 0o755); err != nil {
		return err
	}
	dir, err := os.MkdirTemp(s.dir, "prefixes") // on the disk of the models
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	o := s.engineOptions()
	o.CacheDisk, o.CacheDir = diskForPrefixes, dir
	return s.eachShape(o, func(e *engine.Engine, shape, path string) error {
		load := engine.LoadOptions{Path: path, Digest: shape + s.quant, Repack: s.repacking(), Options: puna.Options{NumThread: &s.threads, NumCtx: new(8192)}}
		fmt.Printf("\n%s %s\n", shape, s.quant)
		if err := s.measureContexts(ctx, e, load); err != nil {
			return err
		}
		return s.measurePrefixes(ctx, e, load)
	})
}

// measureContexts alternates between two KV types: LoadDuration is the wait for the
// context.
func (s settings) measureContexts(ctx context.Context, e *engine.Engine, load engine.LoadOptions) error {
	began := time.Now()
	m, err := e.Load(ctx, load)
	if err != nil {
		return err
	}
	defer m.Close(ctx)
	report("load: weights and a first context", "%.0f ms", ms(time.Since(began)))
	wait := func(kv string) (context, first float64, err error) {
		r, err := generate(ctx, m, &puna.Request{Prompt: randomText(8), Template: "{{ .Prompt }}",
			Options: puna.Options{NumPredict: new(1), Temperature: new(0.0), KVCacheType: kv}})
		if err != nil {
			return 0, 0, err
		}
		return ms(r.done.LoadDuration), ms(r.first), nil
	}
	made, _, err := wait("q8_0")
	if err != nil {
		return err
	}
	var changes, changed, same []float64
	for range s.repeat {
		for _, kv := range []string{"f16", "f16", "q8_0", "q8_0"} {
			context, first, err := wait(kv)
			if err != nil {
				return err
			}
			changes = append(changes, context)
			if len(changes)%2 == 1 {
				changed = append(changed, first)
			} else {
				same = append(same, first)
			}
		}
	}
	report("another KV type, the first time", "%.1f ms", made)
	report("another KV type, both contexts there", "%.2f ms", median(changes))
	report("first token after a change, without one", "%.1f ms, %.1f ms", median(changed), median(same))
	return nil
}

// measurePrefixes times first tokens of prompts whose beginning was computed before, in
// this process and before a restart.
func (s settings) measurePrefixes(ctx context.Context, e *engine.Engine, load engine.LoadOptions) error {
	m, err := e.Load(ctx, load)
	if err != nil {
		return err
	}
	first := func(prompt string) (run, error) {
		return generate(ctx, m, &puna.Request{Prompt: prompt, Template: "{{ .Prompt }}",
			Options: puna.Options{NumPredict: new(1), Temperature: new(0.0)}})
	}
	shared, long := randomText(800), randomText(4000)
	cold, err := first(shared)
	if err != nil {
		return err
	}
	var warm []float64
	for range s.repeat {
		r, err := first(shared + randomText(16))
		if err != nil {
			return err
		}
		warm = append(warm, r.first.Seconds())
	}
	report("first token of a shared prefix of 800 tokens", "%.3f s, computed %.3f s", median(warm), cold.first.Seconds())
	if cold, err = first(long); err != nil {
		return err
	}
	if err := m.Close(ctx); err != nil { // prefixes go to disk
		return err
	}
	if m, err = e.Load(ctx, load); err != nil {
		return err
	}
	defer m.Close(ctx)
	restored, err := first(long)
	if err != nil {
		return err
	}
	report("a prompt of 4,000 tokens after a restart", "%.3f s, computed %.3f s, ratio 1/%.0f (%d of %d tokens reused)",
		restored.first.Seconds(), cold.first.Seconds(), cold.first.Seconds()/restored.first.Seconds(), restored.done.CachedTokens, restored.done.PromptTokens)
	return nil
}

func ms(d time.Duration) float64 { return d.Seconds() * 1000 }
