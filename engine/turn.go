package engine

import "sync/atomic"

// turn is a lock of those who compute with the same threads, one step at a time. Who
// waits longest is next, so that nobody takes two steps while another waits.
type turn struct {
	token chan struct{}
	waits atomic.Int64 // how often Lock had to wait
}

func newTurn() *turn {
	t := &turn{token: make(chan struct{}, 1)}
	t.token <- struct{}{}
	return t
}

// Lock implements [sync.Locker].
func (t *turn) Lock() {
	select {
	case <-t.token:
	default:
		t.waits.Add(1)
		<-t.token
	}
}

// Unlock implements [sync.Locker].
func (t *turn) Unlock() { t.token <- struct{}{} }

// background is the lock for work that nobody watches as it comes: it counts for no
// other as one who waits.
type background struct{ *turn }

// Lock implements [sync.Locker].
func (b background) Lock() { <-b.token }

// waited returns a function that reports whether Lock has waited since its last call.
func (t *turn) waited() func() bool {
	last := t.waits.Load()
	return func() bool {
		now := t.waits.Load()
		defer func() { last = now }()
		return now != last
	}
}
