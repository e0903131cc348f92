package template

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/puna-ai/puna"
)

// probe finds out what the template can take by rendering small chats with words
// that no template says.
func (t *jinjaTemplate) probe() {
	t.caps = caps{system: true}
	user := puna.Message{Role: puna.User, Content: "zqUSER"}
	if !t.shows(Input{Messages: []puna.Message{user}}, "zqUSER") {
		t.caps.typed = true
		t.caps.typed = t.shows(Input{Messages: []puna.Message{user}}, "zqUSER")
	}
	system := puna.Message{Role: puna.System, Content: "zqSYSTEM"}
	t.caps.system = t.shows(Input{Messages: []puna.Message{system, user}}, "zqSYSTEM", "zqUSER")
	tool := puna.Tool{Name: FormName, Description: "zqABOUT",
		Parameters: json.RawMessage(`{"type":"object","properties":{"zqKEY":{"type":"string"}},"required":["zqKEY"]}`)}
	t.caps.tools = t.shows(Input{Messages: []puna.Message{user}, Tools: []puna.Tool{tool}}, FormName, "zqKEY")
	t.probeCalls(user, tool)
}

// probeCalls finds a form of tool calls that the template shows in full.
func (t *jinjaTemplate) probeCalls(user puna.Message, tool puna.Tool) {
	call := puna.ToolCall{ID: "call_zq", Name: FormName, Arguments: json.RawMessage(`{"zqKEY":"zqVALUE"}`)}
	asks := puna.Message{Role: puna.Assistant, ToolCalls: []puna.ToolCall{call}}
	result := puna.Message{Role: puna.ToolRole, Content: "zqRESULT", ToolName: FormName, ToolCallID: "call_zq"}
	base := t.caps
	found := false
	for form := 0; form < 8 && !found; form++ {
		t.caps = base
		t.caps.textArgs, t.caps.nullContent, t.caps.shortIDs = form&1 != 0, form&2 != 0, form&4 != 0
		text, err := t.try(Input{Messages: []puna.Message{user, asks, result}, Tools: []puna.Tool{tool}})
		found = err == nil && containsAll(text, "zqVALUE", "zqRESULT") && !strings.Contains(text, `\"zqKEY`) &&
			!strings.Contains(text, `'zqKEY'`)
	}
	if !found {
		t.caps = base
		return
	}
	second := call
	second.ID = "call_zw"
	asks.ToolCalls = append(asks.ToolCalls, second)
	results := []puna.Message{user, asks, result, {Role: puna.ToolRole, Content: "zqOTHER", ToolName: FormName, ToolCallID: "call_zw"}}
	t.caps.oneCall = !t.shows(Input{Messages: results, Tools: []puna.Tool{tool}}, "zqOTHER")
	asks.ToolCalls = asks.ToolCalls[:1]
	asks.Content, asks.Thinking = "zqSAID", "zqTHOUGHT"
	t.caps.eitherOnCall = !t.shows(Input{Messages: []puna.Message{user, asks, result}, Tools: []puna.Tool{tool}}, "zqVALUE")
}

func (t *jinjaTemplate) try(in Input) (string, error) {
	in.Now = time.Unix(0, 0).UTC()
	return t.render(&in)
}

// shows reports whether a prompt of in holds all words.
func (t *jinjaTemplate) shows(in Input, words ...string) bool {
	text, err := t.try(in)
	return err == nil && containsAll(text, words...)
}

func containsAll(text string, words ...string) bool {
	for _, w := range words {
		if !strings.Contains(text, w) {
			return false
		}
	}
	return true
}

// Words of the call that [Template.CallForm] shows.
const (
	FormName = "zqTOOL"
	FormKey  = "zqKEY"
)

// CallForm is how the template writes a tool call of the assistant's: the text from
// the end of the user's message to the call's result, with a function [FormName]
// whose one argument is [FormKey]. "" where it shows no calls. It says how the
// model was taught to call.
func (t *Template) CallForm() string { return t.callForm() }

func (t *Template) renderCall() string {
	call := puna.ToolCall{ID: "call_zq", Name: FormName, Arguments: json.RawMessage(`{"` + FormKey + `":"zqVALUE"}`)}
	in := Input{Now: time.Unix(0, 0).UTC(), Messages: []puna.Message{
		{Role: puna.User, Content: "zqUSER"},
		{Role: puna.Assistant, ToolCalls: []puna.ToolCall{call}},
		{Role: puna.ToolRole, Content: "zqRESULT", ToolName: FormName, ToolCallID: "call_zq"},
	}, Tools: []puna.Tool{{Name: "zqOTHER"}}}
	text, err := t.Render(in)
	if err != nil {
		return ""
	}
	if _, after, ok := strings.Cut(text, "zqUSER"); ok {
		text = after
	}
	text, _, _ = strings.Cut(text, "zqRESULT")
	if !strings.Contains(text, FormName) {
		return ""
	}
	return text
}
