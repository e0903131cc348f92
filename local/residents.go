package local

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/puna-ai/puna"
	"github.com/puna-ai/puna/engine"
	"github.com/puna-ai/puna/engine/fit"
	"github.com/puna-ai/puna/models/info"
)

// loadedModel is what residents need of an [engine.Model].
type loadedModel interface {
	puna.Generator
	puna.Embedder
	Info() engine.Info
	Close(ctx context.Context) error
}

// resident is a model in memory, on its way there or on its way out. Fields below ready
// are guarded by residents.mu, but model and err are fixed once ready is closed.
type resident struct {
	spec     *spec
	cancel   context.CancelFunc // stops the load
	progress progress           // of the load
	ready    chan struct{}      // closed when the load ended

	model   loadedModel
	details puna.Details
	err     error
	footprint
	users   int    // requests that hold it, waiting ones included
	used    uint64 // logical time of the last use
	shut    bool   // takes no new users: a load waits for its memory
	leaving bool   // no longer in byKey; unloaded once nobody holds it
	freed   bool   // unloading
	lease
}

// footprint is the memory that a resident takes.
type footprint struct {
	need     fit.Memory // now
	estimate fit.Memory // before the load
}

// lease says how long a resident stays.
type lease struct {
	keepAlive time.Duration // after the last use; negative: for ever
	expires   time.Time     // zero while in use or for ever
	timer     *time.Timer
}

// residents keeps the loaded models. It is safe for concurrent use.
//
// A request that finds its model loaded takes it at once. Others queue, first come
// first served, until memory holds their model beside the rest; idle models, the least
// recently used first, are unloaded for it, whatever their keep-alive. A caller that
// holds a model and asks for another may wait for itself.
type residents struct {
	load     func(ctx context.Context, s *spec, progress func(float64)) (loadedModel, error)
	estimate func(s *spec) (fit.Memory, error) // what a load will take
	capacity func() fit.Memory                 // what all residents together may take; a zero kind is unknown
	log      *slog.Logger
	policy

	mu       sync.Mutex
	byKey    map[string]*resident // those that take new users, or will again
	tenants  []*resident          // all that take memory
	queue    []*claim             // in the order of arrival
	failures failures
	clock    uint64 // logical
	closed   bool
	wg       sync.WaitGroup // loads and unloads under way
}

// policy is what options say about residents.
type policy struct {
	keepAlive time.Duration
	memory    int64 // bytes of main memory that all may take; 0: what is free
	maxModels int   // 0: as many as fit
	maxQueue  int   // requests that may wait
	parallel  int   // requests of a model that run at once; more of them wait
}

// acquire returns the model of s, loading it where needed. The caller releases
// what it gets. Canceling ctx leaves the load to the others who wait for it.
func (rs *residents) acquire(ctx context.Context, s *spec, onLoad func(float64)) (*resident, error) {
	r, c, err := rs.join(s)
	if err == nil && c != nil {
		r, err = rs.await(ctx, c)
	}
	if err != nil {
		return nil, err
	}
	if !r.loading() {
		onLoad = nil
	}
	defer r.progress.listen(onLoad)()
	select {
	case <-r.ready:
	case <-ctx.Done():
		rs.release(r, nil)
		return nil, puna.Errorf(puna.Canceled, "loading %q: %w", s.load.Name, context.Cause(ctx))
	}
	if r.err != nil {
		rs.release(r, nil)
		return nil, r.err
	}
	return r, nil
}

// join counts the caller as a user of the resident for s, or as a waiter of a claim.
// It refuses where too many wait, and where the load failed a moment ago.
func (rs *residents) join(s *spec) (*resident, *claim, error) {
	stamp := sync.OnceValue(s.stamp)
	for {
		r, c, f, err := rs.tryJoin(s)
		switch {
		case f == nil:
			return r, c, err
		case f.stamp == stamp():
			return nil, nil, f.refusal(time.Now())
		}
		rs.mu.Lock()
		if rs.failures[s.key] == f { // its files are others now
			delete(rs.failures, s.key)
		}
		rs.mu.Unlock()
	}
}

func (rs *residents) tryJoin(s *spec) (*resident, *claim, *failure, error) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	if rs.closed {
		return nil, nil, nil, errClosed()
	}
	r := rs.byKey[s.key]
	if r == nil {
		if f := rs.failures.recent(s.key, time.Now()); f != nil {
			return nil, nil, f, nil
		}
	}
	open := r != nil && !r.shut
	atOnce := open && !r.loading() && r.users < rs.parallel
	if !atOnce && rs.full() {
		return nil, nil, nil, errBusy()
	}
	if open {
		rs.enter(r, 1)
		return r, nil, nil, nil
	}
	c := rs.claim(s)
	rs.advance()
	return nil, c, nil, nil
}

