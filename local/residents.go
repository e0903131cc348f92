package local

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/puna-ai/puna"
	"github.com/puna-ai/puna/engine"
	"github.com/puna-ai/puna/models/info"
)

// loadedModel is what residents need of an [engine.Model].
type loadedModel interface {
	puna.Generator
	Info() engine.Info
	Close(ctx context.Context) error
}

// resident is a model in memory, or on its way there. Fields below ready are
// guarded by residents.mu, but model and err are fixed once ready is closed.
type resident struct {
	key   string // what was loaded: digest and options of loading
	spec  *spec
	ready chan struct{} // closed when the load ended

	model     loadedModel
	details   puna.Details
	err       error
	cancel    context.CancelFunc // stops the load
	users     int                // requests that hold it, waiting ones included
	watchers  map[int]func(float64)
	keepAlive time.Duration // after the last use; negative: for ever
	expires   time.Time     // zero while in use or for ever
	timer     *time.Timer
	dropped   bool // leaves as soon as nobody holds it
	freed     bool
}

// residents keeps the loaded models. It is safe for concurrent use.
type residents struct {
	load      func(ctx context.Context, s *spec, progress func(float64)) (loadedModel, error)
	keepAlive time.Duration
	log       *slog.Logger

	mu     sync.Mutex
	byKey  map[string]*resident
	nextID int
	closed bool
	wg     sync.WaitGroup // unloads under way
}

// acquire returns the model of s, loading it where needed. The caller releases
// what it gets. Canceling ctx leaves the load to the others who wait for it.
func (rs *residents) acquire(ctx context.Context, s *spec, onLoad func(float64)) (*resident, error) {
	r, err := rs.join(s)
	if err != nil {
		return nil, err
	}
	defer rs.watch(r, onLoad)()
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

// join counts the caller as a user of the resident for s, starting its load where
// there is none.
func (rs *residents) join(s *spec) (*resident, error) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	if rs.closed {
		return nil, puna.Errorf(puna.Unavailable, "the service is closed")
	}
	r := rs.byKey[s.key]
	if r == nil {
		ctx, cancel := context.WithCancel(context.Background())
		r = &resident{key: s.key, spec: s, ready: make(chan struct{}), cancel: cancel,
			watchers: map[int]func(float64){}, keepAlive: rs.keepAlive}
		rs.byKey[s.key] = r
		go rs.run(ctx, r)
	}
	if r.timer != nil {
		r.timer.Stop()
		r.timer = nil
	}
	r.users++
	r.expires = time.Time{}
	return r, nil
}

// run loads r and tells those who wait.
func (rs *residents) run(ctx context.Context, r *resident) {
	defer r.cancel()
	model, err := rs.load(ctx, r.spec, func(fraction float64) { rs.progress(r, fraction) })
	var details puna.Details
	if card, err := info.Card(r.spec.model, false); err == nil {
		details = card.Details
	}
	rs.mu.Lock()
	r.model, r.details, r.err = model, details, err
	if err != nil && rs.byKey[r.key] == r {
		delete(rs.byKey, r.key)
	}
	rs.mu.Unlock()
	close(r.ready)
}

// watch has onLoad called with the progress of r's load until the returned
// function is called.
func (rs *residents) watch(r *resident, onLoad func(float64)) (unwatch func()) {
	if onLoad == nil {
		return func() {}
	}
	rs.mu.Lock()
	defer rs.mu.Unlock()
	id := rs.nextID
	rs.nextID++
	r.watchers[id] = onLoad
	return func() {
		rs.mu.Lock()
		defer rs.mu.Unlock()
		delete(r.watchers, id)
	}
}

func (rs *residents) progress(r *resident, fraction float64) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	for _, onLoad := range r.watchers {
		onLoad(fraction)
	}
}

// release ends one use of r. A keep-alive replaces the one in force. The last
// user of a load that hasn't ended cancels it.
func (rs *residents) release(r *resident, keepAlive *time.Duration) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	r.users--
	if keepAlive != nil {
		r.keepAlive = *keepAlive
	}
	if r.users > 0 {
		return
	}
	select {
	case <-r.ready:
	default:
		r.cancel()
		rs.remove(r)
		return
	}
	if rs.byKey[r.key] == r {
		rs.rest(r)
	}
	if r.dropped {
		rs.unload(r)
	}
}

// rest starts the clock of a resident that nobody uses.
func (rs *residents) rest(r *resident) {
	switch {
	case r.dropped || r.keepAlive == 0:
		rs.drop(r)
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
	if r.timer == *timer && r.users == 0 {
		rs.log.Info("unloading an idle model", "model", r.spec.load.Name)
		rs.drop(r)
		rs.unload(r)
	}
}

// drop takes r out of the map: later requests load anew.
func (rs *residents) drop(r *resident) {
	r.dropped = true
	rs.remove(r)
}

func (rs *residents) remove(r *resident) {
	if rs.byKey[r.key] == r {
		delete(rs.byKey, r.key)
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
	})
}
