package template

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/puna-ai/puna"
)

func user(text string) puna.Message { return puna.Message{Role: puna.User, Content: text} }

func calls(ids ...string) puna.Message {
	m := puna.Message{Role: puna.Assistant}
	for i, id := range ids {
		m.ToolCalls = append(m.ToolCalls, puna.ToolCall{ID: id, Index: i, Name: "add", Arguments: json.RawMessage(fmt.Sprintf(`{"b":%d,"a":1}`, i))})
	}
	return m
}

func result(id, text string) puna.Message {
	return puna.Message{Role: puna.ToolRole, ToolName: "add", ToolCallID: id, Content: text}
}

var addTool = puna.Tool{Name: "add", Description: "Adds.", Parameters: json.RawMessage(`{"type":"object","properties":{"b":{"type":"number"},"a":{"type":"number"}},"required":["b","a"]}`)}

func TestShapes(t *testing.T) {
	cases := []struct {
		name, template string
		in             Input
		want           string
	}{
		{"system goes into the first user message", "gemma-2",
			Input{System: "Be brief.", Messages: []puna.Message{user(" Hi")}},
			"<s><start_of_turn>user\nBe brief.\n\n Hi<end_of_turn>\n<start_of_turn>model\n"},
		{"later system messages too", "mistral-7b",
			Input{Messages: []puna.Message{{Role: puna.System, Content: "A"}, user("1"), {Role: puna.Assistant, Content: "2"}, {Role: puna.System, Content: "B"}, user("3")}},
			"<s>[INST] A\n\n1 [/INST]2</s>[INST] B\n\n3 [/INST]"},
		{"calls with text arguments and no content", "deepseek-r1-distill-qwen",
			Input{Messages: []puna.Message{user("1+0?"), calls("x"), result("x", "1")}},
			"<s><｜User｜>1+0?<｜Assistant｜><｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>add\n```json\n{\"b\":0,\"a\":1}\n```<｜tool▁call▁end｜><｜tool▁outputs▁begin｜><｜tool▁output▁begin｜>1<｜tool▁output▁end｜><｜tool▁outputs▁end｜>"},
		{"one call a message", "llama-3.1",
			Input{Messages: []puna.Message{user("?"), calls("x", "y"), result("x", "1"), result("y", "2")}},
			"<|start_header_id|>assistant<|end_header_id|>\n\n{\"name\": \"add\", \"parameters\": {\"b\": 0, \"a\": 1}}<|eot_id|>" +
				"<|start_header_id|>ipython<|end_header_id|>\n\n\"1\"<|eot_id|>" +
				"<|start_header_id|>assistant<|end_header_id|>\n\n{\"name\": \"add\", \"parameters\": {\"b\": 1, \"a\": 1}}<|eot_id|>" +
				"<|start_header_id|>ipython<|end_header_id|>\n\n\"2\"<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n"},
		{"ids of nine characters", "mistral-nemo",
			Input{Messages: []puna.Message{user("?"), calls("call_é"), result("call_é", "1")}},
			"<s>[INST]?[/INST][TOOL_CALLS][{\"name\": \"add\", \"arguments\": {\"b\": 0, \"a\": 1}, \"id\": \"59fu368ku\"}]</s>[TOOL_RESULTS]{\"content\": 1, \"call_id\": \"59fu368ku\"}[/TOOL_RESULTS]"},
		{"the answer goes on", "llama-3",
			Input{Messages: []puna.Message{user("Count."), {Role: puna.Assistant, Content: "One, two, "}}},
			"<s><|start_header_id|>user<|end_header_id|>\n\nCount.<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\nOne, two,"},
		{"a prompt is a user message", "qwen3",
			Input{Prompt: "Hi", System: "S", Think: puna.ThinkOff},
			"<|im_start|>system\nS<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n"},
		{"tool choice none hides the tools", "qwen2.5",
			Input{Messages: []puna.Message{{Role: puna.System, Content: "S"}, user("Hi")}, Tools: []puna.Tool{addTool}, ToolChoice: "none"},
			"<|im_start|>system\nS<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"},
		{"images", "qwen2.5",
			Input{Messages: []puna.Message{{Role: puna.System, Content: "S"}, {Role: puna.User, Content: "a [img] b", Images: [][]byte{{1}, {2}}}}, ImageMarker: "<M>"},
			"<|im_start|>system\nS<|im_end|>\n<|im_start|>user\n<M>a <M> b<|im_end|>\n<|im_start|>assistant\n"},
	}
	for _, c := range cases {
		text, err := realTemplate(t, c.template).Render(c.in)
		require.NoError(t, err, c.name)
		if strings.HasPrefix(c.want, "<s>") || strings.HasPrefix(c.want, "<|im_start|>") {
			assert.Equal(t, c.want, text, c.name)
		} else {
			assert.Contains(t, text, c.want, c.name)
		}
	}
}

