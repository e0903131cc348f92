package embedding

import "time"

// minStep is the least budget: even where the target can't be met, work goes on.
const minStep = 16

// pace sizes steps while others wait for the same threads.
type pace struct {
	token float64 // seconds that a token takes, of recent steps; 0: not known
}

// observe takes in a step of so many tokens. Its time has the waiting for others in it:
// what one of them sees between two of its own steps.
func (p *pace) observe(took time.Duration, tokens int) {
	sec := took.Seconds() / float64(tokens)
	if p.token == 0 {
		p.token = sec
	}
	p.token = (p.token + sec) / 2 // costs drift: recent steps count most
}

// step is how many tokens a step may have to end within gap, at most limit.
func (p *pace) step(gap time.Duration, limit int) int {
	if p.token <= 0 {
		return limit
	}
	return int(min(max(gap.Seconds()/p.token, minStep), float64(limit)))
}
