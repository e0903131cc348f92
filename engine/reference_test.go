package engine_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/puna-ai/puna"
	"github.com/puna-ai/puna/cgo/llama"
	"github.com/puna-ai/puna/engine"
	"github.com/puna-ai/puna/internal/testmodel"
)

// reference is llama.cpp's own loop: one sequence, the prompt at once, then token by
// token, always the likeliest.
func reference(t *testing.T, prompt []int, n int) []int {
	return referenceOf(t, testmodel.Tiny, prompt, n)
}

func referenceOf(t *testing.T, s testmodel.Shape, prompt []int, n int) []int {
	m, err := llama.LoadModelFromFile(testmodel.PathOf(t, s), llama.ModelDefaultParams())
	require.NoError(t, err)
	defer m.Close()
	params := llama.ContextDefaultParams()
	params.NCtx, params.NBatch, params.NUbatch = 4096, 2048, 2048
	params.NThreads, params.NThreadsBatch = 1, 1
	c, err := m.InitFromModel(params)
	require.NoError(t, err)
	defer c.Close()
	b, err := llama.NewBatch(2048, 0, 1)
	require.NoError(t, err)
	defer b.Close()
	var out []int
	next := prompt
	for pos := 0; len(out) < n; {
		b.Clear()
		for i, tok := range next {
			require.NoError(t, b.Add(llama.Token(tok), llama.Pos(pos), []llama.SeqID{0}, i == len(next)-1))
			pos++
		}
		require.NoError(t, c.Decode(b))
		tok := llama.Argmax(c.GetLogitsIth(-1))
		if m.Vocab().IsEOG(tok) {
			break
		}
		out = append(out, int(tok))
		next = []int{int(tok)}
	}
	return out
}

// tokens is a random prompt that ends with an x, which is a token by itself.
func tokens(seed uint64, n int) []int {
	rng := rand.New(rand.NewPCG(seed, 11))
	p := make([]int, n)
	for i := range p {
		p[i] = 300 + rng.IntN(1500)
	}
	p[n-1] = 'x'
	return p
}

// complete goes on from tokens, greedily, and returns the new ones.
func complete(t *testing.T, m *engine.Model, prompt []int, n int) ([]int, *puna.Done) {
	last := len(prompt) - 1
	req := &puna.Request{Context: prompt[:last], Prompt: "x", Template: "{{ .Prompt }}", Options: greedy(n)}
	_, done, err := collect(t, m, req)
	require.NoError(t, err)
	require.Equal(t, prompt, done.Context[:len(prompt)])
	return done.Context[len(prompt):], done
}

func TestGreedyIsLlamasOwnLoop(t *testing.T) {
	prompt := tokens(1, 700)
	want := reference(t, prompt, 40)
	for _, batch := range []int{1, 7, 64, 512} {
		t.Run(fmt.Sprintf("batch %d", batch), func(t *testing.T) {
			m := load(t, engine.LoadOptions{Options: puna.Options{NumBatch: &batch}})
			got, done := complete(t, m, prompt, 40)
			assert.Equal(t, want, got, "computed anew")
			assert.Zero(t, done.CachedTokens)
			got, done = complete(t, m, prompt, 40)
			assert.Equal(t, want, got, "from the cached prefix")
			assert.Equal(t, len(prompt)-1, done.CachedTokens)
			_, done = complete(t, m, append(prompt[:500:500], tokens(2, 100)...), 5)
			assert.Equal(t, 500, done.CachedTokens)
			got, done = complete(t, m, prompt, 40)
			assert.Equal(t, want, got, "after another that shares a part")
			assert.Equal(t, len(prompt)-1, done.CachedTokens)
		})
	}
}

// A prompt that shares nothing moves the prefixes of others out of its way; they come
// back from their copies, which hold what was computed.
func TestPrefixesComeBackFromTheirCopies(t *testing.T) {
	m := load(t, engine.LoadOptions{})
	prompt, other := tokens(1, 700), tokens(3, 600)
	want := reference(t, prompt, 20)
	complete(t, m, prompt, 20)
	complete(t, m, other, 5)
	stats := m.Stats()
	assert.Equal(t, 1, stats.StoredPrefixes)
	assert.Less(t, stats.CellsUsed, 700, "those of the first are free")
	assert.Positive(t, stats.StoredBytes)
	for range 2 {
		got, done := complete(t, m, prompt, 20)
		assert.Equal(t, want, got)
		assert.Equal(t, len(prompt)-1, done.CachedTokens)
		_, done = complete(t, m, other, 5)
		assert.Equal(t, len(other)-1, done.CachedTokens)
	}

	m = load(t, engine.LoadOptions{CacheRAM: -1})
	complete(t, m, prompt, 20)
	complete(t, m, other, 5)
	assert.Zero(t, m.Stats().StoredPrefixes)
	assert.Equal(t, 2, m.Stats().CachedPrefixes)
}

func TestWithoutReuseNothingIsCached(t *testing.T) {
	m := load(t, engine.LoadOptions{NoReuse: true})
	prompt := tokens(1, 700)
	want := reference(t, prompt, 20)
	for range 2 {
		got, done := complete(t, m, prompt, 20)
		assert.Equal(t, want, got)
		assert.Zero(t, done.CachedTokens)
	}
	assert.False(t, m.Info().Reuse)
}

// With neighbours in the batch kernels round differently, so answers are only nearly
// those of one sequence alone; most tokens must be the same all the same.
func TestManyAtOnce(t *testing.T) {
	m := load(t, engine.LoadOptions{})
	const n = 32
	same, total := 0, 0
	var mu sync.Mutex
	var wg sync.WaitGroup
	for i := range uint64(8) {
		prompt := tokens(100+i, 50+20*int(i))
		want := reference(t, prompt, n)
		wg.Go(func() {
			got, _ := complete(t, m, prompt, n)
			mu.Lock()
			defer mu.Unlock()
			for j := range min(len(got), len(want)) {
				total++
				if got[j] == want[j] {
					same++
				}
			}
		})
	}
	wg.Wait()
	t.Logf("%d of %d tokens are those of one sequence alone", same, total)
	assert.Greater(t, same, total/2)
	require.Eventually(t, func() bool { s := m.Stats(); return s.Running+s.Waiting == 0 }, 10*time.Second, time.Millisecond)
	assert.EqualValues(t, 8, m.Stats().Requests)
}

func TestCancelsLeaveNothing(t *testing.T) {
	m := load(t, engine.LoadOptions{PoolTokens: 1024, Options: puna.Options{NumCtx: new(1024)}})
	var wg sync.WaitGroup
	for g := range uint64(8) {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(g, 5))
			for range 12 {
				ctx, cancel := context.WithCancel(t.Context())
				left := rng.IntN(6)
				req := &puna.Request{Context: tokens(rng.Uint64()%4, 1+rng.IntN(600)), Prompt: "x", Options: greedy(50)}
				for _, err := range m.Generate(ctx, req) {
					if err != nil {
						assert.Equal(t, puna.Canceled, puna.KindOf(err), "%v", err)
						break
					}
					if left--; left < 0 {
						if rng.IntN(2) == 0 {
							break
						}
						cancel()
					}
				}
				cancel()
			}
		})
	}
	wg.Wait()
	_, done, err := collect(t, m, &puna.Request{Prompt: "hello", Options: greedy(3)})
	require.NoError(t, err)
	assert.Equal(t, 3, done.EvalTokens)
	s := m.Stats()
	assert.LessOrEqual(t, s.CellsUsed, s.Cells)
}
