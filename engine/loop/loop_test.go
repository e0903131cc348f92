package loop

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/puna-ai/puna"
	"github.com/puna-ai/puna/engine/sched"
)

// shut closes the loop and finds that nothing is left.
func (fx *fixture) shut(t *testing.T) {
	fx.Close(t.Context())
	assert.True(t, fx.f.closed.Load(), "the backend is closed")
	assert.Equal(t, fx.opened.Load(), fx.closed.Load(), "every picker is closed once")
	assert.Zero(t, fx.f.kv.Used(), "cells in use")
	assert.True(t, fx.s.Idle())
	assert.NoError(t, fx.s.Check())
}

func ask(t *testing.T, fx *fixture, rng *rand.Rand) {
	p := prompt(rng, 120)
	limit, most := len(p)+1+rng.IntN(100), rng.IntN(60)
	r := fx.request(p, limit, most)
	require.NoError(t, fx.Submit(r))
	text, end, err := read(t, r)
	require.NoError(t, err)
	wantText, wantReason := answer(p, limit, most)
	assert.Equal(t, wantText, text)
	assert.Equal(t, wantReason, end.Reason)
	assert.Equal(t, p, end.Tokens[:len(p)])
	assert.Less(t, end.Cached, len(p))
}

// askMany runs many requests from several goroutines.
func askMany(t *testing.T, fx *fixture, each int) {
	var wg sync.WaitGroup
	for g := range uint64(16) {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(g, 2))
			for range each {
				ask(t, fx, rng)
			}
		})
	}
	wg.Wait()
	fx.shut(t)
}

func TestAnswersAreThoseOfOneSequenceAlone(t *testing.T) {
	askMany(t, newFixture(t, plain, nil), 30)
}

func TestAnswersWithoutReuse(t *testing.T) {
	cfg := plain
	cfg.Plain = false
	askMany(t, newFixture(t, cfg, nil), 30)
}

func TestAnswersDespiteFullCaches(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	fx := newFixture(t, plain, func(f *fake) {
		f.faults = func() error {
			if rng.IntN(10) == 0 {
				return ErrNoSlot
			}
			return nil
		}
	})
	fx.cfg.Sched.Batch = 32
	askManyTolerant(t, fx)
}

// askManyTolerant accepts the error of a single row that found no cell.
func askManyTolerant(t *testing.T, fx *fixture) {
	failed := 0
	rng := rand.New(rand.NewPCG(3, 3))
	for range 200 {
		p := prompt(rng, 50)
		r := fx.request(p, len(p)+20, 0)
		require.NoError(t, fx.Submit(r))
		text, _, err := read(t, r)
		if err != nil {
			assert.ErrorIs(t, err, ErrNoSlot)
			failed++
			continue
		}
		want, _ := answer(p, len(p)+20, 0)
		assert.Equal(t, want, text)
	}
	assert.Less(t, failed, 200)
	fx.shut(t)
}

func TestAThousandCancelsLeaveNothing(t *testing.T) {
	for name, cfg := range map[string]sched.Config{"plain": plain, "exact": exact, "far": far} {
		t.Run(name, func(t *testing.T) {
			before := runtime.NumGoroutine()
			cancelMany(t, newFixture(t, cfg, nil))
			for range 1000 { // goroutines that have nothing left to do still have to end
				if runtime.NumGoroutine() <= before {
					break
				}
				time.Sleep(10 * time.Millisecond)
			}
			require.LessOrEqual(t, runtime.NumGoroutine(), before, "goroutines are left")
		})
	}
}

// cancelMany cancels a thousand requests at any time, and finds that nothing is left.
func cancelMany(t *testing.T, fx *fixture) {
	var wg sync.WaitGroup
	for g := range uint64(20) {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(g, 4))
			for range 50 {
				p := prompt(rng, 150)
				r := fx.request(p, 300, 0)
				require.NoError(t, fx.Submit(r))
				ctx, cancel := context.WithCancel(t.Context())
				for range rng.IntN(12) {
					if _, ok := r.Next(ctx); !ok {
						break
					}
				}
				switch rng.IntN(3) {
				case 0:
					cancel()
					_, _ = r.Next(ctx)
				case 1:
					go r.Cancel()
				}
				r.Cancel()
				cancel()
			}
		})
	}
	wg.Wait()
	for g := range uint64(10) {
		ask(t, fx, rand.New(rand.NewPCG(g, 1)))
	}
	fx.shut(t)
}

func TestCancelAbortsABatchThatServesNoOneElse(t *testing.T) {
	fx := newFixture(t, plain, func(f *fake) { f.block = make(chan struct{}) })
	a := fx.request([]sched.Token{1, 2, 3}, 50, 2)
	require.NoError(t, fx.Submit(a))
	a.Cancel() // before or during its first step, which only an abort can end
	_, _, err := read(t, a)
	assert.ErrorIs(t, err, context.Canceled)
	close(fx.f.block)
	ask(t, fx, rand.New(rand.NewPCG(5, 5)))
	fx.shut(t)
}