func TestThoughtAndContentWithACall(t *testing.T) {
	asks := calls("x")
	asks.Content, asks.Thinking = "Let me see.", "Adding."
	text, err := realTemplate(t, "gpt-oss").Render(Input{Messages: []puna.Message{user("?"), asks, result("x", "1")}, Tools: []puna.Tool{addTool}, Now: now})
	require.NoError(t, err)
	assert.Contains(t, text, "<|start|>assistant<|channel|>analysis<|message|>Adding.\n\nLet me see.<|end|>")
	assert.Contains(t, text, "to=functions.add")
}

func TestChatML(t *testing.T) {
	tmpl, err := New(Source{Model: "m"})
	require.NoError(t, err)
	assert.Equal(t, ChatML, tmpl.Kind())
	assert.True(t, tmpl.Supports(puna.CanTools))
	text, err := tmpl.Render(Input{System: "S", Messages: []puna.Message{user("Hi")}})
	require.NoError(t, err)
	assert.Equal(t, "<|im_start|>system\nS<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n", text)

	asks := calls("x", "y")
	asks.Content = "Adding."
	text, err = tmpl.Render(Input{Messages: []puna.Message{user("?"), asks, result("x", "1"), result("y", "2")}, Tools: []puna.Tool{addTool}})
	require.NoError(t, err)
	_, chat, ok := strings.Cut(text, "</tool_call><|im_end|>\n")
	require.True(t, ok, text)
	assert.Contains(t, text, `{"type": "function", "function": {"name": "add", "description": "Adds.", "parameters": {"type": "object", "properties": {"b": {"type": "number"}, "a": {"type": "number"}}, "required": ["b", "a"]}}}`)
	assert.Equal(t, "<|im_start|>user\n?<|im_end|>\n<|im_start|>assistant\nAdding.\n"+
		"<tool_call>\n{\"name\": \"add\", \"arguments\": {\"b\": 0, \"a\": 1}}\n</tool_call>\n"+
		"<tool_call>\n{\"name\": \"add\", \"arguments\": {\"b\": 1, \"a\": 1}}\n</tool_call><|im_end|>\n"+
		"<|im_start|>user\n<tool_response>\n1\n</tool_response><|im_end|>\n<|im_start|>user\n<tool_response>\n2\n</tool_response><|im_end|>\n"+
		"<|im_start|>assistant\n", chat)
}

func TestTemplateForTools(t *testing.T) {
	tmpl, err := New(Source{Jinja: "plain:{{ messages[0].content }}", JinjaTool: "tools:{{ tools[0].function|tojson }}:{{ messages[0].content }}"})
	require.NoError(t, err)
	assert.True(t, tmpl.Supports(puna.CanTools))
	for in, want := range map[*Input]string{
		{Prompt: "x"}: "plain:x",
		{Prompt: "x", Tools: []puna.Tool{{Name: "f"}}}:                     `tools:{"name": "f", "description": "", "parameters": {"type": "object", "properties": {}}}:x`,
		{Prompt: "x", Tools: []puna.Tool{{Name: "f"}}, ToolChoice: "none"}: "plain:x",
	} {
		text, err := tmpl.Render(*in)
		require.NoError(t, err)
		assert.Equal(t, want, text)
	}
}

