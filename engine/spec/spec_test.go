package spec_test

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/puna-ai/puna/engine/spec"
)

const most = 15

// stream plays a sequence whose next tokens are known, as an engine would.
type stream struct {
	d                        *spec.Drafter
	steps, drafted, accepted int
}

// play goes through tokens, step by step. Each must be what follows those before.
func (s *stream) play(tokens []spec.Token) {
	for len(tokens) > 0 {
		s.steps++
		draft := s.d.Draft(1, min(most, len(tokens)-1))
		n := 0
		for n < len(draft) && draft[n] == tokens[n] {
			n++
		}
		s.drafted += len(draft)
		s.accepted += n
		for _, t := range tokens[:n+1] {
			s.d.Add(t)
		}
		tokens = tokens[n+1:]
	}
}

// count is n tokens that nothing else has.
func count(from, n int) []spec.Token {
	tokens := make([]spec.Token, n)
	for i := range tokens {
		tokens[i] = spec.Token(from + i)
	}
	return tokens
}

func random(rng *rand.Rand, vocabulary, n int) []spec.Token {
	tokens := make([]spec.Token, n)
	for i := range tokens {
		tokens[i] = spec.Token(rng.IntN(vocabulary))
	}
	return tokens
}

func TestTextThatNeverRepeatsIsNotDrafted(t *testing.T) {
	s := stream{d: spec.New(count(0, 1000), most)}
	s.play(count(5000, 5000))
	assert.Zero(t, s.drafted)
}

func TestACopyIsDraftedMoreAndMore(t *testing.T) {
	prompt := count(0, 1000)
	s := stream{d: spec.New(prompt, most)}
	s.play(prompt[100:110])
	assert.Positive(t, s.accepted, "from the first tokens on")
	assert.Less(t, s.accepted, 6, "with caution")
	s.steps = 0
	s.play(prompt[110:])
	assert.Less(t, s.steps, 890/10)
	assert.Equal(t, s.drafted, s.accepted)
}

func TestAnEditIsDraftedOnBothSides(t *testing.T) {
	prompt := count(0, 1000)
	answer := append([]spec.Token(nil), prompt...)
	for i := 50; i < len(answer); i += 50 {
		answer[i] += 10000
	}
	s := stream{d: spec.New(prompt, most)}
	s.play(answer)
	assert.Less(t, s.steps, 1000/3)
	assert.Greater(t, s.accepted*2, s.drafted)
}

// oppose adds n tokens that are never those drafted, and counts the drafted.
func oppose(d *spec.Drafter, rng *rand.Rand, n int) (drafted int) {
	for range n {
		draft := d.Draft(1, most)
		next := spec.Token(rng.IntN(5))
		if len(draft) > 0 && draft[0] == next {
			next = (next + 1) % 5
		}
		d.Add(next)
		drafted += len(draft)
	}
	return drafted
}

func TestMatchesThatFailAreNotDraftedLong(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	d := spec.New(random(rng, 5, 1000), most)
	assert.Positive(t, oppose(d, rng, 1000))
	assert.Less(t, oppose(d, rng, 1000), 100)

	s := stream{d: d}
	s.play(count(100, 300))
	assert.Zero(t, s.drafted)
	s.play(count(100, 300))
	assert.Greater(t, s.accepted, 100, "what failed is tried again where it comes true")
}

func TestARunOfOneTokenIsDrafted(t *testing.T) {
	s := stream{d: spec.New([]spec.Token{1, 2, 3, 3}, most)}
	same := make([]spec.Token, 500)
	for i := range same {
		same[i] = 3
	}
	s.play(same)
	assert.Less(t, s.steps, 100)
}

func TestRowsOfOthersMakeDraftsRarer(t *testing.T) {
	prompt := count(0, 1000)
	drafted := func(rows int) int {
		d := spec.New(prompt, most)
		for _, token := range prompt[:20] {
			d.Add(token)
		}
		return len(d.Draft(rows, most))
	}
	assert.Greater(t, drafted(1), drafted(4))
	assert.Zero(t, drafted(500))
}

// foretold reports whether token followed an earlier run that equals the last two.
func foretold(history []spec.Token, token spec.Token) bool {
	last := len(history)
	for at := 2; at < last; at++ {
		if history[at] == token && history[at-1] == history[last-1] && history[at-2] == history[last-2] {
			return true
		}
	}
	return false
}

func TestDraftsFollowedWhatTheyFollow(t *testing.T) {
	drafted := 0
	for seed := range uint64(300) {
		rng := rand.New(rand.NewPCG(seed, 3))
		cap, vocabulary := rng.IntN(most), 1+rng.IntN(12)
		history := random(rng, vocabulary, rng.IntN(100))
		d := spec.New(history, cap)
		for range 200 {
			want := rng.IntN(most + 3)
			draft := d.Draft(1+rng.IntN(3), want)
			require.LessOrEqual(t, len(draft), min(cap, want))
			for i, token := range draft {
				require.True(t, foretold(append(history, draft[:i]...), token), "seed %d: %v after %v", seed, draft, history)
			}
			drafted += len(draft)
			next := spec.Token(rng.IntN(vocabulary))
			if at := rng.IntN(len(history) + 1); at < len(history) && rng.IntN(8) > 0 { // copies, mostly
				if len(draft) > 0 {
					next = draft[0]
				} else {
					next = history[at]
				}
			}
			d.Add(next)
			history = append(history, next)
		}
	}
	assert.Greater(t, drafted, 10000)
}

func BenchmarkAdd(b *testing.B) {
	tokens := random(rand.New(rand.NewPCG(1, 1)), 20000, 1<<16)
	d := spec.New(nil, most)
	for i := range b.N {
		d.Add(tokens[i%len(tokens)])
		d.Draft(1, most)
	}
}
