package wire

import (
	"encoding/json"
	"strings"

	"github.com/puna-ai/puna"
)

// Message is one turn of a chat.
type Message struct {
	Role       string     `json:"role"`
	Content    string     `json:"content"`
	Thinking   string     `json:"thinking,omitempty"`
	Images     []Image    `json:"images,omitempty"`
	ToolCalls  []ToolCall `json:"tool_calls,omitempty"`
	ToolName   string     `json:"tool_name,omitempty"`
	ToolCallID string     `json:"tool_call_id,omitempty"`
}

// ToolCall is a model's request to run a tool.
type ToolCall struct {
	ID       string           `json:"id,omitempty"`
	Function ToolCallFunction `json:"function"`
}

// ToolCallFunction says what to run; Arguments is a JSON object.
type ToolCallFunction struct {
	Index     int             `json:"index"`
	Name      string          `json:"name"`
	Arguments json.RawMessage `json:"arguments"`
}

// Tool is a function that the model may ask for.
type Tool struct {
	Type     string       `json:"type"` // "function"
	Function ToolFunction `json:"function"`
}

// ToolFunction describes it; Parameters is a JSON schema, kept as it came.
type ToolFunction struct {
	Name        string          `json:"name"`
	Description string          `json:"description,omitempty"`
	Parameters  json.RawMessage `json:"parameters,omitempty"`
}

func messagesFromWire(in []Message) ([]puna.Message, error) {
	if len(in) == 0 {
		return nil, nil
	}
	out := make([]puna.Message, len(in))
	for i, m := range in {
		calls, err := toolCallsFromWire(m.ToolCalls)
		if err != nil {
			return nil, puna.Errorf(puna.Invalid, "messages[%d].%w", i, err)
		}
		out[i] = puna.Message{
			Role: puna.Role(strings.ToLower(m.Role)), Content: m.Content, Thinking: m.Thinking,
			Images: imagesFromWire(m.Images), ToolCalls: calls, ToolName: m.ToolName, ToolCallID: m.ToolCallID,
		}
	}
	return out, nil
}

func messagesToWire(in []puna.Message) []Message {
	out := make([]Message, len(in))
	for i, m := range in {
		out[i] = Message{
			Role: string(m.Role), Content: m.Content, Thinking: m.Thinking,
			Images: imagesToWire(m.Images), ToolCalls: toolCallsToWire(m.ToolCalls), ToolName: m.ToolName, ToolCallID: m.ToolCallID,
		}
	}
	return out
}

func toolCallsFromWire(in []ToolCall) ([]puna.ToolCall, error) {
	if len(in) == 0 {
		return nil, nil
	}
	out := make([]puna.ToolCall, len(in))
	for i, c := range in {
		args, ok := object(c.Function.Arguments)
		if !ok {
			return nil, puna.Errorf(puna.Invalid, "tool_calls[%d].function.arguments must be an object, not %s", i, abbreviate(c.Function.Arguments))
		}
		out[i] = puna.ToolCall{ID: c.ID, Index: c.Function.Index, Name: c.Function.Name, Arguments: args}
	}
	return out, nil
}

func toolCallsToWire(in []puna.ToolCall) []ToolCall {
	if len(in) == 0 {
		return nil
	}
	out := make([]ToolCall, len(in))
	for i, c := range in {
		args := c.Arguments
		if len(args) == 0 {
			args = json.RawMessage("{}")
		}
		out[i] = ToolCall{ID: c.ID, Function: ToolCallFunction{Index: c.Index, Name: c.Name, Arguments: args}}
	}
	return out
}

// noParameters is the schema of a tool that takes nothing. Ollama's templates
// range over the properties, so it has some, if none.
const noParameters = `{"type":"object","properties":{}}`

func toolsFromWire(in []Tool) ([]puna.Tool, error) {
	if len(in) == 0 {
		return nil, nil
	}
	out := make([]puna.Tool, len(in))
	for i, t := range in {
		f := t.Function
		params, ok := object(f.Parameters)
		switch {
		case f.Name == "":
			return nil, puna.Errorf(puna.Invalid, "tools[%d].function.name is required", i)
		case !ok:
			return nil, puna.Errorf(puna.Invalid, "tools[%d].function.parameters must be an object (a JSON schema), not %s", i, abbreviate(f.Parameters))
		case string(params) == "{}", string(params) == noParameters:
			params = nil
		}
		out[i] = puna.Tool{Name: f.Name, Description: f.Description, Parameters: params}
	}
	return out, nil
}

func toolsToWire(in []puna.Tool) []Tool {
	out := make([]Tool, len(in))
	for i, t := range in {
		params := t.Parameters
		if params == nil {
			params = json.RawMessage(noParameters)
		}
		out[i] = Tool{Type: "function", Function: ToolFunction{Name: t.Name, Description: t.Description, Parameters: params}}
	}
	return out
}

func imagesFromWire(in []Image) [][]byte {
	if len(in) == 0 {
		return nil
	}
	out := make([][]byte, len(in))
	for i, image := range in {
		out[i] = image
	}
	return out
}

func imagesToWire(in [][]byte) []Image {
	if len(in) == 0 {
		return nil
	}
	out := make([]Image, len(in))
	for i, image := range in {
		out[i] = image
	}
	return out
}
