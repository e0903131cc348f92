package engine_test

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/puna-ai/puna"
	"github.com/puna-ai/puna/engine"
	"github.com/puna-ai/puna/internal/testmodel"
)

// architectures have caches of every kind: cells that can be shared, sliding windows,
// recurrent states, and both kinds of layers.
var architectures = []testmodel.Shape{qwen3(), testmodel.Gemma3, testmodel.Mamba2, testmodel.Granite}

func qwen3() testmodel.Shape {
	s := testmodel.Gemma3
	s.Name, s.Arch, s.Layers = "qwen3", "qwen3", 2
	return s
}

// each runs f for every architecture, with a function that loads a model of it.
func each(t *testing.T, f func(t *testing.T, s testmodel.Shape, load func(engine.LoadOptions) *engine.Model)) {
	for _, s := range architectures {
		t.Run(s.Arch, func(t *testing.T) {
			f(t, s, func(o engine.LoadOptions) *engine.Model {
				o.Path = testmodel.PathOf(t, s)
				return load(t, o)
			})
		})
	}
}

// all is how much of a prompt of n tokens is reused when it comes again.
func all(s testmodel.Shape, n int) int {
	if s.Arch == "qwen3" {
		return n - 1
	}
	return n - 5
}

func TestEveryArchitectureReusesPrefixes(t *testing.T) {
	each(t, func(t *testing.T, s testmodel.Shape, load func(engine.LoadOptions) *engine.Model) {
		m, anew := load(engine.LoadOptions{}), load(engine.LoadOptions{NoReuse: true})
		ask := func(what string, prompt []int, cached int) []int {
			want, _ := complete(t, anew, prompt, 40)
			got, done := complete(t, m, prompt, 40)
			assert.Equal(t, want, got, what)
			assert.Equal(t, cached, done.CachedTokens, what)
			return append(prompt[:len(prompt):len(prompt)], got...)
		}
		prompt := tokens(1, 300)
		whole := ask("first", prompt, 0)
		assert.Equal(t, referenceOf(t, s, prompt, 40), whole[300:])
		ask("again", prompt, all(s, 300))
		ask("the answer and more", append(whole, tokens(2, 91)...), len(whole)-1)

		part := func(seed uint64) []int { return append(prompt[:200:200], tokens(seed, 100)...) }
		first, extended := 200, 300
		if s.Arch != "qwen3" {
			first, extended = 0, all(s, 300)
		}
		ask("more", append(prompt[:300:300], tokens(3, 72)...), extended)
		ask("a part", part(4), first)
		ask("a part, once it was seen to be one", part(5), 200)
		ask("a part again", part(4), all(s, 300))
		assert.NotEqual(t, ask("other", tokens(6, 100), 0)[100:], whole[300:], "answers depend on prompts")
	})
}

// Rows that are computed side by side round differently; most tokens must be the same
// all the same.
func TestEveryArchitectureComputesASharedPrefixOnce(t *testing.T) {
	each(t, func(t *testing.T, s testmodel.Shape, load func(engine.LoadOptions) *engine.Model) {
		const n, requests = 16, 12 // more than run at once
		m, anew := load(engine.LoadOptions{NumParallel: 8}), load(engine.LoadOptions{NoReuse: true})
		var same, total, cached int
		var mu sync.Mutex
		var wg sync.WaitGroup
		for i := range uint64(requests) {
			prompt := append(tokens(1, 200), tokens(10+i, 40+int(i))...)
			want, _ := complete(t, anew, prompt, n)
			wg.Go(func() {
				got, done := complete(t, m, prompt, n)
				mu.Lock()
				defer mu.Unlock()
				cached += done.CachedTokens
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
		assert.GreaterOrEqual(t, cached, (requests-2)*200)
	})
}

func TestEveryArchitectureGoesOnAfterACancel(t *testing.T) {
	each(t, func(t *testing.T, s testmodel.Shape, load func(engine.LoadOptions) *engine.Model) {
		m, anew := load(engine.LoadOptions{}), load(engine.LoadOptions{NoReuse: true})
		prompt := tokens(1, 400)
		var wg sync.WaitGroup
		for g := range 3 {
			wg.Go(func() {
				for events := range 4 {
					ctx, cancel := context.WithCancel(t.Context())
					req := &puna.Request{Context: prompt[:399-50*g], Prompt: "x", Template: "{{ .Prompt }}", Options: greedy(50)}
					for range m.Generate(ctx, req) {
						if events--; events < 0 {
							cancel()
						}
					}
					cancel()
				}
			})
		}
		wg.Wait()
		want, _ := complete(t, anew, prompt, 30)
		got, done := complete(t, m, prompt, 30)
		assert.Equal(t, want, got)
		assert.GreaterOrEqual(t, done.CachedTokens, 300)
	})
}

func TestEveryArchitectureKeepsPrefixesOnDisk(t *testing.T) {
	each(t, func(t *testing.T, s testmodel.Shape, load func(engine.LoadOptions) *engine.Model) {
		dir, prompt := t.TempDir(), tokens(1, 300)
		var want []int
		var counted int64
		onceOf(t, s, dir, "digest", 0, func(m *engine.Model) {
			want, _ = complete(t, m, prompt, 20)
			counted = m.Stats().StoredBytes
		})
		if s.Arch != "qwen3" { // which has no copies yet
			files, err := filepath.Glob(filepath.Join(dir, "*", "*.kv"))
			require.NoError(t, err)
			require.Len(t, files, 1)
			file, err := os.Stat(files[0])
			require.NoError(t, err)
			assert.Less(t, file.Size(), counted*11/10, "a copy is about as large as it counts")
			assert.Greater(t, file.Size(), counted*4/10)
		}
		onceOf(t, s, dir, "digest", 0, func(m *engine.Model) {
			got, done := complete(t, m, prompt, 20)
			assert.Equal(t, want, got)
			assert.Equal(t, all(s, 300), done.CachedTokens)
		})
	})
}

func TestWithoutMemoryForCopiesNothingIsReused(t *testing.T) {
	m := load(t, engine.LoadOptions{Path: testmodel.PathOf(t, testmodel.Mamba2), CacheRAM: -1})
	prompt := tokens(1, 100)
	want, _ := complete(t, m, prompt, 10)
	got, done := complete(t, m, prompt, 10)
	assert.Equal(t, want, got)
	assert.Zero(t, done.CachedTokens)
	assert.False(t, m.Info().Reuse)
}
