package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"

	"github.com/puna-ai/puna"
	"github.com/puna-ai/puna/engine"
)

// spec measures speculation: answers with drafts and without, in turns. A grammar forces
// the answers' text, so that they repeat as much as they should whatever the model is.
//
//	bench -shapes llama1b spec
//	bench spec MODEL.gguf
//	bench -draft SMALL.gguf spec MODEL.gguf   # forced text is nothing that a draft model foretells
func (s settings) spec(ctx context.Context, args []string) error {
	if len(args) == 1 {
		e, err := engine.Open(s.engineOptions())
		if err != nil {
			return err
		}
		defer e.Close()
		return s.specModel(ctx, e, args[0], args[0])
	}
	return s.eachShape(s.engineOptions(), func(e *engine.Engine, shape, path string) error {
		return s.specModel(ctx, e, shape+" "+s.quant, path)
	})
}

func (s settings) specModel(ctx context.Context, e *engine.Engine, name, path string) error {
	m, err := e.Load(ctx, engine.LoadOptions{Path: path, Draft: engine.Draft{Path: s.draft}, Repack: s.repacking(), Options: puna.Options{NumCtx: new(4096), NumThread: &s.threads}})
	if err != nil {
		return err
	}
	defer m.Close(ctx)
	info := m.Info()
	fmt.Printf("\n%s, %s kernels, %d threads\n", name, info.Variant, info.Threads)
	for _, c := range []struct {
		what  string
		every int // word of the answer that the prompt doesn't have there; 1: all
	}{{"an answer that repeats nothing", 1}, {"a copy with every 15th word edited", 15}, {"a copy", 1 << 20}} {
		if err := s.specAnswer(ctx, m, c.what, c.every); err != nil {
			return err
		}
	}
	return nil
}

// specAnswer measures answers that copy the prompt but for every so manieth word.
func (s settings) specAnswer(ctx context.Context, m *engine.Model, what string, every int) error {
	var with, without []float64
	var drafted, accepted, same, total int
	for range s.repeat {
		prompt := words(s.tokens)
		answer := words(s.tokens)
		for i := range answer {
			if (i+1)%every != 0 {
				answer[i] = prompt[i]
			}
		}
		req := &puna.Request{Prompt: strings.Join(prompt, " ") + "\n", Template: "{{ .Prompt }}", Options: puna.Options{
			NumPredict: &s.tokens, Temperature: new(0.0), Grammar: "root ::= " + strconv.Quote(strings.Join(answer, " "))}}
		drafts, err := generate(ctx, m, req)
		if err != nil {
			return err
		}
		req.Options.DraftNumPredict = new(0)
		plain, err := generate(ctx, m, req)
		if err != nil {
			return err
		}
		with, without = append(with, evalRate(drafts)), append(without, evalRate(plain))
		drafted += drafts.done.DraftTokens
		accepted += drafts.done.AcceptedTokens
		split := len(plain.done.Context) - plain.done.EvalTokens
		same += commonPrefix(drafts.done.Context[split:], plain.done.Context[split:])
		total += plain.done.EvalTokens
	}
	report(what+", tokens/s", "%.1f with drafts, %.1f without, ratio %.3f", median(with), median(without), ratio(with, without))
	report("  tokens drafted, and right", "%d, %d; greedy tokens equal to those without: %d of %d", drafted, accepted, same, total)
	return nil
}

func evalRate(r run) float64 { return float64(r.done.EvalTokens-1) / r.done.EvalDuration.Seconds() }

// words are n random ones.
func words(n int) []string {
	all := make([]string, n)
	for i := range all {
		for range 1 + rand.IntN(6) {
			all[i] += string(rune('a' + rand.IntN(26)))
		}
	}
	return all
}
