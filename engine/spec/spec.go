package spec

import "math/bits"

// Token is a token's number in the vocabulary.
type Token = int32

// rowCost is what a row adds to a step, where the step of a single row is 1. Batches
// of 8 and 16 rows on CPUs with AVX-512 cost about as much for each row.
const rowCost = 0.3

// learn is the weight of the last outcome in a rate.
const learn = 1.0 / 8

// startRates are the rates before anything was measured, by class. Runs of two and
// three tokens repeat by chance, so they have to prove themselves.
var startRates = [classes]float64{0.2, 0.3, 0.5, 0.6, 0.7}

// Drafter proposes tokens that may follow those of one sequence.
type Drafter struct {
	most   int
	tokens []Token
	pairs  index

	// The match: the last length tokens are also before next. 0: there is none.
	next   int
	length int
	rates  [classes]float64 // how often a match foretells the next token

	draft []Token
}

// New makes a drafter for a sequence that begins with prompt, which it copies. It
// drafts most tokens at once, at most.
func New(prompt []Token, most int) *Drafter {
	d := &Drafter{most: most, rates: startRates, tokens: make([]Token, 0, len(prompt)+len(prompt)/4+64)}
	d.tokens = append(d.tokens, prompt...)
	d.follow(d.pairs.reset(d.tokens, cap(d.tokens)))
	return d
}

// Add takes in the next token of the sequence.
func (d *Drafter) Add(t Token) {
	if d.length > 0 {
		rate := &d.rates[class(d.length)]
		*rate -= *rate * learn
		if d.tokens[d.next] == t {
			*rate += learn
			d.next++
			d.length++
		} else {
			d.length = 0
		}
	}
	d.tokens = append(d.tokens, t)
	place := d.pairs.insert(d.tokens)
	if d.length == 0 {
		d.follow(place)
	}
}

// Draft returns the tokens that may come next, most at most, for a batch that has
// rows rows without them. It returns those that let the batch make more tokens in a
// given time. They are valid until the next Draft.
func (d *Drafter) Draft(rows, most int) []Token {
	d.draft = d.draft[:0]
	if d.length == 0 {
		return d.draft
	}
	tokens, time := float64(rows), 1+rowCost*float64(rows-1)
	likely := 1.0 // that all of the draft are right
	for n := range min(most, d.most) {
		likely *= d.rates[class(d.length+n)]
		if likely/rowCost <= tokens/time {
			break
		}
		tokens += likely
		time += rowCost
		d.draft = append(d.draft, d.foretold(n))
	}
	return d.draft
}

// Close does nothing: a drafter is Go's memory alone.
func (d *Drafter) Close() {}

// foretold is the token that the match has after n others. Where it runs into the end
// of the sequence, the draft goes on from its own beginning.
func (d *Drafter) foretold(n int) Token {
	if at := d.next + n; at < len(d.tokens) {
		return d.tokens[at]
	}
	return d.draft[d.next+n-len(d.tokens)]
}

const classes = 5

// class groups lengths of matches whose rates are alike: 2, 3, 4 to 7, 8 to 15, more.
func class(length int) int {
	if length < 4 {
		return length - minMatch
	}
	return min(bits.Len(uint(length))-1, classes-1)
}
