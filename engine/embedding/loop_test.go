package embedding

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/puna-ai/puna"
)

// fake is a backend whose vectors are the first token and the length of an input.
type fake struct {
	took time.Duration // of a token
	err  error
	boom bool

	inside  atomic.Int32 // finds a second user
	abort   atomic.Bool
	closed  atomic.Bool
	mu      sync.Mutex
	batches [][][]Token
	steps   []int
}

func (f *fake) Compute(inputs [][]Token, step int) ([][]float32, error) {
	if f.inside.Add(1) != 1 || f.closed.Load() {
		panic("two goroutines in the backend, or it is closed")
	}
	defer f.inside.Add(-1)
	f.mu.Lock()
	f.batches = append(f.batches, inputs)
	f.steps = append(f.steps, step)
	f.mu.Unlock()
	var out [][]float32
	for _, in := range inputs {
		for range in {
			time.Sleep(f.took)
			if f.abort.Load() {
				return nil, ErrAborted
			}
		}
		out = append(out, []float32{float32(in[0]), float32(len(in))})
	}
	if f.boom {
		panic("boom")
	}
	return out, f.err
}

func (f *fake) SetAbort(on bool) { f.abort.Store(on) }
func (f *fake) Close()           { f.closed.Store(true) }

func (f *fake) sizes() (all []int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, b := range f.batches {
		all = append(all, len(b))
	}
	return all
}

// run starts a loop that is closed, and checked, at the test's end.
func run(t *testing.T, f *fake, cfg Config) *Loop {
	t.Helper()
	l := New(f, cfg)
	t.Cleanup(func() {
		l.Close(t.Context())
		assert.True(t, f.closed.Load())
		assert.False(t, f.abort.Load(), "the abort flag is off again")
		assert.Empty(t, l.queue)
	})
	return l
}

// texts makes n inputs of so many tokens, which begin with from, from+1 and so on.
func texts(from, n, tokens int) [][]Token {
	all := make([][]Token, n)
	for i := range all {
		all[i] = make([]Token, tokens)
		all[i][0] = Token(from + i)
	}
	return all
}

func TestRequestsShareBatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{took: time.Millisecond}
		l := run(t, f, Config{Tokens: 32, Inputs: 8})
		var wg sync.WaitGroup
		for i := range 9 {
			wg.Go(func() {
				got, err := l.Do(t.Context(), texts(10*i, 2, 4))
				require.NoError(t, err)
				assert.Equal(t, [][]float32{{float32(10 * i), 4}, {float32(10*i + 1), 4}}, got)
			})
		}
		wg.Wait()
		sizes := f.sizes()
		assert.LessOrEqual(t, len(sizes), 4, "the first batch has what came first, the others 8: %v", sizes)
		s := l.Stats()
		assert.EqualValues(t, 9, s.Requests)
		assert.EqualValues(t, 18, s.Inputs)
		assert.EqualValues(t, 18*4, s.Tokens)
		assert.EqualValues(t, len(sizes), s.Batches)
		assert.Equal(t, 18*4*time.Millisecond, s.Compute)
		none, err := l.Do(t.Context(), nil)
		assert.NoError(t, err)
		assert.Empty(t, none)
	})
}

func TestAShortRequestPassesALongOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := run(t, &fake{took: time.Millisecond}, Config{Tokens: 10, Inputs: 8})
		var wg sync.WaitGroup
		wg.Go(func() {
			_, err := l.Do(t.Context(), texts(0, 1000, 5))
			assert.NoError(t, err)
		})
		synctest.Wait()
		start := time.Now()
		_, err := l.Do(t.Context(), texts(0, 1, 5))
		assert.NoError(t, err)
		assert.LessOrEqual(t, time.Since(start), 20*time.Millisecond, "the batch that ran, and the next")
		wg.Wait()
	})
}

func TestCanceledInputsLeaveBeforeTheirBatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{took: time.Millisecond}
		l := run(t, f, Config{Tokens: 10, Inputs: 8})
		var wg sync.WaitGroup
		wg.Go(func() {
			_, err := l.Do(t.Context(), texts(0, 1, 100))
			assert.NoError(t, err)
		})
		synctest.Wait()
		ctx, cancel := context.WithCancel(t.Context())
		wg.Go(func() {
			_, err := l.Do(ctx, texts(0, 5, 5))
			assert.Equal(t, puna.Canceled, puna.KindOf(err))
		})
		synctest.Wait()
		cancel()
		wg.Wait()
		assert.Equal(t, []int{1}, f.sizes())
	})
}

