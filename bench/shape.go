package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/puna-ai/puna"
	"github.com/puna-ai/puna/bench/reference"
	"github.com/puna-ai/puna/engine"
)

// settle is how long a side is left alone before the other one runs: llama.cpp's idle
// threads spin for a while after a batch, on cores that the other one needs.
const settle = time.Second

// run is one answer as its caller saw it.
type run struct {
	done  *puna.Done
	first time.Duration
	gap   time.Duration // the longest between two events
}

// measureShape prints the figures of one model.
func (s settings) measureShape(ctx context.Context, e *engine.Engine, bin, name, path string) error {
	m, err := e.Load(ctx, engine.LoadOptions{Path: path, Repack: s.repacking(), Options: puna.Options{NumCtx: new(4096)}})
	if err != nil {
		return err
	}
	defer m.Close(ctx)
	info := m.Info()
	loop, err := reference.Start(bin, reference.Options{Model: path, Module: e.Kernels().Path, Threads: info.Threads, Ctx: 4096, Ubatch: 512, Repack: s.repack})
	if err != nil {
		return err
	}
	defer loop.Close()
	fmt.Printf("\n%s %s, %s kernels, %d threads\n", name, s.quant, info.Variant, info.Threads)
	b := &bencher{settings: s, model: m, loop: loop}
	for _, measure := range []func(context.Context) error{b.alone, b.prompts, b.together, b.longPrompt} {
		if err := measure(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (s settings) repacking() engine.Repack {
	if s.repack {
		return engine.RepackOn
	}
	return engine.RepackOff
}

// bencher measures one model against the reference.
type bencher struct {
	settings
	model *engine.Model
	loop  *reference.Loop
	one   float64 // tokens per second of one stream
}

// alone compares one stream's generation, and the tokens.
func (b *bencher) alone(ctx context.Context) error {
	var ours, theirs []float64
	same, total := 0, 0
	before := b.model.Stats()
	for range b.repeat {
		prompt := randomText(32)
		time.Sleep(settle)
		r, err := b.generate(ctx, prompt, b.tokens)
		if err != nil {
			return err
		}
		time.Sleep(settle)
		split := len(r.done.Context) - r.done.EvalTokens
		ref, err := b.loop.Run(r.done.Context[:split], b.tokens)
		if err != nil {
			return err
		}
		n := float64(b.tokens - 1)
		ours = append(ours, n/r.done.EvalDuration.Seconds())
		theirs = append(theirs, n/ref.Eval.Seconds())
		same += commonPrefix(r.done.Context[split:], ref.Tokens)
		total += b.tokens
	}
	b.one = median(ours)
	report("one stream, tokens/s", "%.1f, reference %.1f, ratio %.3f", b.one, median(theirs), ratio(ours, theirs))
	report("greedy tokens equal to the reference's", "%d of %d", same, total)
	report("outside llama_decode, one stream", "%.1f%% of a step", outside(before, b.model.Stats()))
	return nil
}

// prompts compares the processing of a long prompt.
func (b *bencher) prompts(ctx context.Context) error {
	var ours, theirs []float64
	for range b.repeat {
		time.Sleep(settle)
		r, err := b.generate(ctx, randomText(b.prompt), 1)
		if err != nil {
			return err
		}
		time.Sleep(settle)
		prompt := r.done.Context[:len(r.done.Context)-r.done.EvalTokens]
		ref, err := b.loop.Run(prompt, 1)
		if err != nil {
			return err
		}
		n := float64(len(prompt))
		ours = append(ours, n/r.done.PromptEvalDuration.Seconds())
		theirs = append(theirs, n/ref.Prompt.Seconds())
	}
	report("prompt, tokens/s", "%.1f, reference %.1f, ratio %.3f", median(ours), median(theirs), ratio(ours, theirs))
	return nil
}

// together measures streams at once against one.
func (b *bencher) together(ctx context.Context) error {
	for _, n := range []int{8, 16} {
		before := b.model.Stats()
		runs := make([]run, n)
		errs := make([]error, n)
		var wg sync.WaitGroup
		for i := range n {
			wg.Go(func() { runs[i], errs[i] = b.generate(ctx, randomText(16), 2*b.tokens) })
		}
		wg.Wait()
		var total float64
		for i, r := range runs {
			if errs[i] != nil {
				return errs[i]
			}
			total += float64(r.done.EvalTokens-1) / r.done.EvalDuration.Seconds()
		}
		report(fmt.Sprintf("%d streams, tokens/s", n), "%.1f, %.2f x one stream", total, total/b.one)
		report(fmt.Sprintf("outside llama_decode, %d streams", n), "%.1f%% of a step", outside(before, b.model.Stats()))
	}
	return nil
}

// longPrompt measures the longest gap of a stream while a long prompt arrives.
func (b *bencher) longPrompt(ctx context.Context) error {
	var gaps []float64
	for range b.repeat {
		ctx, cancel := context.WithCancel(ctx)
		stream := make(chan run, 1)
		go func() {
			r, _ := b.generate(ctx, randomText(16), 2000) // canceled below
			stream <- r
		}()
		time.Sleep(500 * time.Millisecond)
		_, err := b.generate(ctx, randomText(1200), 1)
		cancel()
		if err != nil {
			return err
		}
		gaps = append(gaps, (<-stream).gap.Seconds())
	}
	report("longest gap beside a prompt of 1,200 tokens", "%.3f s (worst of %d: %.3f s)", median(gaps), len(gaps), slices.Max(gaps))
	return nil
}

// generate answers a new prompt greedily, past any end of turn, without drafts: the
// reference has none.
func (b *bencher) generate(ctx context.Context, prompt string, tokens int) (run, error) {
	return generate(ctx, b.model, &puna.Request{Prompt: prompt, Template: "{{ .Prompt }}", Options: puna.Options{
		NumPredict: &tokens, Temperature: new(0.0), IgnoreEOS: new(true), DraftNumPredict: new(0)}})
}

func generate(ctx context.Context, g puna.Generator, req *puna.Request) (run, error) {
	var r run
	start := time.Now()
	last := start
	for ev, err := range g.Generate(ctx, req) {
		if err != nil {
			return r, err
		}
		now := time.Now()
		if r.first == 0 {
			r.first = now.Sub(start)
		} else {
			r.gap = max(r.gap, now.Sub(last))
		}
		last = now
		if ev.Done != nil {
			r.done = ev.Done
		}
	}
	return r, nil
}

// randomText is about n tokens, the first of which is none that one of the last 25 texts
// began with: a prefix that is reused, be it one token, leaves another number of rows to
// compute, and repacking kernels round differently for that.
func randomText(n int) string {
	text := []byte{byte('a' + texts.Add(1)%26)}
	for len(text) < n {
		text = append(text, byte('a'+rand.IntN(26)))
	}
	return string(text)
}

var texts atomic.Int64

func outside(before, after engine.Stats) float64 {
	step := after.StepTime - before.StepTime
	return 100 * float64(step-(after.DecodeTime-before.DecodeTime)) / float64(step)
}

func commonPrefix(a, b []int) int {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return i
		}
	}
	return min(len(a), len(b))
}

func report(what, format string, args ...any) {
	fmt.Printf("  %-46s %s\n", what, fmt.Sprintf(format, args...))
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}

// ratio is the median of the ratios of runs that were measured in turn.
func ratio(a, b []float64) float64 { return median(ratios(a, b)) }

func ratios(a, b []float64) []float64 {
	all := make([]float64, len(a))
	for i := range a {
		all[i] = a[i] / b[i]
	}
	return all
}
