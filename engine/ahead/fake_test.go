package ahead

import (
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/puna-ai/puna/engine/internal/kvsim"
	"github.com/puna-ai/puna/engine/loop"
	"github.com/puna-ai/puna/engine/sched"
)

const vocabulary = 40

// next is what the large model chooses after tokens.
func next(tokens []Token) Token {
	h := uint32(2166136261)
	for _, t := range tokens[max(0, len(tokens)-8):] {
		h = (h ^ uint32(t)) * 16777619
	}
	return Token(1 + h>>8%(vocabulary-1))
}

// fake is a small model that is right where it is meant to be.
type fake struct {
	t      testing.TB
	kv     *kvsim.KV
	s      *sched.Scheduler
	rows   []sched.Row
	right  func() bool
	faults func() error // nil: none
	steps  int
	most   int // rows of a step
	closed bool
}

func (f *fake) Apply(ops []sched.Op) error { return f.kv.Apply(ops) }
func (f *fake) Close()                     { f.closed = true }

func (f *fake) Decode(rows []sched.Row) error {
	require.NoError(f.t, f.s.Check())
	f.steps++
	f.most = max(f.most, len(rows))
	if f.faults != nil {
		if err := f.faults(); err != nil {
			return err
		}
	}
	f.rows = slices.Clone(rows)
	return f.kv.Decode(rows)
}

func (f *fake) Logits(row int) []float32 {
	require.True(f.t, f.rows[row].Output)
	logits := make([]float32, vocabulary+5)
	best := next(f.kv.Tokens(f.rows[row].ID)[:f.rows[row].Pos+1])
	if !f.right() {
		best = (best + 1) % vocabulary
	}
	logits[best], logits[vocabulary+1] = 1, 2 // a token that the large model doesn't have
	return logits
}

func newRunner(t testing.TB, cells int, right func() bool) (*Runner, *fake) {
	cfg := sched.Config{Cells: cells, IDs: 4, Batch: 32, Plain: true}
	f := &fake{t: t, kv: kvsim.New(cells), right: right}
	r := New(f, Config{Sched: cfg, Limit: cells, Step: 0.1, Tokens: vocabulary, Ends: []Token{0}, Turn: &sync.Mutex{}})
	f.s = r.s
	return r, f
}

// sequence is a request of the large model.
type sequence struct {
	*Drafter
	tokens            []Token
	drafted, accepted int
}

func newSequence(r *Runner, prompt []Token) *sequence {
	s := &sequence{Drafter: r.Drafter(prompt, 15), tokens: slices.Clone(prompt)}
	s.add(next(s.tokens))
	return s
}

func (s *sequence) add(t Token) {
	s.tokens = append(s.tokens, t)
	s.Add(t)
}

// steps plays n steps of a loop with these sequences.
func steps(r *Runner, n int, all ...*sequence) {
	for range n {
		wishes := make([]loop.Wish, len(all))
		for i, s := range all {
			wishes[i] = loop.Wish{Drafter: s.Drafter, Most: 15 / len(all)}
		}
		r.Prepare(wishes, len(all))
		for _, s := range all {
			s.step(len(all))
		}
	}
}

func (s *sequence) step(rows int) {
	draft := slices.Clone(s.Draft(rows, 15))
	s.drafted += len(draft)
	for _, d := range append(draft, -1) {
		t := next(s.tokens)
		s.add(t)
		if t != d {
			return
		}
		s.accepted++
	}
}

func random(rng *rand.Rand, n int) []Token {
	p := make([]Token, n)
	for i := range p {
		p[i] = Token(1 + rng.IntN(vocabulary-1))
	}
	return p
}

func always(right bool) func() bool { return func() bool { return right } }
