package main

import (
	"context"
	"fmt"
	"time"

	"github.com/puna-ai/puna"
	"github.com/puna-ai/puna/engine"
	"github.com/puna-ai/puna/internal/testmodel"
)

// longContext is how many tokens the longer context has, where a model was trained for
// so many; the other one has half of them.
const longContext = 16384

// contexts measures what it costs that a request wants another context of a loaded
// model, the first time and once both contexts are there.
//
//	bench -shapes llama1b contexts
func (s settings) contexts(ctx context.Context) error {
	return s.eachShape(s.engineOptions(), func(e *engine.Engine, shape, path string) error {
		return s.measureContexts(ctx, e, shape, path)
	})
}

// change is what a request wants that others don't.
type change struct {
	what    string
	options puna.Options
	embeds  bool

	made, kept           []float64 // waits for the context: the first time, and later
	first, later, steady []float64 // to the answer: as above, and without a change before
}

// measureContexts loads the model anew for each run, since a context is made once.
func (s settings) measureContexts(ctx context.Context, e *engine.Engine, shape, path string) error {
	trained, err := testmodel.ByName(shape)
	if err != nil {
		return err
	}
	long := min(longContext, trained.Ctx)
	fmt.Printf("\n%s %s\n", shape, s.quant)
	changes := []*change{
		{what: fmt.Sprintf("num_ctx %d to %d", long/2, long), options: puna.Options{NumCtx: &long}},
		{what: "KV type f16 to q8_0", options: puna.Options{KVCacheType: "q8_0"}},
		{what: "embeddings beside answers", embeds: true},
	}
	load := engine.LoadOptions{Path: path, Repack: s.repacking(), PoolTokens: long / 2, Options: puna.Options{NumThread: &s.threads, NumCtx: new(long / 2)}}
	var loads []float64
	for range s.repeat {
		took, err := s.tryContexts(ctx, e, load, changes)
		if err != nil {
			return err
		}
		loads = append(loads, took)
	}
	report("load: weights and a first context", "%.0f ms", median(loads))
	for _, c := range changes {
		report(c.what, "%.1f ms the first time, %.2f ms again", median(c.made), median(c.kept))
		report("  to the answer", "%.1f ms and %.1f ms; without a change %.1f ms", median(c.first), median(c.later), median(c.steady))
	}
	return nil
}

// tryContexts appends a run to what is known of each change, and returns how many
// milliseconds the load took.
func (s settings) tryContexts(ctx context.Context, e *engine.Engine, load engine.LoadOptions, changes []*change) (took float64, err error) {
	reads := 0
	load.Progress = func(float64) { reads++ }
	began := time.Now()
	m, err := e.Load(ctx, load)
	if err != nil {
		return 0, err
	}
	defer m.Close(ctx)
	took = ms(time.Since(began))
	loading := reads
	for _, c := range changes {
		var plain change
		for _, ask := range []struct {
			*change
			waits, answers *[]float64
		}{
			{&plain, &plain.made, &plain.first}, {c, &c.made, &c.first},
			{&plain, &plain.kept, &plain.later}, {c, &c.kept, &c.later}, {c, &plain.kept, &c.steady},
		} {
			wait, answer, err := ask.ask(ctx, m)
			if err != nil {
				return 0, err
			}
			*ask.waits, *ask.answers = append(*ask.waits, wait), append(*ask.answers, answer)
		}
	}
	if reads != loading {
		return 0, fmt.Errorf("a change of contexts read the weights again: %d steps of loading after %d", reads-loading, loading)
	}
	return took, nil
}

// ask wants a token or an embedding, and returns the wait for its context and for the
// answer, in milliseconds.
func (c *change) ask(ctx context.Context, m *engine.Model) (wait, answer float64, err error) {
	if c.embeds {
		r, err := m.Embed(ctx, &puna.EmbedRequest{Input: []string{randomText(8)}, Options: c.options})
		if err != nil {
			return 0, 0, err
		}
		return ms(r.LoadDuration), ms(r.TotalDuration), nil
	}
	options := puna.Options{NumPredict: new(1), Temperature: new(0.0)}
	r, err := generate(ctx, m, &puna.Request{Prompt: randomText(8), Template: "{{ .Prompt }}", Options: c.options.Over(options)})
	if err != nil {
		return 0, 0, err
	}
	return ms(r.done.LoadDuration), ms(r.first), nil
}

func ms(d time.Duration) float64 { return d.Seconds() * 1000 }
