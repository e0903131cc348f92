package reference_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/puna-ai/puna"
	"github.com/puna-ai/puna/bench/reference"
	"github.com/puna-ai/puna/engine"
	"github.com/puna-ai/puna/internal/testmodel"
)

// One thread: the workers of several wait for each other, and take minutes where
// other tests want the same CPUs.
const threads = 1

// fixture is an engine and a reference loop over one small random model.
type fixture struct {
	engine *engine.Engine
	path   string
	loop   *reference.Loop
}

func newFixture(t *testing.T) *fixture {
	bin, err := reference.Build(t.TempDir())
	if errors.Is(err, reference.ErrNoLibrary) {
		t.Skip(err) // make test sets PKG_CONFIG_PATH
	}
	require.NoError(t, err)
	e, err := engine.Open(engine.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, e.Close()) })
	path := filepath.Join(t.TempDir(), "tiny.gguf")
	require.NoError(t, testmodel.Write(path, testmodel.Tiny))
	loop, err := reference.Start(bin, reference.Options{Model: path, Module: e.Kernels().Path, Threads: threads, Ctx: 4096, Ubatch: 512, Repack: true})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, loop.Close()) })
	return &fixture{e, path, loop}
}

func (f *fixture) load(t *testing.T, o engine.LoadOptions) *engine.Model {
	o.Path = f.path
	o.Options.NumThread = new(threads)
	m, err := f.engine.Load(context.Background(), o)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, m.Close(context.Background())) })
	return m
}

// answer generates n tokens greedily and returns the tokens of the prompt and of
// the answer, and how many of the prompt's came from the prefix cache.
func answer(m *engine.Model, prompt string, n int) (in, out []int, cached int, err error) {
	req := &puna.Request{Prompt: prompt, Template: "{{ .Prompt }}", Options: puna.Options{NumPredict: &n, Temperature: new(0.0), IgnoreEOS: new(true), DraftNumPredict: new(0)}}
	for ev, err := range m.Generate(context.Background(), req) {
		if err != nil {
			return nil, nil, 0, err
		}
		if d := ev.Done; d != nil {
			split := len(d.Context) - d.EvalTokens
			return d.Context[:split], d.Context[split:], d.CachedTokens, nil
		}
	}
	return nil, nil, 0, errors.New("the answer has no end")
}

func text(seed uint64, n int) string {
	rng := rand.New(rand.NewPCG(seed, 1))
	var b strings.Builder
	for range n {
		b.WriteByte(byte('a' + rng.IntN(26)))
	}
	return b.String()
}

// TestGreedyEqualsReference: alone, with prompts cut into chunks of any size, and
// with and without the reuse of prefixes, the engine's greedy tokens are those of
// llama.cpp's own loop.
func TestGreedyEqualsReference(t *testing.T) {
	f := newFixture(t)
	for _, chunk := range []int{1, 7, 64, 512} {
		for _, reuse := range []bool{false, true} {
			t.Run(fmt.Sprintf("chunks of %d, reuse %t", chunk, reuse), func(t *testing.T) {
				m := f.load(t, engine.LoadOptions{NoReuse: !reuse, Options: puna.Options{NumBatch: &chunk}})
				base := text(uint64(chunk), 300)
				for i, prompt := range []string{text(9, 5), base, base, base[:200] + text(3, 70), base + text(4, 40)} {
					in, out, cached, err := answer(m, prompt, 24)
					require.NoError(t, err)
					want, err := f.loop.Run(in, len(out))
					require.NoError(t, err)
					assert.Equal(t, want.Tokens, out, "prompt %d", i)
					if reuse && i >= 2 {
						assert.Greater(t, cached, 100, "prompt %d", i)
					} else {
						assert.LessOrEqual(t, cached, 1, "prompt %d: only a BOS token can be shared", i)
					}
				}
			})
		}
	}
}

// TestTogether reports how far eight sequences in one batch agree with the
// reference. They need not: kernels round differently for other numbers of rows.
// Most tokens must, or sequences read each other's cells.
func TestTogether(t *testing.T) {
	f := newFixture(t)
	m := f.load(t, engine.LoadOptions{})
	const n, tokens = 8, 32
	var wg sync.WaitGroup
	ins, outs, errs := make([][]int, n), make([][]int, n), make([]error, n)
	for i := range n {
		wg.Go(func() { ins[i], outs[i], _, errs[i] = answer(m, text(uint64(100+i), 40+10*i), tokens) })
	}
	wg.Wait()
	same := 0
	for i := range n {
		require.NoError(t, errs[i])
		want, err := f.loop.Run(ins[i], tokens)
		require.NoError(t, err)
		for k := range tokens {
			if outs[i][k] != want.Tokens[k] {
				break // from here on they answer different texts
			}
			same++
		}
	}
	t.Logf("%d of %d tokens are the reference's", same, n*tokens)
	assert.Greater(t, same, n*tokens/2)
}