func errClosed() error { return puna.Errorf(puna.Unavailable, "the service is closed") }

// loading reports whether the load hasn't ended.
func (r *resident) loading() bool {
	select {
	case <-r.ready:
		return false
	default:
		return true
	}
}

// enter counts n more users of r.
func (rs *residents) enter(r *resident, n int) {
	if r.timer != nil {
		r.timer.Stop()
		r.timer = nil
	}
	r.expires = time.Time{}
	r.users += n
	rs.use(r)
}

func (rs *residents) use(r *resident) {
	rs.clock++
	r.used = rs.clock
}

// start begins to load a model that nobody uses yet.
func (rs *residents) start(s *spec, need fit.Memory) *resident {
	ctx, cancel := context.WithCancel(context.Background())
	r := &resident{spec: s, ready: make(chan struct{}), cancel: cancel,
		footprint: footprint{need: need, estimate: need}, lease: lease{keepAlive: rs.keepAlive}}
	rs.byKey[s.key] = r
	rs.tenants = append(rs.tenants, r)
	rs.wg.Go(func() { rs.run(ctx, r) })
	return r
}

// run loads r and tells those who wait.
func (rs *residents) run(ctx context.Context, r *resident) {
	defer r.cancel()
	stamp := r.spec.stamp()
	model, err := rs.load(ctx, r.spec, r.progress.report)
	var details puna.Details
	if card, err := info.Card(r.spec.model, false); err == nil {
		details = card.Details
	}
	rs.mu.Lock()
	defer rs.mu.Unlock()
	r.model, r.details, r.err = model, details, err
	switch {
	case err == nil && (r.users == 0 || rs.closed): // it came too late
		rs.drop(r)
		rs.unload(r)
	case err == nil:
		delete(rs.failures, r.spec.key)
	default:
		r.model = nil
		rs.drop(r)
		rs.vacate(r)
		if rs.closed {
			r.err = errClosed()
		} else if puna.KindOf(err) != puna.Canceled {
			rs.failures.record(r.spec.key, stamp, err, time.Now())
		}
	}
	close(r.ready)
	rs.advance()
}

// release ends one use of r. A keep-alive replaces the one in force. The last
// user of a load that hasn't ended cancels it.
func (rs *residents) release(r *resident, keepAlive *time.Duration) {
	var size int64
	if !r.loading() && r.err == nil {
		size = r.model.Info().Size
	}
	rs.mu.Lock()
	defer rs.mu.Unlock()
	r.need = r.grown(size)
	if keepAlive != nil {
		r.keepAlive = *keepAlive
	}
	rs.leave(r)
}

// leave counts one user of r less.
func (rs *residents) leave(r *resident) {
	r.users--
	rs.use(r)
	if r.users > 0 {
		return
	}
	switch {
	case r.loading():
		r.cancel()
		rs.drop(r)
	case r.leaving:
		rs.unload(r)
	default:
		rs.rest(r)
	}
	rs.advance()
}

// rest starts the clock of a resident that nobody uses.
func (rs *residents) rest(r *resident) {
	switch {
	case r.keepAlive == 0:
		rs.drop(r)
		rs.unload(r)
	case r.keepAlive > 0:
		r.expires = time.Now().Add(r.keepAlive)
		var timer *time.Timer
		timer = time.AfterFunc(r.keepAlive, func() { rs.expire(r, &timer) })
		r.timer = timer
	}
}

// expire unloads r unless it was used since the timer was set.
func (rs *residents) expire(r *resident, timer **time.Timer) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	if r.timer == *timer && r.users == 0 && !r.leaving {
		rs.log.Info("unloading an idle model", "model", r.spec.load.Name)
		rs.drop(r)
		rs.unload(r)
	}
}

// drop takes r out of the map: later requests load anew.
func (rs *residents) drop(r *resident) {
	r.leaving = true
	if r.timer != nil {
		r.timer.Stop()
		r.timer = nil
	}
	if rs.byKey[r.spec.key] == r {
		delete(rs.byKey, r.spec.key)
	}
}

// unload frees r's memory in the background.
func (rs *residents) unload(r *resident) {
	if r.model == nil || r.freed {
		return
	}
	r.freed = true
	rs.wg.Go(func() {
		if err := r.model.Close(context.Background()); err != nil {
			rs.log.Error("unloading a model", "model", r.spec.load.Name, "error", err)
		}
		rs.mu.Lock()
		defer rs.mu.Unlock()
		rs.vacate(r)
		rs.advance()
	})
}

// vacate is called when r takes no memory any more.
func (rs *residents) vacate(r *resident) {
	rs.tenants = slices.DeleteFunc(rs.tenants, func(t *resident) bool { return t == r })
}
