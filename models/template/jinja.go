package template

import (
	"fmt"
	"hash/fnv"
	"regexp"
	"strconv"
	"strings"

	"github.com/puna-ai/puna"
	"github.com/puna-ai/puna/models/template/jinja"
)

// jinjaTemplate is a Jinja template and what it can take.
type jinjaTemplate struct {
	tmpl     *jinja.Template
	bos, eos string
	knowsMax bool // the template names the thinking level "max"
	caps     caps
}

// caps are what probes found out about a Jinja template.
type caps struct {
	system       bool // takes a system message
	typed        bool // takes content only as a list of typed parts
	tools        bool // shows the tools to the model
	textArgs     bool // takes a call's arguments only as text
	nullContent  bool // shows calls only of messages whose content is none
	shortIDs     bool // takes only ids of nine letters and digits
	oneCall      bool // takes one call in a message
	eitherOnCall bool // takes content or thinking with a call, not both
	think        bool // knows thinking
}

func newJinja(text string, src Source) (*jinjaTemplate, error) {
	tmpl, err := jinja.Parse(text)
	if err != nil {
		return nil, err
	}
	t := &jinjaTemplate{tmpl: tmpl, bos: src.BOS, eos: src.EOS,
		knowsMax: strings.Contains(text, `"max"`) || strings.Contains(text, `'max'`)}
	t.probe()
	t.caps.think = thinkMarks.MatchString(text)
	return t, nil
}

// thinkMarks are what templates of thinking models say.
var thinkMarks = regexp.MustCompile(`<think>|enable_thinking|reasoning_content|reasoning_effort|<\|channel\|>|\[THINK\]|<seed:think>|if thinking\b`)

func (t *jinjaTemplate) render(in *Input) (string, error) {
	messages := in.Messages
	if !t.caps.system {
		messages = withoutSystem(messages)
	}
	messages = t.splitCalls(messages)
	vars := map[string]any{"bos_token": t.bos, "eos_token": t.eos, "add_generation_prompt": true}
	list := make([]any, 0, len(messages))
	for i, m := range messages {
		values, err := t.message(m)
		if err != nil {
			return "", fmt.Errorf("message %d: %w", i, err)
		}
		list = append(list, values...)
	}
	vars["messages"] = jinja.List(list...)
	if len(in.Tools) > 0 {
		tools, err := jinjaTools(in.Tools)
		if err != nil {
			return "", err
		}
		vars["tools"] = tools
	}
	t.setThink(vars, in.Think)
	last := messages[len(messages)-1]
	goesOn := last.Role == puna.Assistant && len(last.ToolCalls) == 0
	vars["add_generation_prompt"] = !goesOn
	text, err := t.tmpl.Render(vars, jinja.Options{Now: in.Now})
	if err != nil || !goesOn {
		return text, err
	}
	return cutAfter(text, last.Content), nil
}

// cutAfter ends text within its last message: what follows content goes.
func cutAfter(text, content string) string {
	for _, c := range []string{content, strings.TrimSpace(content)} {
		if i := strings.LastIndex(text, c); c != "" && i >= 0 {
			return text[:i+len(c)]
		}
	}
	return text
}

func (t *jinjaTemplate) setThink(vars map[string]any, think puna.Think) {
	if think == puna.ThinkDefault {
		return
	}
	vars["enable_thinking"], vars["thinking"] = think.Enabled(), think.Enabled()
	switch {
	case think == puna.ThinkMax && !t.knowsMax:
		vars["reasoning_effort"] = "high"
	case think != puna.ThinkOn && think != puna.ThinkOff:
		vars["reasoning_effort"] = string(think)
	}
}

// withoutSystem puts system messages in front of the user message that follows.
func withoutSystem(messages []puna.Message) []puna.Message {
	var out []puna.Message
	var pending []string
	for _, m := range messages {
		if m.Role == puna.System {
			pending = append(pending, m.Content)
			continue
		}
		if m.Role == puna.User && len(pending) > 0 {
			m.Content = strings.Join(append(pending, m.Content), "\n\n")
			pending = nil
		}
		out = append(out, m)
	}
	if len(pending) > 0 {
		out = append(out, puna.Message{Role: puna.User, Content: strings.Join(pending, "\n\n")})
	}
	return out
}