func TestASlowReaderIsParkedAlone(t *testing.T) {
	fx := newFixture(t, sched.Config{Cells: 4000, IDs: 8, Batch: 32, Plain: true}, nil)
	// A prompt whose answer is long.
	var p []sched.Token
	for i := sched.Token(0); ; i++ {
		p = []sched.Token{i}
		if text, _ := answer(p, 1000, 0); len(text) > 4*outputs*3 {
			break
		}
	}
	slow := fx.request(p, 1000, 0)
	require.NoError(t, fx.Submit(slow))
	require.Eventually(t, func() bool { return len(slow.out) == outputs-1 }, 10*time.Second, time.Millisecond)
	for g := range uint64(10) {
		ask(t, fx, rand.New(rand.NewPCG(g, 6)))
	}
	assert.Len(t, slow.out, outputs-1, "parked")
	text, end, err := read(t, slow)
	require.NoError(t, err)
	want, _ := answer(p, 1000, 0)
	assert.Equal(t, want, text)
	assert.Equal(t, puna.DoneStop, end.Reason)
	fx.shut(t)
}

func TestAnErrorEndsTheBatchAndNotTheLoop(t *testing.T) {
	broken := errors.New("the device is gone")
	var once sync.Once
	fx := newFixture(t, plain, func(f *fake) {
		f.faults = func() (err error) {
			once.Do(func() { err = broken })
			return err
		}
	})
	r := fx.request([]sched.Token{1, 2}, 50, 0)
	require.NoError(t, fx.Submit(r))
	_, _, err := read(t, r)
	assert.ErrorIs(t, err, broken)
	assert.Equal(t, puna.Internal, puna.KindOf(err))
	ask(t, fx, rand.New(rand.NewPCG(7, 7)))
	fx.shut(t)
}

func TestAPanicOfAPickerIsItsRequestsError(t *testing.T) {
	fx := newFixture(t, plain, nil)
	r := fx.request([]sched.Token{1, 2}, 50, 0)
	r.Picker.(*fakePicker).panics = 1
	require.NoError(t, fx.Submit(r))
	_, _, err := read(t, r)
	assert.ErrorContains(t, err, "sampling failed: the picker broke")
	ask(t, fx, rand.New(rand.NewPCG(8, 8)))
	fx.shut(t)
}

func TestCloseWaitsThenCancels(t *testing.T) {
	fx := newFixture(t, plain, func(f *fake) { f.block = make(chan struct{}) })
	r := fx.request([]sched.Token{1, 2, 3}, 50, 0)
	require.NoError(t, fx.Submit(r))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	fx.Close(ctx)
	_, _, err := read(t, r)
	assert.ErrorIs(t, err, context.Canceled)
	assert.Equal(t, puna.Unavailable, puna.KindOf(fx.Submit(fx.request([]sched.Token{1}, 2, 0))))
	fx.closed.Add(1) // the last picker was the caller's to close
	fx.shut(t)
}

func TestOnlyWhatIsIdleEndsIdle(t *testing.T) {
	fx := newFixture(t, plain, func(f *fake) { f.block = make(chan struct{}) })
	r := fx.request([]sched.Token{1, 2, 3}, 50, 0)
	require.NoError(t, fx.Submit(r))
	assert.False(t, fx.EndIdle(), "it waits, or runs for the first time")
	r.Cancel()
	for !fx.EndIdle() {
		time.Sleep(time.Millisecond)
	}
	assert.Equal(t, puna.Unavailable, puna.KindOf(fx.Submit(fx.request([]sched.Token{1}, 2, 0))))
	fx.closed.Add(1) // the last picker was the caller's to close
	fx.shut(t)
}

func TestSubmitRefusesWhatCannotFit(t *testing.T) {
	fx := newFixture(t, plain, nil)
	for _, r := range []*Request{{Limit: 5}, {Prompt: make([]sched.Token, 5), Limit: 5}, {Prompt: []sched.Token{1}, Limit: 301}} {
		assert.Error(t, fx.Submit(r))
	}
	fx.shut(t)
}

func TestStatsCount(t *testing.T) {
	fx := newFixture(t, plain, nil)
	for range 2 {
		r := fx.request([]sched.Token{9, 9, 9, 9, 9}, 300, 3)
		require.NoError(t, fx.Submit(r))
		_, end, err := read(t, r)
		require.NoError(t, err)
		assert.Equal(t, 3, end.Generated)
	}
	require.Eventually(t, func() bool { return fx.Stats().Running == 0 && fx.Stats().Steps == 6 }, 10*time.Second, time.Millisecond)
	s := fx.Stats()
	assert.Equal(t, []int64{2, 6, 4, 6}, []int64{s.Requests, s.Prompt, s.Cached, s.Generated})
	fx.shut(t)
}
