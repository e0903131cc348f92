package engine_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/puna-ai/puna"
	"github.com/puna-ai/puna/engine"
	"github.com/puna-ai/puna/internal/testmodel"
)

// cheap is the share of a step at which a draft model of the same size pays.
const cheap = 0.1

// other is a draft model that knows nothing of Tiny's mind.
func other() testmodel.Shape {
	s := testmodel.Tiny
	s.Name, s.Embd, s.Layers, s.FF, s.Seed = "other", 128, 1, 128, 7
	return s
}

func sameDraft(t testing.TB) engine.Draft {
	return engine.Draft{Path: testmodel.Path(t), Cost: cheap}
}

func otherDraft(t testing.TB) engine.Draft {
	return engine.Draft{Path: testmodel.PathOf(t, other())}
}

// Greedy answers with a draft model are those of llama.cpp's own loop, whatever it drafts.
func TestGreedyWithADraftModelIsLlamasOwnLoop(t *testing.T) {
	var lookup int64 // steps without a draft model
	for _, name := range []string{"none", "same", "other"} {
		draft := map[string]engine.Draft{"same": sameDraft(t), "other": otherDraft(t)}[name]
		t.Run(name, func(t *testing.T) {
			m := load(t, engine.LoadOptions{Draft: draft})
			for seed, length := range map[uint64]int{1: 20, 2: 300} { // the second in three chunks
				prompt := tokens(seed, length)
				got, done := complete(t, m, prompt, 100)
				assert.Equal(t, reference(t, prompt, 100), got)
				t.Logf("%d of %d drafted tokens were right", done.AcceptedTokens, done.DraftTokens)
				assert.Positive(t, done.DraftTokens)
			}
			s := m.Stats()
			t.Logf("%d steps", s.Steps)
			switch name {
			case "none":
				lookup = s.Steps
			case "same":
				assert.GreaterOrEqual(t, s.AcceptedTokens*10, s.DraftedTokens*9)
				assert.Less(t, s.Steps, lookup)
			}
		})
	}
}

// What is sampled depends on the seed and not on drafts.
func TestSamplingWithADraftModelIsThatWithout(t *testing.T) {
	for name, draft := range map[string]engine.Draft{"same": sameDraft(t), "other": otherDraft(t)} {
		t.Run(name, func(t *testing.T) {
			m := load(t, engine.LoadOptions{Draft: draft})
			for seed := range 3 {
				for _, o := range []puna.Options{few(seed), cool(seed)} {
					req := &puna.Request{Prompt: "some text", Template: "{{ .Prompt }}", Options: o}
					assert.Equal(t, listen(t, m, undrafted(req)), listen(t, m, req))
				}
			}
			s := m.Stats()
			t.Logf("%d of %d drafted tokens were right", s.AcceptedTokens, s.DraftedTokens)
			assert.Greater(t, s.DraftedTokens, s.AcceptedTokens)
			if name == "same" {
				assert.Greater(t, s.AcceptedTokens, int64(50))
			}
		})
	}
}

// cool takes the likeliest token more often than not, so it seldom repeats itself, and a
// draft model knows much of it.
func cool(seed int) puna.Options {
	return puna.Options{Seed: &seed, Temperature: new(0.1), TopK: new(0), TopP: new(1.0), NumPredict: new(80)}
}

func TestManyWithADraftModel(t *testing.T) {
	m := load(t, engine.LoadOptions{Draft: sameDraft(t)})
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for round := range 3 {
				req := raw(fmt.Sprintf("text %d of %d", i, round), 40)
				ctx, cancel := context.WithCancel(t.Context())
				n := 0
				for _, err := range m.Generate(ctx, req) {
					if n++; i%2 == 1 && n == 10+5*round {
						cancel()
					}
					if i%2 == 0 {
						assert.NoError(t, err)
					}
				}
				cancel()
			}
		})
	}
	wg.Wait()
	s := m.Stats()
	assert.Zero(t, s.Running+s.Waiting)
	assert.Positive(t, s.AcceptedTokens)
	want := reference(t, tokens(3, 30), 40)
	got, _ := complete(t, m, tokens(3, 30), 40)
	assert.Equal(t, want, got, "drafts are right after all that")
}

