package local

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/puna-ai/puna"
	"github.com/puna-ai/puna/engine/fit"
)

// machine is a fake one, whose memory takes models by their names: "a4" needs 4.
type machine struct {
	t        *testing.T
	memory   int64
	loadTime func() time.Duration
	fails    func() error

	mu    sync.Mutex
	used  int64
	in    map[*machineModel]bool // in memory, from the start of a load to the end of an unload
	order []string               // of loads
	most  int                    // models in memory at once
}

type machineModel struct {
	fakeModel
	m     *machine
	name  string
	size  int64
	users int // guarded by machine.mu
}

func sizeOf(name string) (size int64) {
	_, err := fmt.Sscanf(name[1:], "%d", &size)
	if err != nil {
		panic(err)
	}
	return size
}

func (m *machine) load(ctx context.Context, s *spec, progress func(float64)) (loadedModel, error) {
	model := &machineModel{m: m, name: s.load.Name, size: sizeOf(s.load.Name)}
	m.mu.Lock()
	m.in[model] = true
	m.used += model.size
	m.order = append(m.order, model.name)
	m.most = max(m.most, len(m.in))
	assert.True(m.t, m.used <= m.memory || len(m.in) == 1, "%d of %d for %d models", m.used, m.memory, len(m.in))
	m.mu.Unlock()
	progress(0.5)
	var err error
	select {
	case <-time.After(m.loadTime()):
		err = m.fails()
	case <-ctx.Done():
		err = ctx.Err()
	}
	if err != nil {
		model.leave()
		return nil, err
	}
	return model, nil
}

func (x *machineModel) leave() {
	x.m.mu.Lock()
	defer x.m.mu.Unlock()
	delete(x.m.in, x)
	x.m.used -= x.size
}

func (x *machineModel) Close(ctx context.Context) error {
	x.m.mu.Lock()
	assert.True(x.m.t, x.users == 0 || ctx.Err() != nil, "%s is unloaded while it is in use", x.name)
	x.m.mu.Unlock()
	time.Sleep(10 * time.Millisecond)
	x.leave()
	return x.fakeModel.Close(ctx)
}

func newMachine(t *testing.T, memory int64) (*machine, *residents) {
	m := &machine{t: t, memory: memory, in: map[*machineModel]bool{},
		loadTime: func() time.Duration { return time.Second }, fails: func() error { return nil }}
	rs := newResidents(&loads{}, time.Hour)
	rs.load, rs.memory = m.load, memory
	rs.estimate = func(s *spec) (fit.Memory, error) { return host(sizeOf(s.load.Name)), nil }
	return m, rs
}

// hold uses a model for some time, and says how long the request waited for it.
func (m *machine) hold(ctx context.Context, rs *residents, name string, d time.Duration) (waited time.Duration, err error) {
	start := time.Now()
	r, err := rs.acquire(ctx, specOf(name), nil)
	if err != nil {
		return time.Since(start), err
	}
	waited = time.Since(start)
	m.count(r, 1)
	time.Sleep(d)
	m.count(r, -1)
	rs.release(r, nil)
	return waited, nil
}

func (m *machine) count(r *resident, n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r.model.(*machineModel).users += n
}

func TestLoadsRunSideBySideWhereTheyFit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, rs := newMachine(t, 10)
		var wg sync.WaitGroup
		start := time.Now()
		for _, name := range []string{"a4", "b3", "c3"} {
			wg.Go(func() {
				waited, err := m.hold(t.Context(), rs, name, 0)
				assert.NoError(t, err)
				assert.Equal(t, time.Second, waited)
			})
		}
		wg.Wait()
		assert.Equal(t, time.Second, time.Since(start))
		assert.Equal(t, 3, m.most)
		require.NoError(t, rs.close())
	})
}

func TestLeastRecentlyUsedGoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, rs := newMachine(t, 10)
		for _, name := range []string{"a4", "b4", "a4", "c4"} {
			_, err := m.hold(t.Context(), rs, name, time.Second)
			require.NoError(t, err)
		}
		assert.NotContains(t, rs.byKey, "b4")
		assert.Contains(t, rs.byKey, "a4")
		assert.Equal(t, []string{"a4", "b4", "c4"}, m.order)
		_, err := m.hold(t.Context(), rs, "d50", time.Second)
		require.NoError(t, err, "alone it may try")
		assert.Len(t, rs.byKey, 1)
		require.NoError(t, rs.close())
	})
}

func TestFewModelsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, rs := newMachine(t, 1000)
		rs.maxModels = 2
		for _, name := range []string{"a1", "b1", "c1", "d1"} {
			_, err := m.hold(t.Context(), rs, name, 0)
			require.NoError(t, err)
		}
		assert.Equal(t, 2, m.most)
		rs.maxModels, rs.memory = 0, 0
		for _, name := range []string{"a1", "b1", "c1", "d1"} {
			_, err := m.hold(t.Context(), rs, name, 0)
			require.NoError(t, err)
		}
		assert.Equal(t, modelsUnmeasured, m.most)
		require.NoError(t, rs.close())
	})
}

func TestWhatIsFreeBoundsToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, rs := newMachine(t, 15)
		rs.capacity = func() fit.Memory { return host(16) } // of which a sixteenth stays free
		rs.memory = 0
		for _, name := range []string{"a8", "b7", "c1"} {
			_, err := m.hold(t.Context(), rs, name, 0)
			require.NoError(t, err)
		}
		assert.Len(t, rs.byKey, 2, "a went for c")
		require.NoError(t, rs.close())
	})
}

// A load that waits for a model in use gets its turn, though requests for that model
// never cease.
func TestBusyModelsDontStarveOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, rs := newMachine(t, 10)
		var wg sync.WaitGroup
		for i := range 200 {
			wg.Go(func() {
				time.Sleep(time.Duration(i) * time.Second)
				waited, err := m.hold(t.Context(), rs, "a6", 5*time.Second)
				assert.NoError(t, err)
				assert.Less(t, waited, 20*time.Second)
			})
		}
		wg.Go(func() {
			time.Sleep(20 * time.Second)
			waited, err := m.hold(t.Context(), rs, "b6", time.Second)
			assert.NoError(t, err)
			assert.Less(t, waited, 10*time.Second)
		})
		wg.Wait()
		assert.Equal(t, []string{"a6", "b6", "a6"}, m.order)
		require.NoError(t, rs.close())
	})
}

func TestWaitersAreServedInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, rs := newMachine(t, 10)
		start := time.Now()
		var wg sync.WaitGroup
		for i, name := range []string{"a6", "b8", "c3", "d8", "b8"} {
			wg.Go(func() {
				time.Sleep(time.Duration(i) * time.Millisecond)
				_, err := m.hold(t.Context(), rs, name, time.Minute)
				assert.NoError(t, err)
			})
		}
		wg.Wait()
		assert.Equal(t, []string{"a6", "b8", "c3", "d8"}, m.order, "c would fit beside a, but came after b")
		assert.Less(t, time.Since(start), 5*time.Minute, "four turns of a minute, one after the other")
		require.NoError(t, rs.close())
	})
}

// A request that gives up leaves no trace: what it waited for stays loaded, and takes
// those who waited behind.
func TestAWaiterThatGivesUpLetsOthersPass(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, rs := newMachine(t, 10)
		var wg sync.WaitGroup
		wg.Go(func() { _, err := m.hold(t.Context(), rs, "a6", time.Hour); assert.NoError(t, err) })
		time.Sleep(2 * time.Second)
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			_, err := m.hold(ctx, rs, "b6", time.Hour)
			assert.Equal(t, puna.Canceled, puna.KindOf(err))
		})
		time.Sleep(time.Second)
		wg.Go(func() {
			waited, err := m.hold(t.Context(), rs, "a6", time.Second)
			assert.NoError(t, err)
			assert.Equal(t, 59*time.Second, waited)
		})
		wg.Wait()
		assert.Equal(t, []string{"a6"}, m.order)
		require.NoError(t, rs.close())
	})
}

// A turn and the end of a request's context may come at the same moment.
func TestGivingUpAtTheTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, rs := newMachine(t, 10)
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		for range 50 { // select chooses by chance
			rs.mu.Lock()
			c := rs.claim(specOf("a1"))
			c.measured = true
			rs.advance()
			rs.mu.Unlock()
			if r, err := rs.await(gone, c); err == nil {
				rs.release(r, nil)
			}
			synctest.Wait()
			for _, r := range rs.tenants {
				require.Zero(t, r.users)
			}
		}
		require.NoError(t, rs.close())
	})
}

func TestQueueLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, rs := newMachine(t, 10)
		rs.maxQueue, rs.parallel = 3, 2
		var wg sync.WaitGroup
		hold := func(name string, d time.Duration) {
			wg.Go(func() { _, err := m.hold(t.Context(), rs, name, d); assert.NoError(t, err) })
			time.Sleep(2 * time.Second)
		}
		refused := func(name string) {
			_, err := m.hold(t.Context(), rs, name, time.Second)
			require.Equal(t, puna.Busy, puna.KindOf(err))
			require.EqualError(t, err, "server busy, please try again.  maximum pending requests exceeded")
		}
		hold("a6", time.Hour)
		hold("b4", time.Hour)
		hold("c6", time.Minute) // waits
		hold("c6", time.Minute) // waits
		hold("d6", time.Minute) // waits
		refused("c6")
		refused("e1")
		hold("b4", time.Hour) // takes its place at once
		refused("b4")         // would be the third at once
		wg.Wait()
		hold("e1", 0)
		wg.Wait()
		require.NoError(t, rs.close())
	})
}

func TestCloseEndsWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, rs := newMachine(t, 10)
		var wg sync.WaitGroup
		for _, name := range []string{"a8", "b8", "c8"} {
			wg.Go(func() {
				_, err := m.hold(t.Context(), rs, name, time.Hour)
				if name != "a8" {
					assert.Equal(t, puna.Unavailable, puna.KindOf(err))
				}
			})
			time.Sleep(time.Second / 4)
		}
		time.Sleep(time.Second)
		wg.Go(func() { // a load that is under way
			_, err := m.hold(t.Context(), rs, "d1", time.Hour)
			assert.Equal(t, puna.Unavailable, puna.KindOf(err))
		})
		time.Sleep(time.Second / 2)
		require.NoError(t, rs.close())
		assert.Empty(t, m.in)
		wg.Wait()
	})
}
