package template

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	texttemplate "text/template"

	"github.com/ollama/ollama/api"
	"github.com/ollama/ollama/model/parsers"
	"github.com/ollama/ollama/model/renderers"
	ollama "github.com/ollama/ollama/template"
	"github.com/ollama/ollama/thinking"

	"github.com/puna-ai/puna"
)

// goTemplate is a Modelfile's TEMPLATE, run by Ollama's template package.
type goTemplate struct {
	tmpl    *ollama.Template // for looking at
	guarded *ollama.Template // for running: loops and calls count their steps
	vars    []string         // lower case
	think   bool
}

func newGoTemplate(text string) (t *goTemplate, err error) {
	defer catch(&err)
	if len(text) > maxGoSource {
		return nil, fmt.Errorf("it has %d bytes; at most %d are allowed", len(text), maxGoSource)
	}
	t = &goTemplate{}
	if t.tmpl, err = ollama.Parse(text); err != nil {
		return nil, err
	}
	if t.guarded, err = ollama.Parse(text); err != nil {
		return nil, err
	}
	if t.vars, err = t.tmpl.Vars(); err != nil {
		return nil, err
	}
	if slices.Contains(t.vars, "messages") {
		guard(t.guarded.Template)
	} else if err := checkLegacy(t.tmpl.Template); err != nil {
		return nil, err
	}
	opening, closing := thinking.InferTags(t.tmpl.Template)
	t.think = opening != "" && closing != "" || strings.Contains(text, "<|channel|>")
	return t, nil
}

func (t *goTemplate) supports(c puna.Capability) bool {
	switch c {
	case puna.CanTools:
		return slices.Contains(t.vars, "tools")
	case puna.CanInsert:
		return slices.Contains(t.vars, "suffix")
	case puna.CanThink:
		return t.think
	}
	return false
}

func (t *goTemplate) render(in *Input) (text string, err error) {
	defer catch(&err)
	messages, tools, think, err := ollamaTypes(in)
	if err != nil {
		return "", err
	}
	values := ollama.Values{Messages: messages, Tools: tools}
	if in.Suffix != "" && len(in.Messages) == 0 {
		values.Prompt, values.Suffix = in.Prompt, in.Suffix
	}
	if think != nil {
		values.Think, values.ThinkLevel, values.IsThinkSet = think.Bool(), think.String(), true
	}
	clone, err := t.guarded.Template.Clone()
	if err != nil {
		return "", err
	}
	run := *t.guarded
	run.Template = clone.Funcs(limitedFuncs(in.Now))
	out := &limitedWriter{}
	if err := run.Execute(out, values); err != nil {
		var exec texttemplate.ExecError
		if errors.As(err, &exec) {
			err = exec.Err
		}
		return "", err
	}
	return out.String(), nil
}

// checkRenderer reports a renderer that Ollama's package doesn't know.
func checkRenderer(name string) (err error) {
	defer catch(&err)
	_, err = renderers.RenderWithRenderer(name, []api.Message{{Role: "user", Content: "x"}}, nil, nil)
	return err
}

func renderNamed(name string, in *Input) (text string, err error) {
	defer catch(&err)
	messages, tools, think, err := ollamaTypes(in)
	if err != nil {
		return "", err
	}
	return renderers.RenderWithRenderer(name, messages, tools, think)
}

// rendererSupports asks the parser that belongs to a renderer, as Ollama does.
func rendererSupports(parser string, c puna.Capability) bool {
	p := parsers.ParserForName(parser)
	switch {
	case p == nil:
		return false
	case c == puna.CanTools:
		return p.HasToolSupport()
	case c == puna.CanThink:
		return p.HasThinkingSupport()
	}
	return false
}

// ollamaTypes converts an input to the types of Ollama's packages.
func ollamaTypes(in *Input) ([]api.Message, []api.Tool, *api.ThinkValue, error) {
	messages := make([]api.Message, len(in.Messages))
	for i, m := range in.Messages {
		messages[i] = api.Message{Role: string(m.Role), Content: m.Content, Thinking: m.Thinking,
			ToolName: m.ToolName, ToolCallID: m.ToolCallID}
		for _, c := range m.ToolCalls {
			call := api.ToolCall{ID: c.ID, Function: api.ToolCallFunction{Index: c.Index, Name: c.Name}}
			if err := json.Unmarshal(orEmpty(c.Arguments), &call.Function.Arguments); err != nil {
				return nil, nil, nil, fmt.Errorf("message %d: the arguments of tool call %q: %w", i, c.Name, err)
			}
			messages[i].ToolCalls = append(messages[i].ToolCalls, call)
		}
	}
	tools, err := OllamaTools(in.Tools)
	return messages, tools, OllamaThink(in.Think), err
}

// OllamaTools converts tools to the type of Ollama's packages.
func OllamaTools(tools []puna.Tool) ([]api.Tool, error) {
	if len(tools) == 0 {
		return nil, nil
	}
	out := make([]api.Tool, len(tools))
	for i, t := range tools {
		out[i] = api.Tool{Type: "function", Function: api.ToolFunction{Name: t.Name, Description: t.Description}}
		if err := json.Unmarshal(parameters(t), &out[i].Function.Parameters); err != nil {
			return nil, fmt.Errorf("the parameters of tool %q: %w", t.Name, err)
		}
	}
	return out, nil
}

// OllamaThink converts t to the type of Ollama's packages; the default is nil.
func OllamaThink(t puna.Think) *api.ThinkValue {
	switch t {
	case puna.ThinkDefault:
		return nil
	case puna.ThinkOff, puna.ThinkOn:
		return &api.ThinkValue{Value: t == puna.ThinkOn}
	}
	return &api.ThinkValue{Value: string(t)}
}

func orEmpty(object json.RawMessage) json.RawMessage {
	if len(object) == 0 {
		return json.RawMessage("{}")
	}
	return object
}

// parameters is a tool's schema, also where it has no parameters.
func parameters(t puna.Tool) json.RawMessage {
	if len(t.Parameters) == 0 {
		return json.RawMessage(`{"type":"object","properties":{}}`)
	}
	return t.Parameters
}