func TestADraftModelCanBeTurnedOff(t *testing.T) {
	m := load(t, engine.LoadOptions{Draft: sameDraft(t)})
	_, done, err := collect(t, m, undrafted(raw("some text", 30)))
	require.NoError(t, err)
	assert.Zero(t, done.DraftTokens)
}

func TestADraftModelOfAnotherVocabulary(t *testing.T) {
	small, seen := testmodel.Tiny, other()
	small.Name, small.Vocab = "small", 1024
	for _, s := range []testmodel.Shape{small, testmodel.Encoder} {
		path := testmodel.PathOf(t, s)
		_, err := shared.Load(t.Context(), engine.LoadOptions{Path: testmodel.Path(t), Draft: engine.Draft{Path: path}})
		assert.Equal(t, puna.Invalid, puna.KindOf(err))
		assert.ErrorContains(t, err, path+" can't draft for "+testmodel.Path(t))
	}
	_, err := shared.Load(t.Context(), engine.LoadOptions{Path: testmodel.Path(t), Draft: engine.Draft{Path: "none.gguf"}})
	assert.Equal(t, puna.NotFound, puna.KindOf(err))

	seen.Vocab += 100 // padding
	m := load(t, engine.LoadOptions{Draft: engine.Draft{Path: testmodel.PathOf(t, seen)}})
	got, _ := complete(t, m, tokens(1, 20), 40)
	assert.Equal(t, reference(t, tokens(1, 20), 40), got)
}

// Models that can't take drafts back, and drafts that can't, run without.
func TestADraftModelThatIsNotUsed(t *testing.T) {
	plain := testmodel.Tiny
	plain.Name, plain.Embd, plain.Layers, plain.Vocab = "plain", 128, 2, testmodel.Gemma3.Vocab
	for name, pair := range map[string][2]testmodel.Shape{
		"windows": {testmodel.Gemma3, plain}, "states": {plain, testmodel.Mamba2},
	} {
		t.Run(name, func(t *testing.T) {
			var log bytes.Buffer
			e, err := engine.Open(engine.Options{Log: slog.New(slog.NewTextHandler(&log, nil))})
			require.NoError(t, err)
			defer e.Close()
			m, err := e.Load(t.Context(), engine.LoadOptions{Path: testmodel.PathOf(t, pair[0]), Draft: engine.Draft{Path: testmodel.PathOf(t, pair[1])},
				Options: puna.Options{NumThread: new(1)}})
			require.NoError(t, err)
			_, _, err = collect(t, m, raw("some text", 10))
			require.NoError(t, err)
			assert.Contains(t, log.String(), "a draft model is not used")
		})
	}
}

func TestADraftModelCounts(t *testing.T) {
	without := engine.LoadOptions{Path: testmodel.Path(t), Options: puna.Options{NumThread: new(1)}, Repack: engine.RepackOff}
	with := without
	with.Draft = sameDraft(t)
	one, err := shared.Estimate(without)
	require.NoError(t, err)
	two, err := shared.Estimate(with)
	require.NoError(t, err)
	real, size := allocated(t, with, func(*engine.Model) {})
	t.Logf("estimates %.1f and %.1f MiB, real %.1f MiB", mib(one.Host), mib(two.Host), mib(real))
	assert.GreaterOrEqual(t, two.Host, real-1<<20)
	assert.Less(t, two.Host, real*3/2+8<<20)

	assert.InEpsilon(t, real, size, 0.2, "what the model says of itself")
	with.Draft.Path = "none.gguf"
	_, err = shared.Estimate(with)
	assert.Equal(t, puna.NotFound, puna.KindOf(err))
}

func mib(n int64) float64 { return float64(n) / (1 << 20) }

func TestTryingADraftModel(t *testing.T) {
	o := engine.LoadOptions{Path: testmodel.Path(t), Draft: otherDraft(t)}
	require.NoError(t, shared.Try(t.Context(), o))
	o.Draft.Path = strings.TrimSuffix(o.Draft.Path, ".gguf")
	assert.Error(t, shared.Try(t.Context(), o))
}
