package loop

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
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

	var kept [][]sched.Token
	for _, p := range fx.f.kept {
		kept = append(kept, p.Tokens)
	}
	next := newFixtureKept(t, storing, kept, nil)
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

// far has little room for copies in memory.
var far = sched.Config{Cells: 300, IDs: 4, Batch: 32, Plain: true, Store: 200, CellBytes: 1, Elsewhere: 20, Tidy: true, MaxGap: time.Second}

// Reading takes time, and fails, while others come and go.
func TestAnswersWhilePrefixesAreRead(t *testing.T) {
	for name, plain := range map[string]bool{"plain": true, "exact": false} {
		t.Run(name, func(t *testing.T) {
			cfg := far
			cfg.Plain = plain
			var read, failed atomic.Int64
			fx := newFixture(t, cfg, func(f *fake) {
				f.read = func() error {
					time.Sleep(time.Duration(rand.IntN(300)) * time.Microsecond)
					if read.Add(1)%5 == 0 {
						failed.Add(1)
						return errors.New("the file is damaged")
					}
					return nil
				}
			})
			var wg sync.WaitGroup
			for g := range uint64(6) {
				wg.Go(func() { fx.run(t, family(g, 40)) })
			}
			wg.Wait()
			fx.shut(t)
			assert.Greater(t, failed.Load(), int64(3))
		})
	}
}

// slowDisk has copies of an earlier run, which are read when the test says so.
type slowDisk struct {
	*fixture
	began chan struct{} // a value for each read
	ends  chan error
}

func newSlowDisk(t *testing.T, kept ...[]sched.Token) slowDisk {
	d := slowDisk{began: make(chan struct{}, 100), ends: make(chan error)}
	d.fixture = newFixtureKept(t, far, kept, func(f *fake) {
		f.read = func() error {
			d.began <- struct{}{}
			return <-d.ends
		}
	})
	return d
}

// submit sends a request for up to 10 tokens.
func (d slowDisk) submit(t *testing.T, prompt []sched.Token) *Request {
	r := d.request(prompt, far.Cells, 10)
	require.NoError(t, d.Submit(r))
	return r
}

// check reads the right answer to a prompt, and returns how much of it was cached.
func check(t *testing.T, r *Request) (cached int) {
	got, end, err := read(t, r)
	require.NoError(t, err)
	want, _ := answer(r.Prompt, far.Cells, 10)
	assert.Equal(t, want, got)
	return end.Cached
}

func run64(first, last sched.Token) []sched.Token {
	return append(slices.Repeat([]sched.Token{first}, 64), last)
}

func TestOthersGoOnWhileAPrefixIsRead(t *testing.T) {
	d := newSlowDisk(t, run64(1, 1))
	waiting := []*Request{d.submit(t, run64(1, 2)), d.submit(t, run64(1, 3))}
	<-d.began
	for last := range sched.Token(5) {
		check(t, d.submit(t, run64(2, last)))
	}
	for _, r := range waiting {
		assert.Empty(t, r.out)
	}
	d.ends <- nil
	for _, r := range waiting {
		assert.Equal(t, 64, check(t, r))
	}
	assert.Empty(t, d.began, "it was read once")
	d.shut(t)
	assert.False(t, d.f.kv.Fetched(), "what was read is let go of")
}

func TestADamagedPrefixIsComputedWhenThatIsKnown(t *testing.T) {
	d := newSlowDisk(t, run64(1, 1))
	r := d.submit(t, run64(1, 2))
	<-d.began
	d.ends <- errors.New("the file is damaged")
	assert.Zero(t, check(t, r))
	assert.Equal(t, 64, check(t, d.submit(t, run64(1, 3))))
	d.shut(t)
}

func TestCancelWhileAPrefixIsRead(t *testing.T) {
	d := newSlowDisk(t, run64(1, 1), run64(2, 2))
	r := d.submit(t, run64(1, 2))
	<-d.began
	r.Cancel()
	_, _, err := read(t, r)
	assert.ErrorIs(t, err, context.Canceled)
	next := d.submit(t, run64(2, 3)) // its read comes after
	d.ends <- nil
	<-d.began
	d.ends <- nil
	assert.Equal(t, 64, check(t, next))
	d.shut(t)
	assert.False(t, d.f.kv.Fetched(), "what was read is let go of")
}

func TestCloseWhileAPrefixIsRead(t *testing.T) {
	d := newSlowDisk(t, run64(1, 1))
	r := d.submit(t, run64(1, 2))
	<-d.began
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	go func() { d.ends <- nil }()
	d.Close(ctx)
	_, _, err := read(t, r)
	assert.ErrorIs(t, err, context.Canceled)
	d.shut(t)
}

// Closing waits for a request, and so for what this waits for.
func TestCloseWaitsForAPrefix(t *testing.T) {
	d := newSlowDisk(t, run64(1, 1))
	r := d.submit(t, run64(1, 2))
	<-d.began
	closed := make(chan struct{})
	go func() {
		d.Close(t.Context())
		close(closed)
	}()
	d.ends <- nil
	assert.Equal(t, 64, check(t, r))
	<-closed
	d.shut(t)
}
