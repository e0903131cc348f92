package spec_test

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/puna-ai/puna/engine/spec"
)

const row = 0.3 // what a verified row costs

// outcome is what an answer took, in steps of a single row.
type outcome struct {
	time    float64
	drafted int
}

// answer makes n tokens, of which a draft model foretells each with a chance that depends
// on how many there are yet.
func answer(step float64, n int, chance func(at int) float64) (o outcome) {
	rng := rand.New(rand.NewPCG(1, 2))
	a := spec.NewAccount(step)
	lag := 0
	for at := 0; at < n; {
		draft := a.Length(1, most, lag)
		o.drafted += draft
		o.time += 1 + float64(draft)*(row+step)
		if draft > 0 {
			o.time += step * 0.05 * float64(lag)
			a.Compute(1 + lag)
			for range draft - 1 {
				a.Compute(1)
			}
			a.Verify(draft)
			lag = 0
		}
		for i := 0; ; i++ {
			right := i < draft && rng.Float64() < chance(at)
			a.Add(i < draft, right)
			at++
			if draft == 0 {
				lag++
			}
			if !right {
				break
			}
		}
	}
	return o
}

func always(chance float64) func(int) float64 { return func(int) float64 { return chance } }

func TestADraftModelThatIsWrongCostsTwoPercent(t *testing.T) {
	for _, step := range []float64{0.02, 0.1, 0.3, 0.6} {
		for _, n := range []int{100, 1000, 10000} {
			assert.Less(t, answer(step, n, always(0)).time, 1.02*float64(n)+0.5, "step %g, %d tokens", step, n)
		}
	}
}

func TestADraftModelThatIsRightSaves(t *testing.T) {
	assert.Less(t, answer(0.1, 1000, always(1)).time, 470.0)
	assert.Less(t, answer(0.1, 1000, always(0.9)).time, 750.0)
	assert.Less(t, answer(0.1, 1000, always(0.7)).time, 900.0)
	assert.Less(t, answer(0.1, 1000, always(0.4)).time, 1025.0)
}

func TestDraftsStopAndComeBackWithTheText(t *testing.T) {
	changing := func(at int) float64 { return float64(1 - at/1000%2) }
	o := answer(0.1, 3000, changing)
	assert.Less(t, o.time, 470+1020+500.0)
}

func TestALargeDraftModelIsNotAsked(t *testing.T) {
	for _, step := range []float64{0.7, 1, 10} {
		assert.Zero(t, answer(step, 1000, always(1)).drafted)
	}
	a := spec.NewAccount(0.1)
	assert.Positive(t, a.Length(1, most, 0))
	assert.Zero(t, a.Length(40, most, 0), "rows of others leave no gain")
	assert.Zero(t, a.Length(1, most, 1000), "nor does a long way to catch up")
	assert.Zero(t, a.Length(1, 0, 0))
}
