package local

import (
	"context"
	"errors"
	"iter"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/puna-ai/puna"
	"github.com/puna-ai/puna/engine"
	"github.com/puna-ai/puna/models/store"
)

// fakeModel counts how often it was closed.
type fakeModel struct {
	mu     sync.Mutex
	closed int
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

func newResidents(l *loads, keepAlive time.Duration) *residents {
	return &residents{load: l.load, keepAlive: keepAlive, log: slog.New(slog.DiscardHandler), byKey: map[string]*resident{}}
}

var aSpec = &spec{key: "a", model: &store.Model{Digest: "a"}}

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
		l.err = nil
		r, err := rs.acquire(t.Context(), aSpec, nil)
		require.NoError(t, err)
		assert.Equal(t, 2, l.count)
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
