package embedding

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"github.com/puna-ai/puna"
)

// ErrAborted is what [Backend.Compute] returns after [Backend.SetAbort].
var ErrAborted = errors.New("the batch was aborted")

// Backend is a model context. Only SetAbort may be called while another method runs.
type Backend interface {
	// Compute returns a vector for each input. It takes steps of at most so many tokens
	// where it can divide an input; the caller may keep what it returns.
	Compute(inputs [][]Token, step int) ([][]float32, error)
	// SetAbort makes the Compute that runs, and later ones, fail with [ErrAborted] soon.
	SetAbort(on bool)
	Close()
}

// Config configures a [Loop].
type Config struct {
	Tokens int           // of a batch, except for a longer input alone; at least 1
	Inputs int           // of a batch; at least 1
	MaxGap time.Duration // the longest step while others wait; 0: steps don't shrink
	// Waited reports whether others have waited for the same threads since it was asked
	// last; nil: there are none.
	Waited func() bool
	Now    func() time.Time // nil: time.Now
}

// Loop owns a backend.
type Loop struct {
	b    Backend
	cfg  Config
	pace pace // the owner's
	wake chan struct{}
	done chan struct{}

	mu      sync.Mutex // of what follows
	queue   queue
	live    int  // requests of the running batch that are still wanted
	aborted bool // the abort flag is set
	closing bool
	stats   Stats
}

// Stats are counters since [New].
type Stats struct {
	Requests int64 // canceled and failed ones included
	Inputs   int64 // computed
	Tokens   int64 // computed
	Batches  int64
	Compute  time.Duration // in Backend.Compute
}

// Add returns the sum.
func (s Stats) Add(t Stats) Stats {
	return Stats{s.Requests + t.Requests, s.Inputs + t.Inputs, s.Tokens + t.Tokens, s.Batches + t.Batches, s.Compute + t.Compute}
}

// New starts a loop, which closes b when it ends.
func New(b Backend, cfg Config) *Loop {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Waited == nil {
		cfg.Waited = func() bool { return false }
	}
	l := &Loop{b: b, cfg: cfg, wake: make(chan struct{}, 1), done: make(chan struct{})}
	go l.run()
	return l
}

// Do computes a vector for each input, of which none is empty, and waits for them.
// Inputs must not change meanwhile. It fails with [puna.Unavailable] once the loop
// closes and with [puna.Canceled] when ctx is done. Safe for concurrent use.
func (l *Loop) Do(ctx context.Context, inputs [][]Token) ([][]float32, error) {
	if len(inputs) == 0 {
		return nil, nil
	}
	j := newJob(inputs)
	if err := l.submit(j); err != nil {
		return nil, err
	}
	select {
	case <-j.done:
		return j.out, j.err
	case <-ctx.Done():
		l.cancel(j)
		return nil, puna.Errorf(puna.Canceled, "the request was canceled: %w", context.Cause(ctx))
	}
}

func (l *Loop) submit(j *job) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closing {
		return puna.Errorf(puna.Unavailable, "the model is being unloaded: try again")
	}
	l.queue = append(l.queue, j)
	l.stats.Requests++
	l.signal()
	return nil
}

// signal wakes the owner.
func (l *Loop) signal() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// cancel drops what j still wants. The batch that runs is aborted when it serves
// nobody any more.
func (l *Loop) cancel(j *job) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if j.gone || j.left == 0 {
		return
	}
	j.gone = true
	l.queue.remove(j)
	if j.inLoop > 0 {
		if l.live--; l.live == 0 {
			l.aborted = true
			l.b.SetAbort(true)
		}
	}
}

// Close refuses new requests, waits for those there are, and fails them with
// [puna.Canceled] when ctx is done. It returns when the backend is closed. Idempotent.
func (l *Loop) Close(ctx context.Context) {
	l.mu.Lock()
	l.closing = true
	l.mu.Unlock()
	l.signal()
	select {
	case <-l.done:
	case <-ctx.Done():
		l.cancelAll(context.Cause(ctx))
		<-l.done
	}
}

