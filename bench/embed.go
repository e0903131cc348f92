package main

import (
	"context"
	"fmt"
	"net/url"
	"sync"
	"time"

	"github.com/puna-ai/puna"
	"github.com/puna-ai/puna/engine"
	"github.com/puna-ai/puna/server/remote"
)

// embed measures embeddings of short texts: of the engine with the synthetic models,
// or of a server that speaks Ollama's API.
//
//	bench -shapes qwen0.5b -quant Q8_0 embed
//	bench embed http://127.0.0.1:11434 MODEL
func (s settings) embed(ctx context.Context, args []string) error {
	if len(args) == 2 {
		u, err := url.Parse(args[0])
		if err != nil {
			return err
		}
		svc, err := remote.New(remote.Options{URL: u})
		if err != nil {
			return err
		}
		fmt.Printf("\n%s at %s\n", args[1], svc.Host())
		return s.measureEmbeddings(ctx, svc, args[1])
	}
	return s.eachShape(s.engineOptions(), func(e *engine.Engine, shape, path string) error {
		return s.embedShape(ctx, e, shape, path)
	})
}

func (s settings) embedShape(ctx context.Context, e *engine.Engine, shape, path string) error {
	m, err := e.Load(ctx, engine.LoadOptions{Path: path, Repack: s.repacking(), Options: puna.Options{NumThread: &s.threads}})
	if err != nil {
		return err
	}
	defer m.Close(ctx)
	info := m.Info()
	fmt.Printf("\n%s %s, %s kernels, %d threads\n", shape, s.quant, info.Variant, info.Threads)
	first, err := m.Embed(ctx, &puna.EmbedRequest{Input: []string{"x"}})
	if err != nil {
		return err
	}
	report("a context for embeddings, weights shared", "%.1f ms", first.LoadDuration.Seconds()*1000)
	if err := s.measureEmbeddings(ctx, m, ""); err != nil {
		return err
	}
	stats := m.Stats().Embedding
	report("inputs of a batch, on average", "%.1f", float64(stats.Inputs)/float64(stats.Batches))
	return nil
}

// measureEmbeddings prints texts per second, as callers see them.
func (s settings) measureEmbeddings(ctx context.Context, svc puna.Embedder, model string) error {
	const many, callers = 64, 16
	call := func(n int) error {
		req := &puna.EmbedRequest{Model: model}
		for range n {
			req.Input = append(req.Input, randomText(s.text))
		}
		_, err := svc.Embed(ctx, req)
		return err
	}
	if err := call(many); err != nil { // warms up
		return err
	}
	for _, c := range []struct {
		what           string
		callers, texts int // of each call
		calls          int // of each caller
	}{
		{fmt.Sprintf("%d texts in one call", many), 1, many, 1},
		{fmt.Sprintf("%d callers, a text in each call", callers), callers, 1, many / callers},
		{"one caller, a text in each call", 1, 1, many / 4},
	} {
		var rates []float64
		for range s.repeat {
			rate, err := textsPerSecond(c.callers, c.calls, c.texts, call)
			if err != nil {
				return err
			}
			rates = append(rates, rate)
		}
		report(c.what, "%.1f texts/s, of about %d tokens each", median(rates), s.text)
	}
	return nil
}

// textsPerSecond has each caller make its calls, one after another.
func textsPerSecond(callers, calls, texts int, call func(n int) error) (float64, error) {
	errs := make(chan error, callers*calls)
	var wg sync.WaitGroup
	start := time.Now()
	for range callers {
		wg.Go(func() {
			for range calls {
				errs <- call(texts)
			}
		})
	}
	wg.Wait()
	took := time.Since(start)
	close(errs)
	for err := range errs {
		if err != nil {
			return 0, err
		}
	}
	return float64(callers*calls*texts) / took.Seconds(), nil
}
