package local

import (
	"context"
	"errors"
	"iter"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/puna-ai/puna"
	"github.com/puna-ai/puna/engine"
	"github.com/puna-ai/puna/engine/fit"
	"github.com/puna-ai/puna/models/store"
)

// fakeModel counts how often it was closed.
type fakeModel struct {
	puna.Embedder // none asks for it
	mu            sync.Mutex
	closed        int
}

func (f *fakeModel) Generate(context.Context, *puna.Request) iter.Seq2[puna.Event, error] { return nil }
func (f *fakeModel) Info() engine.Info                                                    { return engine.Info{} }
func (f *fakeModel) Close(context.Context) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed++
	return nil
}

// loads is a loader that takes a second and counts.
type loads struct {
	mu     sync.Mutex
	count  int
	err    error
	models []*fakeModel
}

func (l *loads) load(ctx context.Context, _ *spec, progress func(float64)) (loadedModel, error) {
	l.mu.Lock()
	l.count++
	err := l.err
	l.mu.Unlock()
	progress(0.5)
	select {
	case <-time.After(time.Second):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.models = append(l.models, &fakeModel{})
	return l.models[len(l.models)-1], nil
}

// newResidents has no bounds but those that a test sets.
func newResidents(l *loads, keepAlive time.Duration) *residents {
	return &residents{
		load:     l.load,
		estimate: func(*spec) (fit.Memory, error) { return fit.Memory{Host: 1}, nil },
		capacity: func() fit.Memory { return fit.Memory{} },
		policy:   policy{keepAlive: keepAlive, maxModels: 100, maxQueue: 100, parallel: 32},
		log:      slog.New(slog.DiscardHandler), byKey: map[string]*resident{}, failures: failures{},
	}
}

func specOf(key string) *spec {
	return &spec{key: key, model: &store.Model{Digest: key}, load: engine.LoadOptions{Name: key}}
}

var aSpec = specOf("a")

func TestRequestsShareALoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &loads{}
		rs := newResidents(l, time.Minute)
		var wg sync.WaitGroup
		var mu sync.Mutex
		told := 0
		for range 10 {
			wg.Go(func() {
				r, err := rs.acquire(t.Context(), aSpec, func(float64) { mu.Lock(); told++; mu.Unlock() })
				if assert.NoError(t, err) {
					rs.release(r, nil)
				}
			})
		}
		wg.Wait()
		assert.Equal(t, 1, l.count)
		assert.Positive(t, told)
		assert.Len(t, rs.running(), 1)

		time.Sleep(59 * time.Second)
		assert.Len(t, rs.running(), 1)
		r, err := rs.acquire(t.Context(), aSpec, nil)
		require.NoError(t, err)
		time.Sleep(time.Hour)
		assert.Len(t, rs.running(), 1, "what is in use stays")
		rs.release(r, nil)
		time.Sleep(61 * time.Second)
		assert.Empty(t, rs.running())
		synctest.Wait()
		assert.Equal(t, 1, l.models[0].closed)
	})
}

func TestFailedLoadAnswersItsWaitersOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := errors.New("broken")
		l := &loads{err: broken}
		rs := newResidents(l, time.Minute)
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				_, err := rs.acquire(t.Context(), aSpec, nil)
				assert.ErrorIs(t, err, broken)
			})
		}
		wg.Wait()
		_, err := rs.acquire(t.Context(), aSpec, nil)
		require.ErrorIs(t, err, broken)
		require.ErrorContains(t, err, "next try")
		assert.Equal(t, 1, l.count, "a moment later it isn't tried again")
		_, err = rs.acquire(t.Context(), specOf("b"), nil)
		require.ErrorIs(t, err, broken)
		assert.Equal(t, 2, l.count, "another model is tried")

		time.Sleep(firstPause)
		l.err = nil
		r, err := rs.acquire(t.Context(), aSpec, nil)
		require.NoError(t, err)
		assert.Equal(t, 3, l.count)
		assert.NotContains(t, rs.failures, "a")
		rs.release(r, new(time.Duration(0)))
	})
}

func TestCanceledWaitersLeaveTheLoadToOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &loads{}
		rs := newResidents(l, time.Minute)
		short, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		var wg sync.WaitGroup
		wg.Go(func() {
			_, err := rs.acquire(short, aSpec, nil)
			assert.Equal(t, puna.Canceled, puna.KindOf(err))
		})
		wg.Go(func() {
			r, err := rs.acquire(t.Context(), aSpec, nil)
			if assert.NoError(t, err) {
				rs.release(r, new(time.Duration(0)))
			}
		})
		wg.Wait()
		synctest.Wait()
		assert.Empty(t, rs.running(), "a keep-alive of 0 unloads at once")
		assert.Equal(t, 1, l.models[0].closed)

		alone, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		_, err := rs.acquire(alone, aSpec, nil)
		assert.Equal(t, puna.Canceled, puna.KindOf(err))
		synctest.Wait()
		assert.Len(t, l.models, 1, "the last waiter ends the load")
		assert.Empty(t, rs.byKey)
	})
}

func TestKeepAliveForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &loads{}
		rs := newResidents(l, time.Minute)
		r, err := rs.acquire(t.Context(), aSpec, nil)
		require.NoError(t, err)
		rs.release(r, new(-time.Second))
		time.Sleep(1000 * time.Hour)
		require.Len(t, rs.running(), 1)
		assert.Zero(t, rs.running()[0].Expires)
		require.NoError(t, rs.close())
		assert.Equal(t, 1, l.models[0].closed)
		_, err = rs.acquire(t.Context(), aSpec, nil)
		assert.Equal(t, puna.Unavailable, puna.KindOf(err))
	})
}

func TestUnloadWaitsForUsers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &loads{}
		rs := newResidents(l, time.Minute)
		r, err := rs.acquire(t.Context(), aSpec, nil)
		require.NoError(t, err)
		rs.unloadModel("a", aSpec.model.Name)
		synctest.Wait()
		assert.Zero(t, l.models[0].closed)
		assert.Empty(t, rs.running())
		rs.release(r, nil)
		synctest.Wait()
		assert.Equal(t, 1, l.models[0].closed)
	})
}

func TestChangedFileIsReadAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.gguf")
	synctest.Test(t, func(t *testing.T) {
		l := &loads{err: errors.New("broken")}
		rs := newResidents(l, time.Minute)
		s := specOf("a")
		s.load.Path = path
		for range 3 {
			_, err := rs.acquire(t.Context(), s, nil)
			require.ErrorIs(t, err, l.err)
		}
		assert.Equal(t, 1, l.count)
		require.NoError(t, os.WriteFile(path, []byte("a file where none was"), 0o600))
		_, err := rs.acquire(t.Context(), s, nil)
		require.ErrorIs(t, err, l.err)
		assert.Equal(t, 2, l.count)
	})
}

func TestCanceledLoadIsNoFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &loads{}
		rs := newResidents(l, 0)
		short, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		_, err := rs.acquire(short, aSpec, nil)
		require.Equal(t, puna.Canceled, puna.KindOf(err))
		r, err := rs.acquire(t.Context(), aSpec, nil)
		require.NoError(t, err)
		rs.release(r, nil)
	})
}

func TestALoadThatNobodyWaitsForAnyMoreIsUnloaded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &loads{}
		rs := newResidents(l, time.Minute)
		rs.load = func(_ context.Context, s *spec, progress func(float64)) (loadedModel, error) {
			return l.load(context.Background(), s, progress) // it can't be stopped any more
		}
		short, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		_, err := rs.acquire(short, aSpec, nil)
		require.Equal(t, puna.Canceled, puna.KindOf(err))
		time.Sleep(time.Second)
		synctest.Wait()
		assert.Equal(t, 1, l.models[0].closed)
		assert.Empty(t, rs.tenants)
	})
}

func TestLateWaitersHearOfProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &loads{}
		rs := newResidents(l, 0)
		heard := make([]int, 3)
		var wg sync.WaitGroup
		for i := range heard {
			wg.Go(func() {
				time.Sleep(time.Duration(i) * 300 * time.Millisecond)
				r, err := rs.acquire(t.Context(), aSpec, func(fraction float64) { heard[i]++; assert.Equal(t, 0.5, fraction) })
				if assert.NoError(t, err) {
					rs.release(r, nil)
				}
			})
		}
		wg.Wait()
		for i, n := range heard {
			assert.Equal(t, 1, n, "waiter %d", i)
		}
	})
}
