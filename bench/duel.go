package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/puna-ai/puna/bench/peer"
)

// duel measures Puna's server and another one in turns.
type duel struct {
	settings
	programs []*peer.Program // Puna, and the other one
}

// trial is one measurement of one server.
type trial struct {
	what    string
	embeds  bool // of servers that embed
	texts   int  // the same new ones for both servers
	letters int  // of each text, of about a token each
	run     func(ctx context.Context, srv *peer.Server, texts []string) (float64, error)
}

func (d duel) trials() []trial {
	const shared, more = 800, 16
	embeds := func(callers, texts int) func(context.Context, *peer.Server, []string) (float64, error) {
		return func(ctx context.Context, srv *peer.Server, all []string) (float64, error) {
			return embedRate(ctx, srv, all, callers, texts)
		}
	}
	return []trial{
		{"start of the process to the first token, s", false, 0, 0, started},
		{"one stream, tokens/s", false, 1, 32, d.alone},
		{fmt.Sprintf("prompt of %d tokens, tokens/s", d.prompt), false, 1, d.prompt, prompted},
		{fmt.Sprintf("first token after %d known ones and %d more, s", shared, more), false, 1, shared + more,
			func(ctx context.Context, srv *peer.Server, texts []string) (float64, error) {
				return continued(ctx, srv, texts[0][:shared], texts[0])
			}},
		{"8 streams, tokens/s", false, 8, 16, d.together},
		{"16 streams, tokens/s", false, 16, 16, d.together},
		{"32 texts in one call, texts/s", true, 32, d.text, embeds(1, 32)},
		{"8 callers, a text in each call, texts/s", true, 32, d.text, embeds(8, 1)},
	}
}

// run makes the rows of so many rounds.
func (d duel) run(ctx context.Context, rounds int) ([]peer.Row, error) {
	trials := d.trials()
	values := make([][2][]float64, len(trials))
	for round := range rounds {
		for _, embeds := range []bool{false, true} {
			if err := d.round(ctx, round, embeds, trials, values); err != nil {
				return nil, err
			}
		}
	}
	rows := make([]peer.Row, len(trials))
	for i, v := range values {
		r := ratios(v[0], v[1])
		rows[i] = peer.Row{What: trials[i].what, Puna: median(v[0]), Peer: median(v[1]), Ratio: median(r), Least: slices.Min(r), Most: slices.Max(r)}
	}
	return rows, nil
}

// round starts both servers and appends what trials measure to values. Who is first
// changes from round to round.
func (d duel) round(ctx context.Context, round int, embeds bool, trials []trial, values [][2][]float64) error {
	var servers [2]*peer.Server
	order := []int{round % 2, 1 - round%2}
	for _, side := range order {
		srv, err := d.start(ctx, side, round, embeds)
		if err != nil {
			return err
		}
		defer srv.Close()
		servers[side] = srv
	}
	if !embeds {
		if err := sameTokens(ctx, servers); err != nil {
			return err
		}
	}
	for i, t := range trials {
		if t.embeds != embeds {
			continue
		}
		texts := make([]string, t.texts)
		for i := range texts {
			texts[i] = randomText(t.letters)
		}
		for _, side := range order {
			time.Sleep(settle)
			value, err := t.run(ctx, servers[side], texts)
			if err != nil {
				return err
			}
			values[i][side] = append(values[i][side], value)
		}
	}
	return nil
}

// start starts a server: the first time twice, since Puna tries a model that it hasn't
// seen, and the file may not be in memory.
func (d duel) start(ctx context.Context, side, round int, embeds bool) (*peer.Server, error) {
	srv, err := d.programs[side].Start(ctx, embeds)
	if err != nil || round > 0 || embeds {
		return srv, err
	}
	fmt.Printf("%s uses %s kernels\n", srv.Name, srv.Kernels())
	srv.Close()
	return d.programs[side].Start(ctx, embeds)
}

// sameTokens returns an error where the servers read one prompt as different ones.
func sameTokens(ctx context.Context, servers [2]*peer.Server) error {
	prompt := randomText(64)
	var counts [2]int
	for i, srv := range servers {
		a, err := srv.Complete(ctx, prompt, 1)
		if err != nil {
			return err
		}
		counts[i] = a.Prompt
	}
	if counts[0] != counts[1] {
		return fmt.Errorf("one prompt has %d tokens for %s and %d for %s: they can't be compared with this model", counts[0], servers[0].Name, counts[1], servers[1].Name)
	}
	return nil
}

func started(_ context.Context, srv *peer.Server, _ []string) (float64, error) {
	return srv.First.Seconds(), nil
}

func (d duel) alone(ctx context.Context, srv *peer.Server, texts []string) (float64, error) {
	a, err := srv.Complete(ctx, texts[0], d.tokens)
	return float64(d.tokens-1) / (a.End - a.First).Seconds(), err
}

func prompted(ctx context.Context, srv *peer.Server, texts []string) (float64, error) {
	a, err := srv.Complete(ctx, texts[0], 1)
	return float64(a.Prompt) / a.First.Seconds(), err
}

func continued(ctx context.Context, srv *peer.Server, known, whole string) (float64, error) {
	if _, err := srv.Complete(ctx, known, 1); err != nil {
		return 0, err
	}
	a, err := srv.Complete(ctx, whole, 1)
	return a.First.Seconds(), err
}

// together counts prompts as time, and not as tokens.
func (d duel) together(ctx context.Context, srv *peer.Server, texts []string) (float64, error) {
	errs := make([]error, len(texts))
	tokens := 2 * d.tokens
	var wg sync.WaitGroup
	start := time.Now()
	for i, text := range texts {
		wg.Go(func() { _, errs[i] = srv.Complete(ctx, text, tokens) })
	}
	wg.Wait()
	return float64(len(texts)*tokens) / time.Since(start).Seconds(), errors.Join(errs...)
}

// embedRate has callers embed so many texts in each call, until all are.
func embedRate(ctx context.Context, srv *peer.Server, all []string, callers, texts int) (float64, error) {
	var taken atomic.Int32
	return textsPerSecond(callers, len(all)/(callers*texts), texts, func(n int) error {
		end := int(taken.Add(int32(n)))
		return srv.Embed(ctx, all[end-n:end])
	})
}
