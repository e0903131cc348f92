package embedding

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// lengths makes a request of inputs with so many tokens; each token is the input's
// length.
func lengths(all ...int) *job {
	inputs := make([][]Token, len(all))
	for i, n := range all {
		inputs[i] = make([]Token, n)
		for k := range inputs[i] {
			inputs[i][k] = Token(n)
		}
	}
	return newJob(inputs)
}

// batches empties a queue and writes its batches as "a0 b0 | a1", a being the first
// request.
func batches(tokens, inputs int, jobs ...*job) string {
	names := map[*job]string{}
	q := queue(jobs)
	for i, j := range jobs {
		names[j] = string(rune('a' + i))
	}
	var all []string
	for len(q) > 0 {
		var text []string
		for _, it := range q.take(tokens, inputs) {
			text = append(text, fmt.Sprint(names[it.job], it.index))
		}
		all = append(all, strings.Join(text, " "))
	}
	return strings.Join(all, " | ")
}

func TestBatches(t *testing.T) {
	for _, c := range []struct {
		what           string
		tokens, inputs int
		jobs           []*job
		want           string
	}{
		{"one request", 10, 9, []*job{lengths(3, 3, 3, 3)}, "a0 a1 a2 | a3"},
		{"requests share a batch", 10, 9, []*job{lengths(2, 2), lengths(3), lengths(3)}, "a0 b0 c0 a1"},
		{"a long request leaves room", 6, 9, []*job{lengths(2, 2, 2, 2, 2), lengths(2)}, "a0 b0 a1 | a2 a3 a4"},
		{"requests take turns at being first", 4, 9, []*job{lengths(4, 4), lengths(4, 4)}, "a0 | b0 | a1 | b1"},
		{"what fits goes along", 10, 9, []*job{lengths(6), lengths(6), lengths(4)}, "a0 c0 | b0"},
		{"a longer input goes alone", 10, 9, []*job{lengths(40, 1), lengths(1)}, "a0 | b0 a1"},
		{"no one waits behind what doesn't fit for ever", 10, 9, []*job{lengths(1, 1, 1), lengths(40)}, "a0 a1 a2 | b0"},
		{"few sequences", 100, 2, []*job{lengths(1, 1, 1), lengths(1)}, "a0 b0 | a1 a2"},
	} {
		assert.Equal(t, c.want, batches(c.tokens, c.inputs, c.jobs...), c.what)
	}
}

// Every input is taken once, in its request's order and within the budgets, and a
// request is never passed over more often than there are others.
func TestRandomQueues(t *testing.T) {
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 3))
		var q queue
		missed := map[*job]int{}
		for range 1 + rng.IntN(6) {
			j := lengths(make([]int, 1+rng.IntN(20))...)
			for i := range j.inputs {
				j.inputs[i] = make([]Token, 1+rng.IntN(40))
			}
			q = append(q, j)
		}
		n := len(q)
		for len(q) > 0 {
			before := map[*job]int{}
			for _, j := range q {
				before[j] = j.next
			}
			batch := q.take(32, 5)
			tokens := 0
			for _, it := range batch {
				require.Equal(t, before[it.job], it.index)
				before[it.job]++
				missed[it.job] = -1
				tokens += len(it.tokens())
			}
			require.LessOrEqual(t, len(batch), 5)
			require.True(t, len(batch) == 1 || len(batch) > 1 && tokens <= 32, "%d inputs, %d tokens", len(batch), tokens)
			for _, j := range q {
				missed[j]++
				require.Less(t, missed[j], n)
			}
		}
	}
}

func TestPace(t *testing.T) {
	var p pace
	assert.Equal(t, 512, p.step(time.Second, 512), "nothing is known")
	p.observe(time.Second, 100)
	assert.Equal(t, 25, p.step(time.Second/4, 512))
	assert.Equal(t, 512, p.step(time.Hour, 512))
	assert.Equal(t, minStep, p.step(time.Millisecond, 512))
	for range 30 {
		p.observe(time.Second, 1000)
	}
	assert.InDelta(t, 250, p.step(time.Second/4, 512), 1, "the rate of now")
}