func TestTrimBOS(t *testing.T) {
	tmpl := realTemplate(t, "llama-3")
	text, err := tmpl.Render(Input{Prompt: "Hi"})
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(text, "<s><|start"))
	assert.Equal(t, text[3:], tmpl.TrimBOS(text))
	assert.Equal(t, "x<s>", tmpl.TrimBOS("x<s>"))
}

func TestErrorsNameTheTemplate(t *testing.T) {
	_, err := New(Source{Model: "m", Jinja: "\n{% if %}"})
	assert.EqualError(t, err, `model "m": chat template of the GGUF: line 2: expected an expression, found the end of the tag`)
	assert.Equal(t, puna.Invalid, puna.KindOf(err))
	_, err = New(Source{Model: "m", Modelfile: "{{ .Prompt "})
	assert.ErrorContains(t, err, `model "m": TEMPLATE of the Modelfile: template: :1: unclosed action`)
	_, err = New(Source{Model: "m", Renderer: "nonsense"})
	assert.EqualError(t, err, `model "m": renderer "nonsense": unknown renderer "nonsense"`)

	tmpl := realTemplate(t, "gemma-3")
	_, err = tmpl.Render(Input{Messages: []puna.Message{user("1"), user("2")}})
	assert.EqualError(t, err, `model "gemma-3": chat template of the GGUF: line 19: the template refuses: Conversation roles must alternate user/assistant/user/assistant/...`)
	assert.Equal(t, puna.Invalid, puna.KindOf(err))
	_, err = tmpl.Render(Input{Prompt: "a", Suffix: "b"})
	assert.EqualError(t, err, `"gemma-3" does not support insert: send the prompt without a suffix`)
	assert.Equal(t, puna.Unsupported, puna.KindOf(err))

	bad := puna.Tool{Name: "f", Parameters: json.RawMessage(`{"type":`)}
	for _, tmpl := range []*Template{realTemplate(t, "qwen3"), goTmpl(t, "{{ .Tools }}{{ range .Messages }}{{ end }}")} {
		_, err = tmpl.Render(Input{Prompt: "a", Tools: []puna.Tool{bad}})
		assert.ErrorContains(t, err, `the parameters of tool "f"`)
		assert.Equal(t, puna.Invalid, puna.KindOf(err))
	}
}

func TestRenderIsConcurrentAndLeavesItsInput(t *testing.T) {
	in := Input{System: "S", Messages: []puna.Message{{Role: puna.User, Content: "[img]?", Images: [][]byte{{1}}}, calls("x", "y"), result("x", "1"), result("y", "2"), {Role: puna.Assistant, Content: "1"}, user("b")},
		Tools: []puna.Tool{addTool}, ImageMarker: "<M>", Now: now}
	before, err := json.Marshal(in)
	require.NoError(t, err)
	renderer, err := New(Source{Renderer: "qwen3-coder"})
	require.NoError(t, err)
	for _, tmpl := range []*Template{realTemplate(t, "llama-3.1"), renderer,
		goTmpl(t, "{{ .System }}{{ json .Tools }}{{ range .Messages }}{{ .Role }}{{ .Content }}{{ range .ToolCalls }}{{ .Function.Arguments }}{{ end }}{{ end }}")} {
		var wg sync.WaitGroup
		texts := make([]string, 4)
		for i := range texts {
			wg.Go(func() { texts[i], _ = tmpl.Render(in) })
		}
		wg.Wait()
		assert.NotEmpty(t, texts[0])
		assert.Equal(t, []string{texts[0], texts[0], texts[0], texts[0]}, texts)
	}
	after, err := json.Marshal(in)
	require.NoError(t, err)
	assert.Equal(t, string(before), string(after))
}
