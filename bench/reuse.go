package main

import (
	"context"
	"fmt"

	"github.com/puna-ai/puna"
	"github.com/puna-ai/puna/engine"
)

// reuse measures first tokens of prompts that begin like one that the process computed
// before.
//
//	bench -shapes llama1b reuse
func (s settings) reuse(ctx context.Context) error {
	return s.eachShape(s.engineOptions(), func(e *engine.Engine, shape, path string) error {
		fmt.Printf("\n%s %s\n", shape, s.quant)
		return s.measureReuse(ctx, e, path)
	})
}

func (s settings) measureReuse(ctx context.Context, e *engine.Engine, path string) error {
	m, err := e.Load(ctx, engine.LoadOptions{Path: path, Repack: s.repacking(), Options: puna.Options{NumThread: &s.threads}})
	if err != nil {
		return err
	}
	defer m.Close(ctx)
	shared := randomText(800)
	cold, err := firstToken(ctx, m, shared)
	if err != nil {
		return err
	}
	var warm []float64
	for range s.repeat {
		r, err := firstToken(ctx, m, shared+randomText(16))
		if err != nil {
			return err
		}
		warm = append(warm, r.first.Seconds())
	}
	report("first token of a shared prefix of 800 tokens", "%.3f s, computed %.3f s", median(warm), cold.first.Seconds())
	return nil
}
