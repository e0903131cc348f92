package embedding

import "slices"

// Token is a token's id.
type Token = int32

// job is a request: its inputs, and their vectors as they come. The loop's mutex
// guards it; out is the reader's once done is closed.
type job struct {
	inputs [][]Token
	out    [][]float32
	next   int // the first input that no batch has taken
	left   int // inputs whose vectors are missing
	inLoop int // inputs in the batch that runs
	gone   bool
	err    error
	done   chan struct{}
}

func newJob(inputs [][]Token) *job {
	return &job{inputs: inputs, out: make([][]float32, len(inputs)), left: len(inputs), done: make(chan struct{})}
}

// item is an input in a batch.
type item struct {
	job   *job
	index int
}

func (it item) tokens() []Token { return it.job.inputs[it.index] }

// queue holds the requests that have inputs left to compute, the next one to be
// served first at its head.
type queue []*job

// take removes a batch of at most so many tokens and inputs. The first request's
// next input is always in it: alone, if it is over the budget. The others follow,
// one input of each request in turn, as far as they fit. Then the next request comes
// to the head.
func (q *queue) take(tokens, inputs int) []item {
	var batch []item
	for took := true; took; {
		took = false
		for _, j := range *q {
			if j.next == len(j.inputs) || len(batch) == inputs {
				continue
			}
			n := len(j.inputs[j.next])
			if n > tokens && len(batch) > 0 {
				continue
			}
			batch = append(batch, item{j, j.next})
			tokens -= n
			j.next++
			took = true
		}
	}
	if len(*q) > 0 {
		*q = append((*q)[1:], (*q)[0])
	}
	*q = slices.DeleteFunc(*q, func(j *job) bool { return j.next == len(j.inputs) })
	return batch
}

// remove takes j out, with the inputs that no batch has taken.
func (q *queue) remove(j *job) {
	*q = slices.DeleteFunc(*q, func(other *job) bool { return other == j })
}