// EndIdle refuses new requests if there are none, and reports whether there were none.
// It doesn't wait: see Close.
func (l *Loop) EndIdle() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	idle := len(l.queue)+l.live == 0
	if idle {
		l.closing = true
		l.signal()
	}
	return idle
}

// cancelAll fails the requests that wait, and aborts the batch that runs.
func (l *Loop) cancelAll(cause error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, j := range l.queue {
		j.fail(puna.Errorf(puna.Canceled, "the model was unloaded: %w", cause))
	}
	l.queue = nil
	if l.live > 0 {
		l.aborted = true
		l.b.SetAbort(true)
	}
	l.signal()
}

// fail ends j with an error, unless it has ended; the loop's mutex is held.
func (j *job) fail(err error) {
	if j.gone || j.left == 0 {
		return
	}
	j.gone, j.err = true, err
	close(j.done)
}

// Stats reads the counters.
func (l *Loop) Stats() Stats {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.stats
}

// run is the goroutine that owns the backend.
func (l *Loop) run() {
	defer close(l.done)
	defer l.b.Close()
	step := l.cfg.Tokens
	for {
		batch, closing := l.take(step)
		switch {
		case len(batch) > 0:
			step = l.compute(batch, step)
		case closing:
			return
		default:
			<-l.wake
		}
	}
}

// take begins a batch.
func (l *Loop) take(step int) (batch []item, closing bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	batch = l.queue.take(step, l.cfg.Inputs)
	l.live = 0
	for _, it := range batch {
		if it.job.inLoop++; it.job.inLoop == 1 {
			l.live++
		}
	}
	return batch, l.closing
}

// compute runs a batch and returns how many tokens the next may have.
func (l *Loop) compute(batch []item, step int) int {
	inputs, tokens := make([][]Token, len(batch)), 0
	for i, it := range batch {
		inputs[i] = it.tokens()
		tokens += len(inputs[i])
	}
	start := l.cfg.Now()
	vectors, err := l.guarded(inputs, step)
	took := l.cfg.Now().Sub(start)
	l.count(len(batch), tokens, took) // first: whoever has a vector finds it counted
	l.finish(batch, vectors, err)
	if err == nil {
		l.pace.observe(took, tokens)
	}
	if l.cfg.MaxGap > 0 && l.cfg.Waited() {
		return l.pace.step(l.cfg.MaxGap, l.cfg.Tokens)
	}
	return l.cfg.Tokens
}

// guarded turns a panic of the backend into the batch's error.
func (l *Loop) guarded(inputs [][]Token, step int) (vectors [][]float32, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("panic: %v\n%s", v, debug.Stack())
		}
	}()
	vectors, err = l.b.Compute(inputs, step)
	if err == nil && len(vectors) != len(inputs) {
		err = fmt.Errorf("%d vectors for %d inputs", len(vectors), len(inputs))
	}
	return vectors, err
}

// finish hands out the vectors of a batch, or ends its requests with an error.
func (l *Loop) finish(batch []item, vectors [][]float32, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.aborted {
		l.aborted = false
		l.b.SetAbort(false)
	}
	l.live = 0
	for i, it := range batch {
		j := it.job
		j.inLoop--
		switch {
		case j.gone:
		case errors.Is(err, ErrAborted):
			l.queue.remove(j)
			j.fail(puna.Errorf(puna.Canceled, "the model was unloaded"))
		case err != nil:
			l.queue.remove(j)
			j.fail(puna.Errorf(puna.Internal, "computing the embeddings failed: %w", err))
		default:
			j.out[it.index] = vectors[i]
			if j.left--; j.left == 0 {
				close(j.done)
			}
		}
	}
}

func (l *Loop) count(inputs, tokens int, took time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stats.Batches++
	l.stats.Inputs += int64(inputs)
	l.stats.Tokens += int64(tokens)
	l.stats.Compute += took
}
