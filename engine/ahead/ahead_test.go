package ahead

import (
	"bytes"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/puna-ai/puna/engine/loop"
)

func newRandom() *rand.Rand { return rand.New(rand.NewPCG(4, 4)) }

// empty finds that nothing is left when all sequences have ended.
func empty(t *testing.T, r *Runner, f *fake) {
	require.True(t, r.s.Idle())
	r.Close()
	assert.Zero(t, f.kv.Used())
	require.NoError(t, r.s.Check())
	assert.True(t, f.closed)
}

func TestASmallModelThatIsRightSavesSteps(t *testing.T) {
	r, f := newRunner(t, 2000, always(true))
	s := newSequence(r, random(newRandom(), 20))
	steps(r, 100, s)
	assert.Greater(t, len(s.tokens), 500)
	assert.Equal(t, s.drafted, s.accepted)
	s.Close()
	empty(t, r, f)
}

func TestASmallModelThatIsWrongIsSoonLeftAlone(t *testing.T) {
	r, f := newRunner(t, 2000, always(false))
	s := newSequence(r, random(newRandom(), 20))
	steps(r, 1000, s)
	assert.Zero(t, s.accepted)
	assert.Positive(t, s.drafted)
	assert.Less(t, s.drafted, 30)
	assert.Less(t, f.steps, 60)
	s.Close()
	empty(t, r, f)
}

func TestPromptsAreComputedAChunkAtATime(t *testing.T) {
	r, f := newRunner(t, 2000, always(true))
	s := newSequence(r, random(newRandom(), 100))
	for step := range 3 {
		steps(r, 1, s)
		assert.Equal(t, step+1, f.steps)
		assert.Zero(t, s.drafted)
	}
	steps(r, 1, s)
	assert.Positive(t, s.drafted)
	assert.Equal(t, 32, f.most)
}

func TestWhatIsNotInBothVocabulariesIsNotDrafted(t *testing.T) {
	r, f := newRunner(t, 2000, always(true))
	s := newSequence(r, []Token{1, 2, vocabulary + 2})
	steps(r, 5, s)
	s.Close()
	s = newSequence(r, []Token{1, 2})
	s.Add(vocabulary)
	steps(r, 5, s)
	s.Close()
	assert.Zero(t, f.steps)
	empty(t, r, f)
}

func TestDraftsEndWithTheContext(t *testing.T) {
	r, f := newRunner(t, 60, always(true))
	s := newSequence(r, random(newRandom(), 20))
	steps(r, 100, s)
	assert.Greater(t, len(s.tokens), 100)
	assert.Less(t, s.drafted, 60)
	long := newSequence(r, random(newRandom(), 60))
	steps(r, 1, long)
	long.Close()
	s.Close()
	empty(t, r, f)
}

// Many sequences come and go in a context that has too few cells and ids for all.
func TestManySequences(t *testing.T) {
	rng := newRandom()
	r, f := newRunner(t, 150, func() bool { return rng.IntN(4) > 0 })
	f.faults = func() error {
		if rng.IntN(40) == 0 {
			return loop.ErrNoSlot
		}
		return nil
	}
	var live []*sequence
	accepted, drafted := 0, 0
	for range 3000 {
		if len(live) < 6 && rng.IntN(10) == 0 {
			live = append(live, newSequence(r, random(rng, 1+rng.IntN(80))))
		}
		if i := rng.IntN(30); i < len(live) {
			accepted, drafted = accepted+live[i].accepted, drafted+live[i].drafted
			live[i].Close()
			live = append(live[:i], live[i+1:]...)
		}
		steps(r, 1, live[:rng.IntN(len(live)+1)]...)
		require.NoError(t, r.s.Check())
		require.False(t, r.failed)
	}
	assert.Greater(t, accepted, 1000)
	assert.Greater(t, drafted, accepted)
	for _, s := range live {
		s.Close()
	}
	empty(t, r, f)
}

func TestAFailureEndsDrafting(t *testing.T) {
	r, f := newRunner(t, 2000, always(true))
	var log bytes.Buffer
	r.cfg.Log = slog.New(slog.NewTextHandler(&log, nil))
	s := newSequence(r, random(newRandom(), 20))
	steps(r, 10, s)
	f.faults = func() error { return errors.New("the device is gone") }
	steps(r, 1, s)
	drafted, n := s.drafted, f.steps
	steps(r, 20, s)
	assert.Equal(t, drafted, s.drafted)
	assert.Equal(t, n, f.steps)
	assert.Contains(t, log.String(), "the device is gone")
	s.Close()
}

func TestDraftersAreMadeAnywhere(t *testing.T) {
	r, _ := newRunner(t, 100, always(true))
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() { r.Drafter([]Token{1, 2, 3}, 4).Close() })
	}
	wg.Wait()
}
