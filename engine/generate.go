package engine

import (
	"context"
	"crypto/rand"
	"iter"
	"strings"
	"time"

	"github.com/puna-ai/puna"
	"github.com/puna-ai/puna/engine/grammar"
	"github.com/puna-ai/puna/engine/loop"
	"github.com/puna-ai/puna/engine/sample"
	"github.com/puna-ai/puna/engine/spec"
	"github.com/puna-ai/puna/models/parse"
)

// shiftFactor bounds an answer that may shift and has no num_predict, in contexts:
// a model that never ends its turn would go on for ever.
const shiftFactor = 10

// Generate answers req: a chat, or a completion. The sequence can be ranged over
// once; leaving it early, or canceling ctx, cancels the request at the next step.
// Of req, Model, KeepAlive, OnLoad and the options of loading (num_gpu, main_gpu,
// use_mmap) don't count here. A nil Truncate means an error for a prompt that is
// too long, a nil Shift means that a full context ends the answer.
//
// A request with neither messages nor a prompt is answered with [puna.DoneLoad].
func (m *Model) Generate(ctx context.Context, req *puna.Request) iter.Seq2[puna.Event, error] {
	return func(yield func(puna.Event, error) bool) {
		a := &answer{m: m, req: req, began: time.Now()}
		if len(req.Messages) == 0 && req.Prompt == "" && req.Suffix == "" {
			done := &puna.Done{Reason: puna.DoneLoad, TotalDuration: time.Since(a.began)}
			yield(puna.Event{Done: done}, nil)
			return
		}
		if err := a.start(ctx); err != nil {
			yield(puna.Event{}, err)
			return
		}
		defer a.r.Cancel()
		a.stream(ctx, yield)
	}
}

// answer is a request under way.
type answer struct {
	m      *Model
	req    *puna.Request
	opts   puna.Options
	limit  int
	prompt *prompt
	parser parse.Parser
	r      *loop.Request

	began    time.Time
	load     time.Duration
	logprobs []puna.TokenLogprob // of text that the parser holds back
}

// start makes the prompt and hands it to a context.
func (a *answer) start(ctx context.Context) (err error) {
	if !a.m.use() {
		return a.m.unloaded()
	}
	defer a.m.users.Done()
	a.opts = a.req.Options.Over(a.m.opts.Options)
	if err := a.opts.Validate(); err != nil {
		return err
	}
	a.limit = a.m.limit(a.opts)
	if a.prompt, err = a.m.prompt(ctx, a.req, a.opts, a.limit); err != nil {
		return err
	}
	if a.parser, err = a.newParser(); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return puna.Errorf(puna.Canceled, "%w", context.Cause(ctx))
	}
	return a.submit()
}

func (a *answer) newParser() (parse.Parser, error) {
	o := parse.Options{Template: a.prompt.template, Parser: a.m.opts.Parser, Think: a.req.Think, Prompt: a.prompt.text}
	if o.Template == nil {
		o.Parser = "" // raw text stays as it is
	}
	if a.req.ToolChoice != "none" {
		o.Tools = a.req.Tools
	}
	if n := len(a.req.Messages); n > 0 && a.req.Messages[n-1].Role == puna.Assistant {
		o.Last = &a.req.Messages[n-1]
	}
	return parse.New(o)
}

// submit queues the request at a context that it fits in. A context may be replaced
// by a larger one at any moment, so this may take more than one attempt.
func (a *answer) submit() error {
	for {
		began := time.Now()
		run, err := a.m.acquire(a.opts)
		if err != nil {
			return err
		}
		a.load += time.Since(began)
		pick, err := a.picker(run)
		if err != nil {
			return err
		}
		a.r = &loop.Request{
			Prompt: a.prompt.tokens, Limit: a.limit, Picker: pick,
			Max: max(0, puna.Or(a.opts.NumPredict, -1)), Keep: a.m.keep(a.opts, len(a.prompt.tokens)),
			Drafter: a.drafter(run),
		}
		if a.r.Shift = puna.Or(a.req.Shift, false) && puna.Or(a.opts.NumPredict, -1) != -2; a.r.Shift && a.r.Max == 0 {
			a.r.Max = shiftFactor * a.limit
		}
		if err = run.Submit(a.r); err == nil {
			return nil
		}
		pick.Close()
		if puna.KindOf(err) != puna.Unavailable {
			return err
		}
	}
}

