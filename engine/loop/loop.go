package loop

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/puna-ai/puna"
	"github.com/puna-ai/puna/engine/sched"
)

// Errors of [Backend.Decode] that the loop recovers from.
var (
	ErrNoSlot  = errors.New("no free cells for the batch")
	ErrAborted = errors.New("the batch was aborted")
)

// Lost is the error of [Backend.Apply] for a copy that can't be restored: it couldn't be
// made, or the context refuses it. All other changes were made.
type Lost struct {
	Key uint64
	Err error
}

func (l *Lost) Error() string { return l.Err.Error() }
func (l *Lost) Unwrap() error { return l.Err }

// Backend is a model context. Only SetAbort may be called while another method runs.
type Backend interface {
	// Apply changes which cells sequences hold, and the copies. After an error that
	// isn't [*Lost] the cache is in an unknown state. It doesn't wait for what a
	// [sched.Fetch] begins.
	Apply(ops []sched.Op) error
	// Fetched sends a value for each Fetch: nil when the copy is in memory, or why it
	// can't be read. One that Reset came before is not sent any more.
	Fetched() <-chan error
	// Keep saves a prefix for a later context, where there is a place for it. It copies
	// the prefix before it returns, and sends one value when the copy is safe, or why not.
	Keep(p sched.Prefix) <-chan error
	// Decode computes rows and puts them into the cache. After [ErrNoSlot] nothing of
	// them is in the cache; after other errors some may be.
	Decode(rows []sched.Row) error
	// Logits is what the last Decode computed for a row with an output, (vocabulary,).
	// It is valid until the next Decode.
	Logits(row int) []float32
	// SetAbort makes the Decode that runs, and later ones, fail with [ErrAborted] soon.
	SetAbort(on bool)
	// Reset forgets every sequence.
	Reset() error
	// Close ends what the backend does beside the loop, too.
	Close()
}

// Picker chooses the tokens of one request and turns them into text.
type Picker interface {
	// Pick chooses from logits, which it may change. The worker's number, below
	// [Config.Workers], says whose scratch memory to use.
	Pick(worker int, logits []float32) Pick
	// Flush returns what was held back, at an end that Pick didn't see.
	Flush() Pick
	Close()
}

// Drafter proposes what may follow in one request. What is wrong of it costs time and
// changes nothing: a draft's tokens count where the picker chooses them too.
type Drafter interface {
	// Add takes in the next token of the answer.
	Add(t sched.Token)
	// Draft returns up to most tokens that may follow, for a batch that has rows rows
	// without them. They are valid until the next Draft.
	Draft(rows, most int) []sched.Token
	Close()
}

// Wish is a drafter that the next step asks for up to Most tokens.
type Wish struct {
	Drafter Drafter
	Most    int
}

// Pick is a chosen token.
type Pick struct {
	Token    sched.Token
	Text     string // may be empty while text is held back
	Logprobs []puna.TokenLogprob
	End      puna.DoneReason // not empty: the answer ends here, and Token isn't part of it
	Err      error           // ends the answer too
}

// Config configures a [Loop].
type Config struct {
	Sched   sched.Config
	Workers int                           // goroutines that sample, the loop's own included; 0: 1
	Kept    [][]sched.Token               // copies that the backend has from the start, under the keys 0, 1, ...
	Prepare func(wishes []Wish, rows int) // before a step whose batch has rows rows without drafts: what several drafters compute together; nil: nothing
	Turn    sync.Locker                   // held while decoding: contexts that share a thread pool take turns
	Quiet   time.Duration                 // without work, until prefixes are kept that weren't yet; 0: they are when the loop ends
	Now     func() time.Time              // nil: time.Now
	Log     *slog.Logger                  // nil: slog.Default()
}

// Loop owns a backend.
type Loop struct {
	b    Backend
	s    *sched.Scheduler // the owner's
	cfg  Config
	work workers
	wake chan struct{}
	done chan struct{}

	wishes  []Wish       // of the last step
	keeping <-chan error // the owner's; nil: nothing is being kept

	mu      sync.Mutex // of what follows
	inbox   []*Request
	active  map[*Request]struct{} // in the scheduler; changed by the owner
	changed []*Request            // canceled, or parked and read
	live    int                   // requests of the running batch that aren't canceled
	closing bool
	stats   Stats
}

// New starts a loop, which closes b when it ends.
func New(b Backend, cfg Config) *Loop {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Turn == nil {
		cfg.Turn = &sync.Mutex{}
	}
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	l := &Loop{b: b, s: newScheduler(cfg), cfg: cfg, active: map[*Request]struct{}{},
		wake: make(chan struct{}, 1), done: make(chan struct{})}
	l.work.start(max(1, cfg.Workers))
	go l.run()
	return l
}

func newScheduler(cfg Config) *sched.Scheduler {
	s := sched.New(cfg.Sched)
	for _, tokens := range cfg.Kept {
		s.Adopt(tokens)
	}
	return s
}

// Submit queues r. It fails with [puna.Unavailable] once the loop closes; after an
// error r's picker is the caller's to close.
func (l *Loop) Submit(r *Request) error {
	if n := len(r.Prompt); n == 0 || n >= r.Limit || r.Limit > l.cfg.Sched.Cells {
		return puna.Errorf(puna.Internal, "a prompt of %d tokens, limit %d, in a context of %d", n, r.Limit, l.cfg.Sched.Cells)
	}
	r.loop = l
	r.out = make(chan Output, outputs)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closing {
		return puna.Errorf(puna.Unavailable, "the model is being unloaded: try again")
	}
	l.inbox = append(l.inbox, r)
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

// Close refuses new requests, waits for those there are, and cancels them when ctx
// is done. It returns when the backend is closed. Idempotent.
func (l *Loop) Close(ctx context.Context) {
	l.mu.Lock()
	l.closing = true
	l.mu.Unlock()
	l.signal()
	select {
	case <-l.done:
	case <-ctx.Done():
		l.cancelAll()
		<-l.done
	}
}

// EndIdle refuses new requests if there are none, and reports whether there were none.
// It doesn't wait: see Close.
func (l *Loop) EndIdle() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	idle := len(l.inbox)+len(l.active) == 0
	if idle {
		l.closing = true
		l.signal()
	}
	return idle
}

func (l *Loop) cancelAll() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range l.inbox {
		l.cancel(r)
	}
	for r := range l.active {
		l.cancel(r)
	}
	l.signal()
}

// cancel marks r; l.mu is held. The batch that runs is aborted when nobody wants
// anything of it.
func (l *Loop) cancel(r *Request) {
	if r.canceled {
		return
	}
	r.canceled = true
	l.changed = append(l.changed, r)
	if r.inBatch {
		if l.live--; l.live == 0 {
			l.b.SetAbort(true)
		}
	}
}

// Stats are counters since [New], and gauges as of the last step.
type Stats struct {
	Requests  int64
	Steps     int64
	Prompt    int64 // tokens of prompts computed
	Cached    int64 // tokens of prompts taken from cells that were there
	Generated int64
	Drafted   int64         // tokens
	Accepted  int64         // of the drafted
	Decode    time.Duration // in Backend.Decode
	Step      time.Duration // of all steps: plan, decode, sample, commit
	sched.Usage
}

// Stats reads the counters.
func (l *Loop) Stats() Stats {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.stats
}
