package parse

import (
	"bytes"
	"encoding/json"
	"strings"

	"github.com/puna-ai/puna"
)

// jsonScan finds the end of a JSON object or array that comes in pieces.
type jsonScan struct {
	depth    int
	inString bool
	escaped  bool
	bad      bool // a character that no JSON has in this place
}

// feed takes more text and returns the offset behind the value's end, or -1.
func (s *jsonScan) feed(text []byte) int {
	for i, c := range text {
		switch {
		case s.escaped:
			s.escaped = false
		case s.inString:
			s.escaped = c == '\\'
			s.inString = c != '"'
		case c == '"':
			s.inString = true
		case c == '{' || c == '[':
			s.depth++
		case c == '}' || c == ']':
			if s.depth--; s.depth == 0 {
				return i + 1
			}
		case !strings.ContainsRune(" \t\r\n:,0123456789+-.eEtrufalsn", rune(c)):
			s.bad = true
			return -1
		}
	}
	return -1
}

// readCalls reads the calls that a JSON value means. name and id come from outside
// of the value, where the format has them there: then the value is the arguments.
func readCalls(value []byte, name, id string) []puna.ToolCall {
	if !json.Valid(value) {
		return nil
	}
	value = bytes.TrimSpace(value)
	if name != "" {
		if value[0] != '{' {
			return nil
		}
		return []puna.ToolCall{{ID: id, Name: name, Arguments: bytes.Clone(value)}}
	}
	if value[0] == '[' {
		var items []json.RawMessage
		var calls []puna.ToolCall
		if json.Unmarshal(value, &items) != nil || len(items) == 0 {
			return nil
		}
		for _, item := range items {
			c, ok := readCall(item)
			if !ok {
				return nil
			}
			calls = append(calls, c)
		}
		return calls
	}
	if c, ok := readCall(value); ok {
		return []puna.ToolCall{c}
	}
	return nil
}

// readCall reads {"name": ..., "arguments": {...}} and its variants: "parameters"
// for arguments, arguments as text, and OpenAI's {"function": {...}}.
func readCall(value []byte) (c puna.ToolCall, ok bool) {
	var fields map[string]json.RawMessage
	if json.Unmarshal(value, &fields) != nil {
		return c, false
	}
	_ = json.Unmarshal(fields["id"], &c.ID)
	if f := bytes.TrimSpace(fields["function"]); len(f) > 0 && f[0] == '{' {
		inner, ok := readCall(f)
		inner.ID = c.ID
		return inner, ok
	}
	for _, key := range []string{"name", "function", "tool_name"} {
		if c.Name == "" {
			_ = json.Unmarshal(fields[key], &c.Name)
		}
	}
	c.Arguments = json.RawMessage("{}")
	for _, key := range []string{"arguments", "parameters", "args"} {
		args := bytes.TrimSpace(fields[key])
		var text string
		if len(args) > 0 && json.Unmarshal(args, &text) == nil && json.Valid([]byte(text)) {
			args = bytes.TrimSpace([]byte(text))
		}
		switch {
		case len(args) == 0 || string(args) == "null":
			continue
		case args[0] != '{':
			return c, false
		}
		c.Arguments = args
		break
	}
	return c, c.Name != ""
}
