package sched_test

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/puna-ai/puna/engine/internal/kvsim"
	"github.com/puna-ai/puna/engine/sched"
)

// world runs random requests against a scheduler and a simulated cache, and checks
// every invariant after every step.
type world struct {
	t    require.TestingT
	rng  *rand.Rand
	cfg  sched.Config
	s    *sched.Scheduler
	kv   *kvsim.KV
	live map[*sched.Seq]int // tokens to generate yet
	park map[*sched.Seq]bool
	done int

	reading *uint64 // key of the copy that is being read; nil: none
	read    int

	accepted int // drafted tokens
}

func newWorld(t require.TestingT, seed uint64) *world {
	rng := rand.New(rand.NewPCG(seed, 1))
	cfg := sched.Config{
		Cells: 20 + rng.IntN(400), IDs: 1 + rng.IntN(12), Batch: 1 + rng.IntN(64),
		Plain: rng.IntN(2) > 0, MaxGap: time.Duration(1+rng.IntN(500)) * time.Millisecond,
	}
	cfg.Running = rng.IntN(cfg.IDs + 1)
	cfg.DraftRows = rng.IntN(2) * rng.IntN(20)
	if rng.IntN(2) == 0 {
		cfg.Store, cfg.CellBytes, cfg.Tidy = int64(rng.IntN(4000)), 1+int64(rng.IntN(4)), rng.IntN(2) == 0
		cfg.Elsewhere = rng.IntN(2) * rng.IntN(8)
		cfg.SeqBytes = int64(rng.IntN(2) * rng.IntN(200))
	}
	w := &world{t: t, rng: rng, cfg: cfg, s: sched.New(cfg), kv: kvsim.New(cfg.Cells),
		live: map[*sched.Seq]int{}, park: map[*sched.Seq]bool{}}
	w.kv.Exact = !cfg.Plain
	for range rng.IntN(8) { // an earlier run left copies
		tokens := w.prompt()
		w.kv.Keep(w.s.Adopt(tokens), tokens)
	}
	return w
}

// prompt is random, with prefixes that many prompts share.
func (w *world) prompt() []sched.Token {
	n := 1 + w.rng.IntN(w.cfg.Cells-1)
	if w.rng.IntN(3) > 0 {
		n = 1 + w.rng.IntN(min(n, 50))
	}
	p := make([]sched.Token, n)
	family, fork := sched.Token(w.rng.IntN(3)*1000), w.rng.IntN(n+1)
	for i := range p {
		p[i] = family + sched.Token(i)
		if i >= fork {
			p[i] = sched.Token(w.rng.IntN(3))
		}
	}
	return p
}

func (w *world) add() {
	p := w.prompt()
	limit := len(p) + 1 + w.rng.IntN(w.cfg.Cells-len(p))
	q := w.s.Add(p, limit)
	q.Shift, q.Keep = w.rng.IntN(3) == 0, w.rng.IntN(len(p)+1)
	w.live[q] = w.rng.IntN(60)
	if w.rng.IntN(3) > 0 {
		q.Draft = w.draft
	}
}

// draft is of tokens as sampling finds them.
func (w *world) draft(rows, most int) []sched.Token {
	require.LessOrEqual(w.t, rows+most, min(w.cfg.DraftRows, w.cfg.Batch))
	d := make([]sched.Token, w.rng.IntN(most+1))
	for i := range d {
		d[i] = sched.Token(w.rng.IntN(3))
	}
	return d
}

// sample appends a token for each row that counts, or ends the sequence.
func (w *world) sample(b *sched.Batch, c sched.Chunk) {
	for _, row := range append(b.Rows[c.First+c.N-c.Draft:c.First+c.N:c.First+c.N], sched.Row{Token: -1}) {
		require.Equal(w.t, c.Seq.Len(), c.Seq.Computed())
		w.live[c.Seq]--
		t := sched.Token(w.rng.IntN(3))
		if w.live[c.Seq] < 0 || w.s.Append(c.Seq, t) {
			w.end(c.Seq, w.rng.IntN(10) == 0)
			return
		}
		if t != row.Token {
			return
		}
		w.accepted++
	}
}

func (w *world) any() *sched.Seq {
	for q := range w.live {
		return q
	}
	return nil
}

func (w *world) end(q *sched.Seq, drop bool) {
	if drop {
		w.s.Drop(q)
	} else {
		w.s.Finish(q)
	}
	delete(w.live, q)
	delete(w.park, q)
	w.done++
}

func (w *world) event() {
	q := w.any()
	switch w.rng.IntN(30) {
	case 0, 1, 2, 3:
		w.add()
	case 4:
		if q != nil {
			w.end(q, w.rng.IntN(2) == 0)
		}
	case 5, 6:
		if q != nil {
			w.park[q] = !w.park[q]
			w.s.Park(q, w.park[q])
		}
	case 8:
		if q != nil && q.Len() > 1 && w.cfg.Plain {
			w.s.Rewind(q, 1+w.rng.IntN(q.Len()-1))
			w.s.Append(q, sched.Token(w.rng.IntN(3)))
		}
	case 7:
		p, ok := w.s.Unkept()
		require.Equal(w.t, ok, len(p.Tokens) > 0)
		if ok && !p.Stored {
			require.Equal(w.t, w.kv.Tokens(p.ID), p.Tokens)
		}
		if w.rng.IntN(20) == 0 {
			w.s.Clear()
		}
	}
}