// splitCalls gives each tool call a message of its own, followed by its result, for
// templates that take one call a message.
func (t *jinjaTemplate) splitCalls(messages []puna.Message) []puna.Message {
	if !t.caps.oneCall {
		return messages
	}
	var out []puna.Message
	for i := 0; i < len(messages); i++ {
		m := messages[i]
		if len(m.ToolCalls) < 2 {
			out = append(out, m)
			continue
		}
		end := i + 1
		for end < len(messages) && messages[end].Role == puna.ToolRole {
			end++
		}
		results := messages[i+1 : end]
		for j, call := range m.ToolCalls {
			one := m
			one.ToolCalls = []puna.ToolCall{call}
			if j > 0 {
				one.Content, one.Thinking = "", ""
			}
			out = append(out, one)
			if j < len(results) {
				out = append(out, results[j])
			}
		}
		i = max(i, end-1)
		if len(results) > len(m.ToolCalls) {
			out = append(out, results[len(m.ToolCalls):]...)
		}
	}
	return out
}

// message is m as templates know it, in two where a call needs one without text.
func (t *jinjaTemplate) message(m puna.Message) ([]any, error) {
	if len(m.ToolCalls) > 0 && t.caps.eitherOnCall && m.Thinking != "" && m.Content != "" {
		m.Thinking, m.Content = m.Thinking+"\n\n"+m.Content, ""
	}
	var out []any
	if len(m.ToolCalls) > 0 && t.caps.nullContent && m.Content != "" {
		said := m
		said.ToolCalls = nil
		values, err := t.message(said)
		if err != nil {
			return nil, err
		}
		out, m.Content, m.Thinking = values, "", ""
	}
	d := jinja.NewDict("role", string(m.Role))
	switch {
	case len(m.ToolCalls) > 0 && t.caps.nullContent:
		d.Set("content", nil)
	case t.caps.typed:
		d.Set("content", jinja.List(jinja.NewDict("type", "text", "text", m.Content)))
	default:
		d.Set("content", m.Content)
	}
	if m.Thinking != "" {
		d.Set("reasoning_content", m.Thinking)
		d.Set("thinking", m.Thinking)
	}
	if m.ToolName != "" {
		d.Set("name", m.ToolName)
	}
	if m.ToolCallID != "" {
		d.Set("tool_call_id", t.id(m.ToolCallID))
	}
	if len(m.ToolCalls) > 0 {
		calls, err := t.calls(m.ToolCalls)
		if err != nil {
			return nil, err
		}
		d.Set("tool_calls", calls)
	}
	return append(out, d), nil
}

func (t *jinjaTemplate) calls(calls []puna.ToolCall) (any, error) {
	list := make([]any, len(calls))
	for i, c := range calls {
		var args any = string(orEmpty(c.Arguments))
		if !t.caps.textArgs {
			var err error
			if args, err = jinja.FromJSON(orEmpty(c.Arguments)); err != nil {
				return nil, fmt.Errorf("the arguments of tool call %q: %w", c.Name, err)
			}
		}
		d := jinja.NewDict("id", t.id(c.ID), "type", "function",
			"function", jinja.NewDict("name", c.Name, "arguments", args))
		list[i] = d
	}
	return jinja.List(list...), nil
}

var shortID = regexp.MustCompile(`^[a-zA-Z0-9]{9}$`)

// id makes an id that the template takes; the same id always becomes the same.
func (t *jinjaTemplate) id(id string) string {
	if !t.caps.shortIDs || shortID.MatchString(id) {
		return id
	}
	h := fnv.New64a()
	h.Write([]byte(id))
	text := "000000000" + strconv.FormatUint(h.Sum64(), 36)
	return text[len(text)-9:]
}

// jinjaTools are tools as OpenAI's API describes them, which is what templates
// expect.
func jinjaTools(tools []puna.Tool) (any, error) {
	list := make([]any, len(tools))
	for i, t := range tools {
		schema, err := jinja.FromJSON(parameters(t))
		if err != nil {
			return nil, fmt.Errorf("the parameters of tool %q: %w", t.Name, err)
		}
		list[i] = jinja.NewDict("type", "function", "function",
			jinja.NewDict("name", t.Name, "description", t.Description, "parameters", schema))
	}
	return jinja.List(list...), nil
}
