package registry

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// Transfer tunes how data is moved. Zero values mean what the comments say.
type Transfer struct {
	Connections int           // of one pull at a time; 8
	Chunk       int64         // bytes asked for, or sent, by one request; 64 MiB
	Stall       time.Duration // a connection that moves under 16 KiB in this time is given up; 30 s
	Tries       int           // failures one after the other, without a byte between, that end a pull; 10
	MinWait     time.Duration // after the first failure; each further one doubles it; 500 ms
	MaxWait     time.Duration // 30 s
	MaxAsked    time.Duration // the longest Retry-After that is waited for; 5 min
	Report      time.Duration // between two reports of a layer's progress; 100 ms
	Answer      time.Duration // that a registry may take to store what was sent, and a second more for each 16 MiB; 5 min
}

// stallBytes is what a healthy connection moves in [Transfer.Stall].
const stallBytes = 16 << 10

// withDefaults fills in what is zero.
func (t Transfer) withDefaults() Transfer {
	return Transfer{
		Connections: cmp.Or(t.Connections, 8),
		Chunk:       cmp.Or(t.Chunk, 64<<20),
		Stall:       cmp.Or(t.Stall, 30*time.Second),
		Tries:       cmp.Or(t.Tries, 10),
		MinWait:     cmp.Or(t.MinWait, 500*time.Millisecond),
		MaxWait:     cmp.Or(t.MaxWait, 30*time.Second),
		MaxAsked:    cmp.Or(t.MaxAsked, 5*time.Minute),
		Report:      cmp.Or(t.Report, 100*time.Millisecond),
		Answer:      cmp.Or(t.Answer, 5*time.Minute),
	}
}

// answer returns how long a registry may be silent while it stores and hashes so
// many bytes.
func (t Transfer) answer(size int64) time.Duration {
	return t.Answer + time.Duration(size/(16<<20))*time.Second
}

// patience says how long to wait between tries, and when to give up: after so many
// failures in a row. Whoever makes progress calls Reset.
type patience struct {
	backoff  *backoff.ExponentialBackOff
	tries    int
	failures int
	asked    time.Duration // by the server, for the next wait
}

func newPatience(t Transfer) *patience {
	b := backoff.NewExponentialBackOff()
	b.InitialInterval, b.MaxInterval, b.Multiplier = t.MinWait, t.MaxWait, 2
	return &patience{backoff: b, tries: t.Tries}
}

// NextBackOff implements [backoff.BackOff].
func (p *patience) NextBackOff() time.Duration {
	if p.failures++; p.failures >= p.tries {
		return backoff.Stop
	}
	wait := max(p.backoff.NextBackOff(), p.asked)
	p.asked = 0
	return wait
}

// Reset implements [backoff.BackOff].
func (p *patience) Reset() {
	p.backoff.Reset()
	p.failures = 0
}

// retry calls op until it succeeds, fails for good, or has failed too often.
func (s *session) retry(ctx context.Context, op func(*patience) error) error {
	p := newPatience(s.transfer)
	try := func() (struct{}, error) {
		err := op(p)
		var status *statusError
		if errors.As(err, &status) {
			p.asked = status.after
		}
		if err != nil && (!temporary(err) || p.asked > s.transfer.MaxAsked) {
			err = backoff.Permanent(err)
		}
		return struct{}{}, err
	}
	_, err := backoff.Retry(ctx, try, backoff.WithBackOff(p), backoff.WithMaxElapsedTime(0),
		backoff.WithNotify(func(err error, wait time.Duration) {
			s.log.Info("a request failed and is tried again", "host", s.base.Host, "wait", wait, "error", err)
		}))
	return err
}

// retryAfter reads the header of that name: seconds or a date.
func retryAfter(h http.Header, now time.Time) time.Duration {
	text := h.Get("Retry-After")
	if seconds, err := strconv.ParseInt(text, 10, 32); err == nil {
		return max(0, time.Duration(seconds)*time.Second)
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(0, at.Sub(now))
	}
	return 0
}

// temporary reports whether another try may help.
func temporary(err error) bool {
	var status *statusError
	var dns *net.DNSError
	switch {
	case errors.As(err, &status):
		return status.temporary()
	case errors.Is(err, context.Canceled), final(err), untrusted(err):
		return false
	case errors.As(err, &dns):
		return !dns.IsNotFound
	}
	return true // of the network: refused, reset, cut short, stalled
}

var errStalled = errors.New("the connection moves nothing, or too little")

// watchdog ends the context of a request that moves too little.
type watchdog struct {
	moved   atomic.Int64
	allowed atomic.Int64 // how long too little may move, a [time.Duration]
	ctx     context.Context
	stop    context.CancelCauseFunc
}

// watch starts a watchdog. Whoever gets it calls end.
func (s *session) watch(ctx context.Context) *watchdog {
	w := &watchdog{}
	w.ctx, w.stop = context.WithCancelCause(ctx)
	w.allow(s.transfer.Stall)
	go func() {
		tick := time.NewTicker(s.transfer.Stall)
		defer tick.Stop()
		for silent := time.Duration(0); ; {
			select {
			case <-w.ctx.Done():
				return
			case <-tick.C:
				silent += s.transfer.Stall
				if w.moved.Swap(0) >= stallBytes {
					silent = 0
				}
				if silent >= time.Duration(w.allowed.Load()) {
					w.stop(fmt.Errorf("%s: %w", s.base.Host, errStalled))
				}
			}
		}
	}()
	return w
}

// allow sets how long too little may move.
func (w *watchdog) allow(silence time.Duration) { w.allowed.Store(int64(silence)) }

func (w *watchdog) end() { w.stop(nil) }

// cause returns why a request failed: err, or what ended its context.
func (w *watchdog) cause(err error) error {
	if err == nil || w.ctx.Err() == nil {
		return err
	}
	return context.Cause(w.ctx)
}

// body returns r, of size bytes, as the body of a request. The watchdog counts what is
// read of it; at its end the server gets time to store it.
func (s *session) body(w *watchdog, r io.Reader, size int64) io.Reader {
	w.allow(s.transfer.Stall)
	return &watched{w, r, s.transfer.answer(size)}
}

type watched struct {
	w      *watchdog
	r      io.Reader
	answer time.Duration
}

func (x *watched) Read(p []byte) (int, error) {
	n, err := x.r.Read(p)
	x.w.moved.Add(int64(n))
	if err != nil {
		x.w.allow(x.answer)
	}
	return n, err
}
