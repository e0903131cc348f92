package loop

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/puna-ai/puna"
	"github.com/puna-ai/puna/engine/sched"
)

// fakeDrafter runs the fake model ahead for as many tokens as are to be right.
type fakeDrafter struct {
	tokens []sched.Token
	right  func() int
}

func (d *fakeDrafter) Close() {}

func (d *fakeDrafter) Add(t sched.Token) { d.tokens = append(d.tokens, t) }

func (d *fakeDrafter) Draft(_, most int) []sched.Token {
	right := d.right()
	draft := make([]sched.Token, 0, most)
	for n := range most {
		t := next(append(d.tokens, draft...))
		if n >= right {
			t++
		}
		draft = append(draft, t)
	}
	return draft
}

// drafting is plain, with room for drafts beside several sequences.
func drafting(t *testing.T, right func() int) *fixture {
	cfg := plain
	cfg.DraftRows = 20
	fx := newFixture(t, cfg, nil)
	fx.right = right
	return fx
}

func always(n int) func() int { return func() int { return n } }

// upTo is any number up to n, the same ones in each run. The loop's goroutine calls it.
func upTo(n int) func() int {
	rng := rand.New(rand.NewPCG(9, 9))
	return func() int { return rng.IntN(n + 1) }
}

func TestAnswersWithDraftsAreThoseWithout(t *testing.T) {
	for name, right := range map[string]func() int{"all right": always(100), "all wrong": always(0), "some right": upTo(5)} {
		t.Run(name, func(t *testing.T) {
			fx := drafting(t, right)
			askMany(t, fx, 5)
			s := fx.Stats()
			assert.Positive(t, s.Drafted)
			assert.Equal(t, name != "all wrong", s.Accepted > 0)
		})
	}
}

func TestDraftsSaveSteps(t *testing.T) {
	for _, right := range []int{0, 7, 100} {
		fx := drafting(t, always(right))
		p, want := longAnswer(61)
		r := fx.request(p, 300, 61)
		require.NoError(t, fx.Submit(r))
		text, end, err := read(t, r)
		require.NoError(t, err)
		assert.Equal(t, want, text)
		assert.Equal(t, 61, end.Generated)
		fx.shut(t)
		s := fx.Stats()
		steps := map[int]int64{0: 61, 7: 8, 100: 4}[right]
		assert.Equal(t, steps, s.Steps)
		assert.EqualValues(t, 61-steps, s.Accepted)
		assert.EqualValues(t, 61, s.Generated)
	}
}

// longAnswer finds a prompt whose answer has at least n tokens.
func longAnswer(n int) (prompt []sched.Token, text string) {
	for i := sched.Token(0); ; i++ {
		prompt = []sched.Token{i}
		if text, _ = answer(prompt, 300, n); strings.Count(text, " ") >= n {
			return prompt, text
		}
	}
}

// The answer ends in a draft that goes on after the end.
func TestNothingIsSampledAfterTheEnd(t *testing.T) {
	for i := sched.Token(0); ; i++ {
		text, reason := answer([]sched.Token{i}, 300, 0)
		if n := strings.Count(text, " "); reason != puna.DoneStop || n < 25 || n%20 < 3 {
			continue
		}
		fx := drafting(t, always(100))
		r := fx.request([]sched.Token{i}, 300, 0)
		require.NoError(t, fx.Submit(r))
		got, end, err := read(t, r)
		require.NoError(t, err)
		assert.Equal(t, text, got)
		assert.Equal(t, puna.DoneStop, end.Reason)
		assert.Equal(t, end.Generated, r.Picker.(*fakePicker).picks)
		assert.Equal(t, 1+strings.Count(text, " "), end.Generated)
		assert.Greater(t, fx.Stats().Drafted, fx.Stats().Accepted)
		fx.shut(t)
		return
	}
}

func TestCancelsOfDraftsLeaveNothing(t *testing.T) {
	cancelMany(t, drafting(t, upTo(20)))
}

func TestASlowReaderOfDraftsIsParked(t *testing.T) {
	fx := drafting(t, always(1))
	p, want := longAnswer(2*outputs + 20)
	slow := fx.request(p, 300, 2*outputs+20)
	require.NoError(t, fx.Submit(slow))
	for g := range uint64(5) { // what isn't parked goes on
		ask(t, fx, rand.New(rand.NewPCG(g, 6)))
	}
	text, _, err := read(t, slow)
	require.NoError(t, err)
	assert.Equal(t, want, text)
	fx.shut(t)
}

func TestAPanicInADraftIsItsRequestsError(t *testing.T) {
	fx := drafting(t, always(100))
	p, _ := longAnswer(20)
	r := fx.request(p, 50, 0)
	r.Picker.(*fakePicker).panics = 5
	require.NoError(t, fx.Submit(r))
	_, _, err := read(t, r)
	assert.ErrorContains(t, err, "sampling failed: the picker broke")
	ask(t, fx, rand.New(rand.NewPCG(8, 8)))
	fx.shut(t)
}
