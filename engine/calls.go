package engine

import (
	"bytes"
	"slices"

	"github.com/puna-ai/puna"
	"github.com/puna-ai/puna/engine/grammar"
	"github.com/puna-ai/puna/models/parse"
)

// callRules say how an answer may call tools.
type callRules struct {
	form     parse.CallForm
	tools    []puna.Tool // none: the model writes freely
	required bool
}

// callRules are those of req where the form of calls is known and, unless a call is
// required, its tag is a token.
func (m *Model) callRules(p *prompt, req *puna.Request) (callRules, error) {
	tools, required, err := callable(req)
	if err != nil || len(tools) == 0 || req.Options.Grammar != "" || m.opts.Options.Grammar != "" {
		return callRules{}, err
	}
	form, ok := parse.FormOf(p.template)
	switch {
	case required && !ok:
		return callRules{}, puna.Errorf(puna.Unsupported, "tool_choice %q: the template of %q doesn't show how it calls tools, so a call can't be required; use \"auto\"", req.ToolChoice, m.opts.Name)
	case !ok || !required && !m.isToken(form.Open):
		return callRules{}, nil
	}
	return callRules{form, tools, required}, nil
}

// constrainCalls makes a grammar of the tools, so that a call names one of them and has
// arguments by its schema. It is in force from the tag on that begins a call; where a
// call is required, from the start of the answer, or the end of the thoughts before it.
// Where no grammar can be made and none is required, the model writes freely.
func (m *Model) constrainCalls(p *prompt) (err error) {
	c := p.calls
	if len(c.tools) == 0 {
		return nil
	}
	p.grammar, err = grammar.FromCalls(c.form, c.tools, !c.required)
	switch {
	case err != nil && c.required:
		return err
	case err != nil:
		m.engine.log.Debug("calls are not held to their tools", "model", m.opts.Name, "error", err)
	case !c.required:
		p.wake = waker{at: c.form.Open}
		p.wake.opening, p.wake.closing = parse.ThinkTags(p.template)
		p.wake.inside = p.thinks(p.wake.opening)
	}
	return nil
}

// callable are the tools that a request lets the model call, and whether it must.
func callable(req *puna.Request) (tools []puna.Tool, required bool, err error) {
	switch req.ToolChoice {
	case "", "auto":
		return req.Tools, false, nil
	case "none":
		return nil, false, nil
	case "required":
		if len(req.Tools) == 0 {
			return nil, false, puna.Errorf(puna.Invalid, `tool_choice "required": the request has no tools`)
		}
		return req.Tools, true, nil
	}
	i := slices.IndexFunc(req.Tools, func(t puna.Tool) bool { return t.Name == string(req.ToolChoice) })
	if i < 0 {
		return nil, false, puna.Errorf(puna.Invalid, `tool_choice %q is neither "auto", "none", "required" nor the name of one of the request's tools`, req.ToolChoice)
	}
	return req.Tools[i : i+1], true, nil
}

func (m *Model) isToken(text string) bool {
	tokens, err := m.vocab.Tokenize(text, false, true)
	return err == nil && len(tokens) == 1 && text != ""
}

// waker finds the text from whose end on a grammar is in force.
type waker struct {
	at               string // "": from the start
	opening, closing string // of thoughts, in which at doesn't count; "": there are none
	inside           bool   // thoughts
	tail             []byte // of the text so far
}

// add takes more of the text, and reports whether at has come.
func (w *waker) add(piece []byte) bool {
	w.tail = append(w.tail, piece...)
	for {
		switch {
		case w.inside:
			if !w.skip(w.closing) {
				return false
			}
			w.inside = false
		case w.begins():
			w.inside = true
		default:
			return w.skip(w.at)
		}
	}
}

// begins skips the beginning of thoughts, if it comes before at.
func (w *waker) begins() bool {
	if w.opening == "" {
		return false
	}
	i, j := bytes.Index(w.tail, []byte(w.opening)), bytes.Index(w.tail, []byte(w.at))
	return i >= 0 && (j < 0 || i < j) && w.skip(w.opening)
}

// skip cuts the tail behind text, or to the part that text may begin in.
func (w *waker) skip(text string) bool {
	if _, after, ok := bytes.Cut(w.tail, []byte(text)); ok {
		w.tail = after
		return true
	}
	keep := max(len(w.at), len(w.opening), len(w.closing))
	w.tail = w.tail[max(0, len(w.tail)-keep):]
	return false
}
