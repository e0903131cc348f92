package spec

const (
	promptRow  = 0.05 // what a row of a prompt adds to a step, where the step of a single row is 1
	firstTrust = 0.6  // how often a draft model is right, before that was measured
	firstFunds = 1.0  // steps that may be lost until it is known whether drafts pay
	mostFunds  = 12.0 // that drafts can save up for worse times
	allowance  = 0.01 // of each token's time goes into trying again
)

// Account says for one sequence how far a draft model is to run ahead. It measures how
// often that is right, and keeps what drafts have saved and cost: a sequence may lose
// a step at first and then one in a hundred, whatever its text. The unit of cost is
// the time of the large model's step of a single row.
type Account struct {
	step  float64 // of the draft model
	right float64 // how often a drafted token is
	funds float64
	token float64 // the time that a token took without drafts, by the last Length
}

// NewAccount makes the account of a sequence whose draft model takes step for a step.
func NewAccount(step float64) *Account {
	return &Account{step: step, right: firstTrust, funds: firstFunds, token: 1}
}

// Length is how many tokens to draft, most at most, for a batch that has rows rows
// without them, when the draft model has lag tokens of the sequence to compute first.
func (a *Account) Length(rows, most, lag int) (n int) {
	tokens, time := float64(rows), 1+rowCost*float64(rows-1)
	a.token = time / tokens
	price := rowCost + a.step*a.token
	if a.token <= price || a.funds < price+a.step*promptRow*float64(lag) {
		return 0
	}
	likely := a.right // that all of the draft are right
	for n < most && (n == 0 || likely/price > tokens/time) {
		tokens += likely
		time += price
		likely *= a.right
		n++
	}
	return n
}

// Compute pays for a step of the draft model with so many rows of the sequence, which
// other sequences share.
func (a *Account) Compute(rows int) {
	a.funds -= a.step * (a.token + promptRow*float64(rows-1))
}

// Verify pays for rows of the large model.
func (a *Account) Verify(rows int) { a.funds -= rowCost * float64(rows) }

// Add takes in the next token of the sequence: whether one was drafted for its place, and
// that was it.
func (a *Account) Add(drafted, right bool) {
	gain := allowance * a.token
	if drafted {
		a.right -= a.right * learn
	}
	if right {
		a.right += learn
		gain = a.token
	}
	a.funds = min(a.funds+gain, mostFunds)
}