func (a *answer) picker(run *runner) (*picker, error) {
	gbnf := a.prompt.grammar
	if len(a.req.Format) > 0 {
		var err error
		if gbnf, err = grammar.FromFormat(a.req.Format); err != nil {
			return nil, err
		}
	}
	m := a.m
	s, err := sample.New(sample.Config{
		Vocab: m.vocab, EOG: m.eog, Train: m.llama.NCtxTrain(), Limit: a.limit,
		Options: a.opts, Grammar: gbnf, Prompt: a.prompt.tokens,
		Asleep: gbnf != "" && a.prompt.wake.at != "",
	})
	if err != nil {
		return nil, err
	}
	return &picker{
		vocab: m.vocab, sampler: s, scratch: run.scratch, eog: m.eog, text: holder{stops: a.opts.Stop},
		logprobs: a.req.Logprobs, top: a.req.TopLogprobs, wake: a.prompt.wake,
	}, nil
}

// drafter is nil where nothing is to be drafted.
func (a *answer) drafter(run *runner) loop.Drafter {
	most := puna.Or(a.opts.DraftNumPredict, -1)
	if most == 0 || !a.m.plain {
		return nil
	}
	if most < 0 {
		most = draftRows
	}
	if run.ahead != nil {
		return run.ahead.Drafter(a.prompt.tokens, most)
	}
	return spec.New(a.prompt.tokens, most)
}

// stream turns outputs into events.
func (a *answer) stream(ctx context.Context, yield func(puna.Event, error) bool) {
	for {
		out, ok := a.r.Next(ctx)
		switch {
		case !ok:
			yield(puna.Event{}, puna.Errorf(puna.Canceled, "the request was canceled: %w", context.Cause(ctx)))
			return
		case out.Err != nil:
			yield(puna.Event{}, out.Err)
			return
		}
		a.logprobs = append(a.logprobs, out.Logprobs...)
		if out.Text != "" && !a.emit(a.parser.Add(out.Text), yield) {
			return
		}
		if out.End != nil {
			if a.emit(a.parser.Done(), yield) {
				yield(puna.Event{Done: a.done(out.End), Logprobs: a.logprobs}, nil)
			}
			return
		}
	}
}

// emit yields what an event has. Log-probabilities go with the first text that is
// certain after them; calls that the model gave no id get one.
func (a *answer) emit(ev puna.Event, yield func(puna.Event, error) bool) bool {
	if ev.Text == "" && ev.Thinking == "" && len(ev.ToolCalls) == 0 {
		return true
	}
	for i := range ev.ToolCalls {
		if ev.ToolCalls[i].ID == "" {
			ev.ToolCalls[i].ID = "call_" + strings.ToLower(rand.Text()[:8])
		}
	}
	ev.Logprobs, a.logprobs = a.logprobs, nil
	return yield(ev, nil)
}

func (a *answer) done(r *loop.Result) *puna.Done {
	d := &puna.Done{
		Reason: r.Reason, Truncated: a.prompt.cut,
		PromptTokens: len(a.prompt.tokens), CachedTokens: r.Cached, EvalTokens: r.Generated,
		DraftTokens: r.Drafted, AcceptedTokens: r.Accepted,
		TotalDuration: time.Since(a.began), LoadDuration: a.load,
		PromptEvalDuration: r.Prompt, EvalDuration: r.Eval,
	}
	if len(a.req.Messages) == 0 && !a.req.Raw {
		d.Context = ints(r.Tokens)
	}
	return d
}