func TestABatchWithoutReadersIsAborted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{took: time.Millisecond}
		l := run(t, f, Config{Tokens: 1000, Inputs: 8})
		contexts := make([]context.Context, 2)
		cancels := make([]context.CancelFunc, 2)
		var wg sync.WaitGroup
		wg.Go(func() { // both wait behind it and share the next batch
			_, err := l.Do(t.Context(), texts(0, 1, 10))
			assert.NoError(t, err)
		})
		synctest.Wait()
		for i := range contexts {
			contexts[i], cancels[i] = context.WithCancel(t.Context())
			wg.Go(func() {
				_, err := l.Do(contexts[i], texts(0, 3, 100))
				assert.Equal(t, puna.Canceled, puna.KindOf(err))
			})
		}
		time.Sleep(50 * time.Millisecond)
		cancels[0]()
		synctest.Wait()
		assert.False(t, f.abort.Load(), "the other wants it")
		cancels[1]()
		synctest.Wait()
		assert.True(t, f.abort.Load())
		wg.Wait()
		start := time.Now()
		got, err := l.Do(t.Context(), texts(7, 1, 2))
		require.NoError(t, err)
		assert.Equal(t, [][]float32{{7, 2}}, got)
		assert.LessOrEqual(t, time.Since(start), 3*time.Millisecond)
	})
}

func TestErrorsEndTheRequestsOfABatch(t *testing.T) {
	for name, f := range map[string]*fake{"error": {err: errors.New("broken")}, "panic": {boom: true}} {
		t.Run(name, func(t *testing.T) {
			l := run(t, f, Config{Tokens: 4, Inputs: 8})
			for range 2 { // the loop goes on
				_, err := l.Do(t.Context(), texts(0, 50, 4))
				assert.Equal(t, puna.Internal, puna.KindOf(err))
				assert.ErrorContains(t, err, map[string]string{"error": "broken", "panic": "boom"}[name])
			}
			assert.Len(t, f.sizes(), 2, "what is left of a failed request isn't computed")
		})
	}
}

func TestCloseWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := run(t, &fake{took: time.Millisecond}, Config{Tokens: 8, Inputs: 8})
		var wg sync.WaitGroup
		wg.Go(func() {
			got, err := l.Do(t.Context(), texts(0, 20, 8))
			assert.NoError(t, err)
			assert.Len(t, got, 20)
		})
		synctest.Wait()
		l.Close(t.Context())
		wg.Wait()
		_, err := l.Do(t.Context(), texts(0, 1, 1))
		assert.Equal(t, puna.Unavailable, puna.KindOf(err))
	})
}

func TestCloseCancels(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{took: time.Millisecond}
		l := run(t, f, Config{Tokens: 8, Inputs: 8})
		var wg sync.WaitGroup
		for _, n := range []int{1, 20, 3} {
			wg.Go(func() {
				_, err := l.Do(t.Context(), texts(0, n, 8))
				assert.Equal(t, puna.Canceled, puna.KindOf(err), "%v", err)
			})
		}
		synctest.Wait()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		l.Close(ctx)
		wg.Wait()
		assert.Len(t, f.sizes(), 1)
	})
}

func TestStepsShrinkWhileOthersWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{took: 10 * time.Millisecond}
		var waited atomic.Bool
		l := run(t, f, Config{Tokens: 100, Inputs: 100, MaxGap: 250 * time.Millisecond, Waited: waited.Load})
		for _, w := range []bool{false, true, false} {
			waited.Store(w)
			_, err := l.Do(t.Context(), texts(0, 200, 1))
			require.NoError(t, err)
		}
		assert.Equal(t, []int{100, 100, 100, 25, 25, 25, 25, 25, 100, 75}, f.sizes())
		assert.Equal(t, []int{100, 100, 100, 25, 25, 25, 25, 25, 100, 100}, f.steps)
	})
}

func TestManyRequestsAndCancels(t *testing.T) {
	l := run(t, &fake{took: time.Microsecond}, Config{Tokens: 40, Inputs: 7})
	var wg sync.WaitGroup
	for g := range uint64(8) {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(g, 1))
			for range 40 {
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(rng.IntN(2000))*time.Microsecond)
				from := rng.IntN(1000)
				in := texts(from, 1+rng.IntN(9), 1+rng.IntN(50))
				got, err := l.Do(ctx, in)
				cancel()
				if err != nil {
					assert.Equal(t, puna.Canceled, puna.KindOf(err), "%v", err)
					continue
				}
				for i := range in {
					assert.Equal(t, []float32{float32(from + i), float32(len(in[i]))}, got[i])
				}
			}
		})
	}
	wg.Wait()
}
