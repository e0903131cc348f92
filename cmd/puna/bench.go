package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/puna-ai/puna"
)

// benchFlags are the flags of bench.
type benchFlags struct {
	local   bool
	prompt  int
	tokens  int
	streams []int
	repeat  int
	options []string
}

func newBenchCommand(c *config) *cobra.Command {
	var f benchFlags
	cmd := &cobra.Command{
		Use:   "bench MODEL",
		Short: "Measure how fast a model answers",
		Long: `Measure prompt processing and generation, alone and with several streams at once.

Every prompt is new, so that no cache helps. The figures are those of the engine
for a model in this process, and a server's own for one that a server answers
(Ollama's too): the same command measures both.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.bench(cmd, args[0], f)
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&f.local, "local", false, "measure this process even if a server is up")
	flags.IntVarP(&f.prompt, "prompt", "p", 512, "words of a prompt, about as many tokens")
	flags.IntVarP(&f.tokens, "tokens", "n", 64, "tokens to generate in each stream")
	flags.IntSliceVarP(&f.streams, "streams", "s", []int{1, 8, 16}, "numbers of streams at once")
	flags.IntVarP(&f.repeat, "repeat", "r", 3, "runs of each measurement; the median counts")
	flags.StringArrayVarP(&f.options, "option", "o", nil, "an option as NAME=VALUE; may be repeated")
	return cmd
}

func (c *config) bench(cmd *cobra.Command, model string, f benchFlags) error {
	where := backendOf(model)
	if f.local {
		where = localOnly
	}
	svc, err := c.connect(cmd.Context(), where)
	if err != nil {
		return err
	}
	defer svc.Close()
	b := bencher{svc: svc, model: model, flags: f}
	for _, opt := range f.options {
		if err := setOption(&b.options, opt); err != nil {
			return err
		}
	}
	return b.run(cmd.Context(), cmd.OutOrStdout())
}

// bencher measures one model.
type bencher struct {
	svc     puna.Service
	model   string
	flags   benchFlags
	options puna.Options
}

func (b *bencher) run(ctx context.Context, out io.Writer) error {
	if _, err := b.generate(ctx, 8, 2); err != nil { // load and warm up
		return err
	}
	table := newTable(out, "TEST", "TOKENS/S", "TOKENS/S EACH", "FIRST TOKEN")
	rate, first, err := b.median(ctx, 1, b.flags.prompt, 1)
	if err != nil {
		return err
	}
	table.row(fmt.Sprintf("prompt of %d words", b.flags.prompt), fmt.Sprintf("%.1f", rate), "", round(first).String())
	for _, n := range b.flags.streams {
		rate, first, err := b.median(ctx, n, 16, b.flags.tokens)
		if err != nil {
			return err
		}
		table.row(fmt.Sprintf("%d streams of %d tokens", n, b.flags.tokens), fmt.Sprintf("%.1f", rate), fmt.Sprintf("%.1f", rate/float64(n)), round(first).String())
	}
	return table.Flush()
}

// sample is what one run measured.
type sample struct {
	rate  float64 // tokens per second: of the prompt where one token is generated, else generated
	first time.Duration
}

// median runs a measurement repeat times and returns the median rate and the
// median of the slowest first tokens.
func (b *bencher) median(ctx context.Context, streams, prompt, tokens int) (rate float64, first time.Duration, err error) {
	var rates []float64
	var firsts []time.Duration
	for range max(1, b.flags.repeat) {
		s, err := b.together(ctx, streams, prompt, tokens)
		if err != nil {
			return 0, 0, err
		}
		rates, firsts = append(rates, s.rate), append(firsts, s.first)
	}
	slices.Sort(rates)
	slices.Sort(firsts)
	return rates[len(rates)/2], firsts[len(firsts)/2], nil
}

// together runs streams at once. Their rate is the sum of each one's own, since
// they start together and are of one length.
func (b *bencher) together(ctx context.Context, streams, prompt, tokens int) (sample, error) {
	samples := make([]sample, streams)
	errs := make([]error, streams)
	var wg sync.WaitGroup
	for i := range streams {
		wg.Go(func() { samples[i], errs[i] = b.generate(ctx, prompt, tokens) })
	}
	wg.Wait()
	var all sample
	for i, s := range samples {
		if errs[i] != nil {
			return all, errs[i]
		}
		all.rate += s.rate
		all.first = max(all.first, s.first)
	}
	return all, nil
}

// generate answers one new prompt greedily, past any end of turn. Nothing is drafted:
// how much of a draft is right depends on the text, and this one is noise.
func (b *bencher) generate(ctx context.Context, words, tokens int) (sample, error) {
	opts := puna.Options{NumPredict: &tokens, Temperature: new(0.0), IgnoreEOS: new(true), DraftNumPredict: new(0)}
	req := &puna.Request{Model: b.model, Prompt: randomText(words), Raw: true, Options: b.options.Over(opts)}
	start := time.Now()
	var s sample
	for ev, err := range b.svc.Generate(ctx, req) {
		if err != nil {
			return s, err
		}
		if s.first == 0 {
			s.first = time.Since(start)
		}
		if d := ev.Done; d != nil {
			s.rate = float64(d.EvalTokens) / d.EvalDuration.Seconds()
			if tokens == 1 {
				s.rate = float64(d.PromptTokens-d.CachedTokens) / d.PromptEvalDuration.Seconds()
			}
		}
	}
	return s, nil
}

// randomText is n words that no other prompt begins with.
func randomText(n int) string {
	var text strings.Builder
	for range n {
		text.WriteByte(' ')
		text.WriteByte(byte('a' + rand.IntN(26)))
	}
	return text.String()
}
