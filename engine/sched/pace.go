package sched

import "time"

// pace learns what a step costs, to size the prompt chunks that go beside
// generating rows. Times are in seconds.
type pace struct {
	base  float64 // a step without prompt tokens; 0: not known
	token float64 // what each prompt token adds; 0: not known
}

const (
	firstChunk = 32  // while the cost of a token isn't known
	minChunk   = 8   // even where the target can't be met: prompts must go on
	margin     = 0.8 // of the target is aimed at: steps vary, and sampling follows
)

// observe takes in a step of some generating rows and some prompt tokens.
func (p *pace) observe(took time.Duration, decode, prompt int) {
	sec := took.Seconds()
	if sec <= 0 {
		return
	}
	if prompt == 0 {
		p.base = blend(p.base, sec)
		return
	}
	if decode > 0 {
		sec -= p.base
	}
	p.token = blend(p.token, max(sec, 1e-7)/float64(prompt))
}

// blend moves an average halfway to a new value: costs drift as sequences grow, so
// recent steps count most.
func blend(avg, v float64) float64 {
	if avg == 0 {
		return v
	}
	return (avg + v) / 2
}

// chunk is how many prompt tokens a step beside generating rows may have.
func (p *pace) chunk(gap time.Duration) int {
	if p.token == 0 {
		return firstChunk
	}
	n := (gap.Seconds()*margin - p.base) / p.token
	return int(min(max(n, minChunk), 1<<20))
}
