package ahead

import (
	"slices"

	"github.com/puna-ai/puna/engine/sched"
	"github.com/puna-ai/puna/engine/spec"
)

// Drafter drafts for one sequence. It is a [loop.Drafter].
type Drafter struct {
	runner  *Runner
	repeats *spec.Drafter
	account *spec.Account
	most    int
	prompt  []Token // until the first token comes

	seq   *sched.Seq // in the small model's context; nil: not yet, or no more
	sure  int        // tokens of seq that are the sequence's; the others were guessed
	begun bool       // the prompt is computed

	draft []Token // what may come next; seq has all but the last
	want  int     // tokens of it, in Prepare
}

// Add takes in the next token of the sequence.
func (d *Drafter) Add(t Token) {
	d.repeats.Add(t)
	if d.prompt != nil {
		d.begin(t)
		return
	}
	right := len(d.draft) > 0 && d.draft[0] == t
	d.account.Add(len(d.draft) > 0, right)
	if right {
		d.draft = d.draft[1:]
	} else {
		d.draft = nil
	}
	if d.seq != nil {
		d.follow(t)
	}
}

// begin queues the prompt and the first token.
func (d *Drafter) begin(first Token) {
	r, tokens := d.runner, append(slices.Clip(d.prompt), first)
	d.prompt = nil
	if len(tokens) >= r.cfg.Limit || slices.ContainsFunc(tokens, r.unknown) {
		return
	}
	d.seq, d.sure = r.s.Add(tokens, r.cfg.Limit), len(tokens)
	d.seq.Owner = d
	r.s.Park(d.seq, true)
}

// unknown reports whether the small model doesn't have t.
func (r *Runner) unknown(t Token) bool { return int(t) >= r.cfg.Tokens }

// follow makes t the next of the tokens that are sure.
func (d *Drafter) follow(t Token) {
	d.sure++
	if n := d.sure - 1; n < d.seq.Len() && d.seq.Tokens()[n] == t {
		return
	}
	d.runner.s.Rewind(d.seq, d.sure-1)
	if d.runner.s.Append(d.seq, t) || d.runner.unknown(t) {
		d.finish()
	}
}

// Draft returns up to most tokens that may come next, for a batch that has rows rows
// without them. They are valid until the next Prepare.
func (d *Drafter) Draft(rows, most int) []Token {
	if draft := d.repeats.Draft(rows, most); len(draft) > 0 {
		return draft
	}
	draft := d.draft[:min(len(d.draft), most)]
	d.account.Verify(len(draft))
	return draft
}

// Close ends the sequence in the small model's context, where its tokens stay as a prefix
// for others.
func (d *Drafter) Close() {
	if d.seq != nil {
		d.finish()
	}
}

func (d *Drafter) finish() {
	d.runner.s.Finish(d.seq)
	d.seq, d.draft = nil, nil
}

// wants decides how many tokens to draft, and reports whether there are any.
func (d *Drafter) wants(rows, most int) bool {
	d.want = 0
	if d.seq == nil || len(d.draft) > 0 || len(d.repeats.Draft(rows, most)) > 0 {
		return false
	}
	lag := 0
	if d.begun {
		lag = d.seq.Len() - d.seq.Computed() - 1
	}
	d.want = d.account.Length(rows, min(most, d.most, d.runner.cfg.Limit-d.seq.Len()-1), lag)
	return d.want > 0
}

// computed pays for rows, but not for a prompt's.
func (d *Drafter) computed(rows int) {
	if d.begun {
		d.account.Compute(rows)
	}
}

// take takes in the small model's next guess.
func (d *Drafter) take(t Token) {
	d.begun = true
	if slices.Contains(d.runner.cfg.Ends, t) {
		d.want = len(d.draft)
		return
	}
	d.draft = append(d.draft, t)
	if len(d.draft) < d.want {
		d.runner.s.Append(d.seq, t)
	}
}

// rests parks the sequence when it has its draft, and where its prompt takes more than a
// batch: the rest waits for the next step.
func (d *Drafter) rests() bool {
	rests := len(d.draft) == 0 || len(d.draft) >= d.want
	if rests {
		d.runner.s.Park(d.seq, true)
	}
	return rests
}
