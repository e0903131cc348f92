package parse

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"

	"github.com/ollama/ollama/api"
	"github.com/ollama/ollama/model/parsers"

	"github.com/puna-ai/puna"
	"github.com/puna-ai/puna/models/template"
)

// named runs one of Ollama's parsers. Those give up text that they took for a call
// and couldn't read; named keeps what was read since the last output and returns
// it as text instead.
type named struct {
	p      parsers.Parser
	unseen strings.Builder // of the answer, since the last output
	n      int             // calls so far
	tools  *caller         // where p knows no tools
	failed bool            // p panicked: the rest is text
}

func newNamed(p parsers.Parser, o Options) (Parser, error) {
	tools, err := template.OllamaTools(o.Tools)
	if err != nil {
		return nil, puna.Errorf(puna.Invalid, "%w", err)
	}
	var last *api.Message
	if o.Last != nil && o.Last.Role == puna.Assistant {
		last = &api.Message{Role: string(o.Last.Role), Content: o.Last.Content, Thinking: o.Last.Thinking}
	}
	think := template.OllamaThink(o.Think)
	if think == nil && p.HasThinkingSupport() {
		think = template.OllamaThink(puna.ThinkOn) // as the prompt was rendered
	}
	p.Init(tools, last, think)
	n := &named{p: p}
	if len(o.Tools) > 0 && !p.HasToolSupport() {
		n.tools = newCaller(o)
	}
	return n, nil
}

func (n *named) Add(piece string) puna.Event { return n.step(piece, false) }
func (n *named) Done() puna.Event            { return n.step("", true) }

func (n *named) step(piece string, final bool) puna.Event {
	var ev puna.Event
	// One character at a time: where a piece holds a call that can't be read, the
	// parsers drop the rest of the piece too.
	for _, c := range piece {
		n.feed(&ev, string(c), false)
	}
	if final {
		n.feed(&ev, "", true)
		if rest := n.unseen.String(); !onlyTags.MatchString(rest) {
			ev.Text += rest
		}
	}
	if n.tools != nil {
		text, calls := n.tools.add(ev.Text, final)
		ev.Text, ev.ToolCalls = text, append(ev.ToolCalls, calls...)
	}
	return ev
}

func (n *named) feed(ev *puna.Event, piece string, final bool) {
	n.unseen.WriteString(piece)
	text, thought, calls, err := n.safely(piece, final)
	if err != nil {
		ev.Text += n.unseen.String()
		n.unseen.Reset()
		return
	}
	if text == "" && thought == "" && len(calls) == 0 {
		return
	}
	ev.Text += text
	ev.Thinking += thought
	for _, c := range calls {
		args, err := json.Marshal(c.Function.Arguments)
		if err != nil {
			ev.Text += n.unseen.String()
			continue
		}
		ev.ToolCalls = append(ev.ToolCalls, puna.ToolCall{ID: c.ID, Index: n.n, Name: c.Function.Name, Arguments: args})
		n.n++
	}
	rest := ""
	if out := text + thought; len(calls) == 0 {
		seen := n.unseen.String() // the parser may hold back what follows its output
		if i := strings.LastIndex(seen, out); i >= 0 {
			rest = seen[i+len(out):]
		}
	}
	n.unseen.Reset()
	n.unseen.WriteString(rest)
}

func (n *named) safely(piece string, final bool) (text, thought string, calls []api.ToolCall, err error) {
	if n.failed {
		return piece, "", nil, nil
	}
	defer func() {
		if p := recover(); p != nil {
			n.failed = true
			err = fmt.Errorf("the parser failed: %v", p)
		}
	}()
	return n.p.Add(piece, final)
}

// onlyTags matches what may be dropped at the end: whole tags and white space.
var onlyTags = regexp.MustCompile(`^(\s|<[^<>\s]*>|\[/?[A-Z_]+\])*$`)
