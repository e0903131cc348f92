package loop

import (
	"errors"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/puna-ai/puna"
	"github.com/puna-ai/puna/engine/internal/kvsim"
	"github.com/puna-ai/puna/engine/sched"
)

// fake is a context whose "logits" are a number that depends on every token that
// the cache holds for the row's sequence, up to the row.
type fake struct {
	t      testing.TB
	kv     *kvsim.KV
	loop   *Loop // to check invariants in each step
	rows   []sched.Row
	faults func() error // nil: none
	loses  func() bool  // whether a copy can't be restored; nil: never
	read   func() error // reads a copy, in a goroutine of its own; nil: at once, without an error
	reads  sync.WaitGroup
	done   chan error // see Fetched
	kept   []sched.Prefix
	full   error // of Keep; nil: there is room

	block  chan struct{} // not nil: Decode waits for a value, or for an abort
	abort  atomic.Bool
	aborts chan struct{}
	closed atomic.Bool
}

func (f *fake) Apply(ops []sched.Op) error {
	var lost error
	for _, op := range ops {
		if op.Kind == sched.Restore && f.loses != nil && f.loses() {
			f.kv.Lose(op.Key)
			lost = &Lost{Key: op.Key, Err: errors.New("the copy is damaged")}
		}
		if err := f.kv.Apply([]sched.Op{op}); err != nil && lost == nil {
			return err
		}
		if op.Kind == sched.Fetch {
			f.reads.Go(f.fetch)
		}
	}
	return lost
}

func (f *fake) fetch() {
	var err error
	if f.read != nil {
		err = f.read()
	}
	f.done <- err
}

func (f *fake) Fetched() <-chan error { return f.done }

func (f *fake) Keep(p sched.Prefix) <-chan error {
	f.kept = append(f.kept, p)
	done := make(chan error, 1)
	done <- f.full
	return done
}

func (f *fake) Decode(rows []sched.Row) error {
	require.NoError(f.t, f.loop.s.Check())
	if f.block != nil {
		select {
		case <-f.block:
		case <-f.aborts:
		}
	}
	if f.abort.Load() {
		require.NoError(f.t, f.kv.Decode(rows[:rand.IntN(len(rows))]))
		if f.kv.Exact {
			f.kv.Spoil()
		}
		return ErrAborted
	}
	if f.faults != nil {
		if err := f.faults(); err != nil {
			return err
		}
	}
	f.rows = append(f.rows[:0], rows...)
	return f.kv.Decode(rows)
}

func (f *fake) Logits(row int) []float32 {
	require.True(f.t, f.rows[row].Output)
	return []float32{float32(next(f.kv.Tokens(f.rows[row].ID)[:f.rows[row].Pos+1]))}
}

func (f *fake) SetAbort(on bool) {
	f.abort.Store(on)
	if on {
		select {
		case f.aborts <- struct{}{}:
		default:
		}
	}
}

func (f *fake) Reset() error {
	f.reads.Wait()
	f.done = make(chan error, 1)
	exact := f.kv.Exact
	f.kv = kvsim.New(f.kv.Size)
	f.kv.Exact = exact
	return nil
}

func (f *fake) Close() {
	f.reads.Wait()
	f.closed.Store(true)
}

const endToken = 0

// next is the fake model: a token from all tokens before it.
func next(tokens []sched.Token) sched.Token {
	h := fnv.New32a()
	for _, t := range tokens {
		h.Write([]byte{byte(t), byte(t >> 8)})
	}
	return sched.Token(h.Sum32() % 150)
}

// answer is what the fake model answers to a prompt.
func answer(prompt []sched.Token, limit, most int) (text string, reason puna.DoneReason) {
	tokens := append([]sched.Token(nil), prompt...)
	for n := 0; ; {
		t := next(tokens)
		if t == endToken {
			return text, puna.DoneStop
		}
		tokens = append(tokens, t)
		text += strconv.Itoa(int(t)) + " "
		if n++; n == most || len(tokens) >= limit {
			return text, puna.DoneLength
		}
	}
}

type fakePicker struct {
	panics int // at this pick; 0: never
	picks  int
	closed *atomic.Int64
}

func (p *fakePicker) Pick(_ int, logits []float32) Pick {
	if p.picks++; p.picks == p.panics {
		panic("the picker broke")
	}
	t := sched.Token(logits[0])
	if t == endToken {
		return Pick{Token: t, End: puna.DoneStop}
	}
	return Pick{Token: t, Text: strconv.Itoa(int(t)) + " "}
}

func (p *fakePicker) Flush() Pick { return Pick{} }
func (p *fakePicker) Close()      { p.closed.Add(1) }

// fixture is a loop over a fake.
type fixture struct {
	*Loop
	f      *fake
	opened atomic.Int64
	closed atomic.Int64 // pickers
	right  func() int   // how many tokens of the next draft are right; nil: nothing is drafted
}

func newFixture(t testing.TB, cfg sched.Config, set func(*fake)) *fixture {
	return newFixtureKept(t, cfg, nil, set)
}

// newFixtureKept has copies of an earlier run.
func newFixtureKept(t testing.TB, cfg sched.Config, kept [][]sched.Token, set func(*fake)) *fixture {
	f := &fake{t: t, kv: kvsim.New(cfg.Cells), aborts: make(chan struct{}, 1), done: make(chan error, 1)}
	f.kv.Exact = !cfg.Plain
	for key, tokens := range kept {
		f.kv.Keep(uint64(key), tokens)
	}
	if set != nil {
		set(f)
	}
	fx := &fixture{f: f}
	fx.Loop = New(f, Config{Sched: cfg, Workers: 2, Turn: &sync.Mutex{}, Kept: kept})
	f.loop = fx.Loop
	return fx
}

func (fx *fixture) request(prompt []sched.Token, limit, most int) *Request {
	fx.opened.Add(1)
	r := &Request{Prompt: prompt, Limit: limit, Max: most, Picker: &fakePicker{closed: &fx.closed}}
	if fx.right != nil {
		r.Drafter = &fakeDrafter{tokens: slices.Clone(prompt), right: fx.right}
	}
	return r
}

// read collects an answer.
func read(t testing.TB, r *Request) (string, *Result, error) {
	var text strings.Builder
	for {
		out, ok := r.Next(t.Context())
		if !ok {
			return text.String(), nil, errors.New("the answer ended without its last output")
		}
		text.WriteString(out.Text)
		if out.End != nil || out.Err != nil {
			_, more := r.Next(t.Context())
			require.False(t, more, "an output after the last")
			return text.String(), out.End, out.Err
		}
	}
}

// prompt is random; many begin alike.
func prompt(rng *rand.Rand, n int) []sched.Token {
	p := make([]sched.Token, 1+rng.IntN(n))
	fork := rng.IntN(len(p) + 1)
	for i := range p {
		p[i] = sched.Token(i)
		if i >= fork {
			p[i] = sched.Token(rng.IntN(1000))
		}
	}
	return p
}

var plain = sched.Config{Cells: 300, IDs: 8, Batch: 32, Plain: true, MaxGap: time.Second}
