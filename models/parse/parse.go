package parse

import (
	"strings"

	"github.com/ollama/ollama/model/parsers"

	"github.com/puna-ai/puna"
	"github.com/puna-ai/puna/models/template"
)

// Options say what an answer may hold.
type Options struct {
	Template *template.Template // the one that made the prompt; nil: the answer is plain text
	Parser   string             // a name that Ollama's model/parsers knows; "": the template's
	Tools    []puna.Tool        // none: no tool calls are looked for
	Think    puna.Think
	Prompt   string        // the rendered prompt, which may have begun the thinking
	Last     *puna.Message // the last message, where it is the assistant's and the answer goes on from it
}

// Parser splits one answer into text, thinking and tool calls. It belongs to one
// goroutine. Calls count from index 0; their ids are the model's own, or empty.
type Parser interface {
	// Add takes the next piece of the answer and returns what is certain by now;
	// the event may be empty. Pieces are whole UTF-8 characters.
	Add(piece string) puna.Event
	// Done returns what was held back. No Add may follow.
	Done() puna.Event
}

// New returns a parser for one answer. An unknown Options.Parser is
// [puna.Unsupported].
func New(o Options) (Parser, error) {
	name := o.Parser
	if name == "" && o.Template != nil {
		name = o.Template.Parser()
	}
	if name == "" && o.Template != nil {
		name = inferParser(o.Template)
	}
	if name == "" {
		return &pipeline{think: newThinker(o), tools: newCaller(o)}, nil
	}
	p := parsers.ParserForName(name)
	if p == nil {
		return nil, puna.Errorf(puna.Unsupported, "the model needs the parser %q, which this version doesn't know", name)
	}
	return newNamed(p, o)
}

// inferParser finds the named parser for formats that are more than tags around
// JSON, by what a template says.
func inferParser(t *template.Template) string {
	if t.Kind() == template.Renderer {
		return ""
	}
	text := t.ToolText()
	has := func(words ...string) bool {
		for _, w := range words {
			if !strings.Contains(text, w) {
				return false
			}
		}
		return true
	}
	switch {
	case has("<|channel|>", "<|start|>", "<|message|>"):
		return "harmony"
	case has("<|channel>thought", "<|tool_call>"):
		return "gemma4"
	case has("<function=", "<parameter=", "<think>"):
		return "nemotron-3-nano"
	case has("<function=", "<parameter="):
		return "qwen3-coder"
	case has("<arg_key>", "<arg_value>"):
		return "glm-4.7"
	}
	return ""
}

// pipeline takes thoughts out of the answer, then calls out of the rest.
type pipeline struct {
	think *thinker // may be nil
	tools *caller  // may be nil
}

func (p *pipeline) Add(piece string) puna.Event { return p.step(piece, false) }
func (p *pipeline) Done() puna.Event            { return p.step("", true) }

func (p *pipeline) step(piece string, final bool) puna.Event {
	ev := puna.Event{Text: piece}
	if p.think != nil {
		ev.Thinking, ev.Text = p.think.add(piece, final)
	}
	if p.tools != nil {
		ev.Text, ev.ToolCalls = p.tools.add(ev.Text, final)
	}
	return ev
}
