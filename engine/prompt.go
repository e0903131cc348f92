package engine

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/puna-ai/puna"
	"github.com/puna-ai/puna/cgo/llama"
	"github.com/puna-ai/puna/models/parse"
	"github.com/puna-ai/puna/models/template"
)

// prompt is a request as the model sees it.
type prompt struct {
	template *template.Template // nil: raw, or tokens that were put together
	text     string             // rendered; "" where tokens were put together
	tokens   []llama.Token
	cut      int // tokens that were left out

	calls   callRules
	grammar string // of the answer, beside one in the request; "": none
	wake    waker  // where a grammar begins
}

// prompt renders and tokenizes req, and makes it fit into limit tokens if it may be
// cut.
func (m *Model) prompt(ctx context.Context, req *puna.Request, o puna.Options, limit int) (p *prompt, err error) {
	p = &prompt{template: m.template}
	if req.Template != "" {
		src := m.source
		src.Modelfile = req.Template
		if p.template, err = template.New(src); err != nil {
			return nil, err
		}
	}
	if err = m.checkAbilities(req, p.template); err != nil {
		return nil, err
	}
	switch {
	case req.Raw, req.Suffix != "" && !p.template.Supports(puna.CanInsert):
		p.template = nil
	case len(req.Format) == 0:
		if p.calls, err = m.callRules(p, req); err != nil {
			return nil, err
		}
	}
	if err = m.fit(ctx, p, req, o, limit); err != nil {
		return nil, err
	}
	return p, m.constrainCalls(p)
}

// fit fills p with no more than limit tokens, or fails.
func (m *Model) fit(ctx context.Context, p *prompt, req *puna.Request, o puna.Options, limit int) error {
	if err := m.fill(p, req, m.messages(req)); err != nil {
		return err
	}
	switch n := len(p.tokens); {
	case n == 0:
		return puna.Errorf(puna.Invalid, "the prompt has no tokens: send some text")
	case n < limit:
		return nil
	case !puna.Or(req.Truncate, false):
		return m.tooLong(n, limit)
	}
	return m.truncate(ctx, p, req, o, limit)
}

func (m *Model) tooLong(n, limit int) error {
	advice := "shorten it, or raise num_ctx"
	if limit >= m.llama.NCtxTrain() {
		advice = "shorten it: the model was trained for no more"
	}
	return puna.Errorf(puna.TooLong, "the prompt has %d tokens, and the context takes %d with room for an answer: %s", n, limit-1, advice)
}

// checkAbilities refuses what the model can't do.
func (m *Model) checkAbilities(req *puna.Request, t *template.Template) error {
	name := cmp.Or(req.Model, m.opts.Name)
	images := len(req.Images) > 0 || slices.ContainsFunc(req.Messages, func(msg puna.Message) bool { return len(msg.Images) > 0 })
	switch {
	case !m.generates():
		return puna.Errorf(puna.Unsupported, "%q does not generate text", name)
	case images:
		return puna.Errorf(puna.Unsupported, "%q does not support images", name)
	case req.Raw && (req.Template != "" || req.System != "" || len(req.Context) > 0):
		return puna.Errorf(puna.Invalid, "raw mode does not support template, system, or context")
	case req.Think.Enabled() && !req.Raw && !t.Supports(puna.CanThink):
		return puna.Errorf(puna.Invalid, "%q does not support thinking", name)
	case len(req.Tools) > 0 && req.ToolChoice != "none" && !t.Supports(puna.CanTools):
		return puna.Errorf(puna.Invalid, "%q does not support tools", name)
	case req.TopLogprobs < 0 || req.TopLogprobs > 20:
		return puna.Errorf(puna.Invalid, "top_logprobs %d: need 0 to 20", req.TopLogprobs)
	}
	return nil
}

// messages is the chat that req goes on with; nil for a plain completion.
func (m *Model) messages(req *puna.Request) []puna.Message {
	switch {
	case req.Raw || req.Suffix != "":
		return nil
	case len(req.Messages) > 0:
		return slices.Concat(m.opts.Messages, req.Messages)
	case len(m.opts.Messages) > 0 && len(req.Context) == 0:
		return slices.Concat(m.opts.Messages, []puna.Message{{Role: puna.User, Content: req.Prompt}})
	}
	return nil
}

func (m *Model) system(req *puna.Request) string {
	if req.System != "" {
		return req.System
	}
	if len(req.Messages) > 0 && req.Messages[0].Role == puna.System || len(req.Context) > 0 {
		return ""
	}
	return m.opts.System
}

// fill renders and tokenizes.
func (m *Model) fill(p *prompt, req *puna.Request, msgs []puna.Message) (err error) {
	special := true
	switch {
	case req.Raw:
		p.text = req.Prompt
	case p.template == nil:
		p.tokens, err = m.fim(req.Prompt, req.Suffix)
		return err
	default:
		p.text, err = p.template.Render(template.Input{
			Messages: msgs, Tools: req.Tools, ToolChoice: req.ToolChoice, Think: req.Think,
			System: m.system(req), Prompt: req.Prompt, Suffix: req.Suffix,
		})
		if err != nil {
			return err
		}
		if len(req.Format) > 0 || p.calls.required {
			p.think(req)
		}
	}
	p.tokens = p.tokens[:0]
	if len(req.Context) > 0 {
		if p.tokens, err = m.tokens(req.Context); err != nil {
			return err
		}
		special = false
	}
	return m.tokenize(p, special)
}

