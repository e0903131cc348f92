package local

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/puna-ai/puna"
	"github.com/puna-ai/puna/engine/fit"
)

// TestRandomResidents lets many requests come and go: each gets its model, its own
// failure, or goes when it wants; the machine checks memory and use, and a wake-up that
// is lost would leave all goroutines asleep, which synctest reports.
func TestRandomResidents(t *testing.T) {
	names := []string{"a1", "b2", "c3", "d4", "e5", "f6", "g9", "h10", "i14"}
	for seed := range uint64(60) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { randomResidents(t, rand.New(rand.NewPCG(seed, 1)), names) })
		})
	}
}

func randomResidents(t *testing.T, r *rand.Rand, names []string) {
	m, rs := newMachine(t, 10)
	rs.maxModels = r.IntN(4)
	rs.keepAlive = time.Duration(r.IntN(20)) * time.Second
	var mu sync.Mutex
	random := func(n int) int { mu.Lock(); defer mu.Unlock(); return r.IntN(n) }
	within := func(d time.Duration) time.Duration { return time.Duration(random(int(d))) }
	m.loadTime = func() time.Duration { return within(3 * time.Second) }
	broken := errors.New("broken")
	m.fails = func() error {
		if random(8) == 0 {
			return broken
		}
		return nil
	}
	estimate := rs.estimate
	rs.estimate = func(s *spec) (fit.Memory, error) { time.Sleep(within(time.Second)); return estimate(s) }
	var wg sync.WaitGroup
	for range 300 {
		wg.Go(func() {
			time.Sleep(within(5 * time.Minute))
			name := names[random(len(names))]
			if random(20) == 0 {
				rs.unloadModel(name, specOf(name).model.Name)
				return
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
			if random(4) == 0 {
				ctx, cancel = context.WithTimeout(t.Context(), within(10*time.Second))
			}
			defer cancel()
			_, err := m.hold(ctx, rs, name, within(10*time.Second))
			switch {
			case errors.Is(err, broken), puna.KindOf(err) == puna.Busy:
			case err != nil:
				deadline, _ := ctx.Deadline()
				assert.False(t, time.Now().Before(deadline), "%v", err)
				assert.Less(t, time.Until(deadline), time.Second)
			}
			rs.mu.Lock()
			defer rs.mu.Unlock()
			for _, c := range rs.queue {
				assert.Positive(t, c.waiters)
			}
		})
	}
	wg.Wait()
	for _, r := range rs.tenants {
		assert.Zero(t, r.users)
	}
	assert.Empty(t, rs.queue)
	require.NoError(t, rs.close())
	assert.Empty(t, rs.tenants)
	assert.Empty(t, m.in)
}