// step returns how many rows it computed.
func (w *world) step(faults bool) int {
	if w.reading != nil && w.rng.IntN(4) == 0 {
		w.fetched(!faults || w.rng.IntN(5) > 0)
	}
	ops, b := w.s.Plan()
	if faults && w.rng.IntN(4) == 0 && w.lose(ops, b) {
		w.check()
		return 0
	}
	w.apply(ops)
	if len(b.Rows) == 0 && w.reading == nil && w.s.Usage().Running == 0 {
		for q := range w.live {
			require.True(w.t, w.park[q], "a sequence waits for nothing")
		}
	}
	require.LessOrEqual(w.t, len(b.Rows), w.cfg.Batch)
	if faults && len(b.Rows) > 0 && w.rng.IntN(20) == 0 {
		if w.rng.IntN(2) == 0 { // a part of the batch may have been computed
			require.NoError(w.t, w.kv.Decode(b.Rows[:w.rng.IntN(len(b.Rows))]))
			if !w.cfg.Plain {
				w.kv.Spoil()
			}
		}
		w.s.Fail(b)
		if w.rng.IntN(2) == 0 {
			w.s.NoSlot(b)
		}
		w.check()
		return 0
	}
	require.NoError(w.t, w.kv.Decode(b.Rows))
	w.s.Commit(b, time.Duration(w.rng.IntN(1000))*time.Millisecond)
	for _, c := range b.Chunks {
		require.False(w.t, w.park[c.Seq], "a parked sequence is in the batch")
		if !w.cfg.Plain {
			require.Equal(w.t, c.Seq.Tokens()[:c.Seq.Computed()], w.kv.Tokens(b.Rows[c.First].ID))
			require.True(w.t, slices.IsSortedFunc(b.Chunks, func(x, y sched.Chunk) int { return int(b.Rows[x.First].ID - b.Rows[y.First].ID) }))
		}
		if c.Output {
			w.sample(b, c)
		}
	}
	n := len(b.Rows)
	w.check()
	return n
}

// lose applies ops, of which the first that restores a copy finds none.
func (w *world) lose(ops []sched.Op, b *sched.Batch) bool {
	i := slices.IndexFunc(ops, func(op sched.Op) bool { return op.Kind == sched.Restore })
	if i < 0 {
		return false
	}
	key := ops[i].Key
	w.kv.Lose(key)
	w.note(ops)
	for _, op := range ops {
		if err := w.kv.Apply([]sched.Op{op}); op.Kind != sched.Share {
			require.NoError(w.t, err) // what isn't there can't be shared
		}
	}
	w.s.Lost(b, key)
	if w.reading != nil && *w.reading == key {
		w.fetched(false)
	}
	return true
}

func (w *world) apply(ops []sched.Op) {
	w.note(ops)
	require.NoError(w.t, w.kv.Apply(ops))
}

// note keeps track of what is being read, of which nothing can be used yet.
func (w *world) note(ops []sched.Op) {
	for _, op := range ops {
		if w.reading != nil && (op.Kind == sched.Restore || op.Kind == sched.Release || op.Kind == sched.Forget) {
			require.NotEqual(w.t, *w.reading, op.Key)
		}
		if op.Kind == sched.Fetch {
			require.Nil(w.t, w.reading)
			w.reading = &op.Key
		}
	}
}

// fetched ends the reading of a copy.
func (w *world) fetched(ok bool) {
	w.reading = nil
	w.read++
	w.s.Fetched(ok)
}

func (w *world) check() {
	require.NoError(w.t, w.s.Check())
	w.apply(w.s.Ops())
	u := w.s.Usage()
	require.Equal(w.t, w.kv.Used(), u.Cells)
	require.Equal(w.t, w.kv.Copies(), u.Copies)
}

// finish ends all that runs, without new arrivals, and finds that nothing is left.
func (w *world) finish() {
	for q := range w.live {
		w.park[q] = false
		w.s.Park(q, false)
	}
	for idle := 0; !w.s.Idle(); {
		if w.step(false) > 0 || w.reading != nil {
			idle = 0
		} else if idle++; idle > 2 {
			require.Fail(w.t, "nothing goes on", "%+v %+v", w.cfg, w.s.Usage())
		}
	}
	if w.reading != nil {
		w.fetched(true)
	}
	w.step(false)
	require.False(w.t, w.kv.Fetched(), "what nobody waits for is let go of")
	w.s.Clear()
	w.apply(w.s.Ops())
	require.Zero(w.t, w.kv.Used())
	require.Zero(w.t, w.s.Usage().Cells)
	require.NoError(w.t, w.s.Check())
}

func TestRandomRuns(t *testing.T) {
	done, accepted, read := 0, 0, 0
	for seed := range uint64(300) {
		w := newWorld(t, seed)
		for range 200 {
			w.event()
			w.step(true)
		}
		w.finish()
		done += w.done
		accepted += w.accepted
		read += w.read
	}
	require.Greater(t, done, 5000)
	require.Greater(t, accepted, 1000)
	require.Greater(t, read, 30)
}

func FuzzSchedule(f *testing.F) {
	f.Add(uint64(1), 50)
	f.Fuzz(func(t *testing.T, seed uint64, steps int) {
		w := newWorld(t, seed)
		for range steps % 500 {
			w.event()
			w.step(true)
		}
		w.finish()
	})
}