// think lets the model think before an answer in a format: the grammar waits for the
// end of its thoughts. Where the template leaves it to the model to begin them, they
// are begun for it, so that the grammar doesn't wait in vain.
func (p *prompt) think(req *puna.Request) {
	if text := p.template.Text(); strings.Contains(text, "<|channel|>") && strings.Contains(text, "<|message|>") {
		p.wake.at = "<|channel|>final<|message|>"
		return
	}
	opening, closing := parse.ThinkTags(p.template)
	if opening == "" || closing == "" {
		return
	}
	begun := p.thinks(opening)
	if req.Think.Enabled() && !begun {
		p.text += opening + "\n"
		begun = true
	}
	if begun {
		p.wake.at = closing
	}
}

// thinks reports whether the prompt ends in begun thoughts.
func (p *prompt) thinks(opening string) bool {
	return opening != "" && strings.HasSuffix(strings.TrimSpace(p.text), opening)
}

// tokenize appends p's text to its tokens. Begin says that it is the beginning.
func (m *Model) tokenize(p *prompt, begin bool) (err error) {
	text := p.text
	if p.template != nil && (!begin || m.vocab.GetAddBOS()) {
		text = p.template.TrimBOS(text)
	}
	if p.tokens, err = m.vocab.AppendTokens(p.tokens, text, begin, true); err != nil {
		return puna.Errorf(puna.Invalid, "%w", err)
	}
	if n := len(p.tokens); begin && n > 1 && m.vocab.GetAddEOS() && p.tokens[n-1] == m.vocab.EOS() && !strings.HasSuffix(text, m.source.EOS) {
		p.tokens = p.tokens[:n-1] // the answer goes on from here
	}
	return nil
}

// canFIM reports whether the vocabulary has the tokens to fill in the middle.
func (m *Model) canFIM() bool {
	return m.vocab.FIMPre() != llama.TokenNull && m.vocab.FIMSuf() != llama.TokenNull && m.vocab.FIMMid() != llama.TokenNull
}

// fim puts prefix and suffix between the tokens that models are trained to fill in
// the middle with.
func (m *Model) fim(prefix, suffix string) ([]llama.Token, error) {
	if !m.canFIM() {
		return nil, puna.Errorf(puna.Invalid, "%q does not support insert", m.opts.Name)
	}
	var tokens []llama.Token
	if m.vocab.GetAddBOS() && m.vocab.BOS() != llama.TokenNull {
		tokens = append(tokens, m.vocab.BOS())
	}
	for _, part := range []struct {
		before llama.Token
		text   string
	}{{m.vocab.FIMPre(), prefix}, {m.vocab.FIMSuf(), suffix}, {m.vocab.FIMMid(), ""}} {
		var err error
		tokens, err = m.vocab.AppendTokens(append(tokens, part.before), part.text, false, false)
		if err != nil {
			return nil, puna.Errorf(puna.Invalid, "%w", err)
		}
	}
	return tokens, nil
}

// truncate makes p fit: a chat loses its oldest messages, as Ollama's does, and what
// is too long even so loses tokens after the first num_keep.
func (m *Model) truncate(ctx context.Context, p *prompt, req *puna.Request, o puna.Options, limit int) error {
	full := len(p.tokens)
	for msgs := m.messages(req); len(req.Messages) > 0 && len(p.tokens) >= limit; {
		i := slices.IndexFunc(msgs, func(msg puna.Message) bool { return msg.Role != puna.System })
		if i < 0 || i >= len(msgs)-1 {
			break
		}
		if ctx.Err() != nil {
			return puna.Errorf(puna.Canceled, "%w", context.Cause(ctx))
		}
		msgs = slices.Delete(slices.Clone(msgs), i, i+1)
		if err := m.fill(p, req, msgs); err != nil {
			return err
		}
	}
	if len(p.tokens) >= limit {
		room := min(max(1, limit/4), 512) // for the answer
		keep := min(m.keep(o, full), limit/2)
		p.tokens = slices.Delete(p.tokens, keep, keep+len(p.tokens)-max(1, limit-room))
	}
	p.cut = full - len(p.tokens)
	m.engine.log.Warn("a prompt was cut to fit the context", "model", m.opts.Name, "tokens", full, "kept", len(p.tokens), "num_ctx", limit)
	return nil
}

// keep is how many tokens at the start of a prompt stay when others have to go.
func (m *Model) keep(o puna.Options, prompt int) int {
	keep := puna.Or(o.NumKeep, 4)
	if keep < 0 {
		return prompt
	}
	if m.vocab.GetAddBOS() {
		keep++
	}
	return keep
}
