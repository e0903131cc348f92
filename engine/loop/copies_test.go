package loop

import (
	"errors"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/puna-ai/puna/engine/sched"
)

// storing has copies of prefixes, in memory and elsewhere.
var storing = sched.Config{Cells: 120, IDs: 4, Batch: 32, Plain: true, Store: 400, CellBytes: 1, Elsewhere: 8, Tidy: true}

// run answers prompts one after another, and returns how many tokens were cached.
func (fx *fixture) run(t *testing.T, prompts [][]sched.Token) (cached int) {
	for _, p := range prompts {
		want, reason := answer(p, storing.Cells, 10)
		r := fx.request(p, storing.Cells, 10)
		require.NoError(t, fx.Submit(r))
		got, end, err := read(t, r)
		require.NoError(t, err)
		assert.Equal(t, want, got)
		assert.Equal(t, reason, end.Reason)
		cached += end.Cached
	}
	return cached
}

// family is prompts of which many share beginnings that come again and again.
func family(seed uint64, n int) [][]sched.Token {
	rng := rand.New(rand.NewPCG(seed, 5))
	all := make([][]sched.Token, n)
	for i := range all {
		p := make([]sched.Token, 40+rng.IntN(60))
		base := 1000 * (1 + rng.IntN(8))
		for j := range p {
			p[j] = sched.Token(base + j)
		}
		p[len(p)-1] = sched.Token(rng.IntN(100))
		all[i] = p
	}
	return all
}

func TestCopiesHoldWhatWasComputed(t *testing.T) {
	cfg := storing
	cfg.Store = 0
	without := newFixture(t, cfg, nil)
	defer without.Close(t.Context())
	fx := newFixture(t, storing, nil)
	defer fx.Close(t.Context())
	prompts := family(1, 200)
	assert.Greater(t, fx.run(t, prompts), 2*without.run(t, prompts))
}

// exact has states that are only copied where they end.
var exact = sched.Config{Cells: 300, IDs: 4, Batch: 32, Store: 4000, CellBytes: 1, SeqBytes: 100, Elsewhere: 4, MaxGap: time.Second}

func TestAnswersFromCheckpoints(t *testing.T) {
	cfg := exact
	cfg.Store = 0
	without := newFixture(t, cfg, nil)
	prompts := family(4, 100)
	assert.Zero(t, without.run(t, prompts))
	without.shut(t)
	fx := newFixture(t, exact, nil)
	assert.Greater(t, fx.run(t, prompts), 500)
	askMany(t, fx, 10)
}

func TestALostCopyIsComputedAnew(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	lost := 0
	fx := newFixture(t, storing, func(f *fake) {
		f.loses = func() bool {
			lose := rng.IntN(3) == 0
			if lose {
				lost++
			}
			return lose
		}
	})
	fx.run(t, family(2, 300))
	fx.Close(t.Context())
	assert.Greater(t, lost, 10)
}

func TestPrefixesOutliveTheLoop(t *testing.T) {
	fx := newFixture(t, storing, nil)
	prompts := family(3, 5)
	fx.run(t, prompts)
	fx.Close(t.Context())
	require.NotEmpty(t, fx.f.kept)

	f := &fake{t: t, kv: fx.f.kv, aborts: make(chan struct{}, 1)}
	cfg := Config{Sched: storing}
	for i, p := range fx.f.kept {
		cfg.Kept = append(cfg.Kept, p.Tokens)
		f.kv.Keep(uint64(i), p.Tokens)
	}
	next := &fixture{f: f, Loop: New(f, cfg)}
	f.loop = next.Loop
	defer next.Close(t.Context())
	assert.Greater(t, next.run(t, prompts[4:]), 38, "all but the end of the prompt")
}

// What is saved first is the first to go where there is no room for all, and one that
// can't be saved keeps no other out.
func TestWhatWasUsedLastIsSavedLast(t *testing.T) {
	for _, full := range []error{nil, errors.New("no room")} {
		fx := newFixture(t, plain, func(f *fake) { f.full = full })
		for _, first := range []sched.Token{1, 2, 3, 1} {
			r := fx.request(slices.Repeat([]sched.Token{first}, 40), 60, 2)
			require.NoError(t, fx.Submit(r))
			_, _, err := read(t, r)
			require.NoError(t, err)
		}
		fx.Close(t.Context())
		var saved []sched.Token
		for _, p := range fx.f.kept {
			saved = append(saved, p.Tokens[0])
		}
		assert.Equal(t, []sched.Token{2, 3, 1}, slices.Compact(saved))
	}
}
