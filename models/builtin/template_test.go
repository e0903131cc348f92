package builtin

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/puna-ai/puna"
	"github.com/puna-ai/puna/models/gguf"
	"github.com/puna-ai/puna/models/modelfile"
	"github.com/puna-ai/puna/models/template"
)

// templates returns guide's two templates: the Modelfile's and the GGUF's.
func templates(t *testing.T) (goTemplate, jinja *template.Template) {
	m := guide(t)
	file, err := modelfile.Parse(strings.NewReader(m.Modelfile))
	require.NoError(t, err)
	goTemplate, err = template.New(template.Source{Model: "guide", Modelfile: file.Template})
	require.NoError(t, err)
	f, err := gguf.Read(m.Open(), m.Size(), "guide", gguf.Options{})
	require.NoError(t, err)
	jinja, err = template.New(template.Source{Model: "guide", Jinja: f.ChatTemplate("")})
	require.NoError(t, err)
	return goTemplate, jinja
}

func TestCapabilities(t *testing.T) {
	goTemplate, jinja := templates(t)
	for _, c := range []puna.Capability{puna.CanTools, puna.CanThink} {
		assert.True(t, goTemplate.Supports(c), c)
		assert.True(t, jinja.Supports(c), c)
	}
	assert.True(t, goTemplate.Supports(puna.CanInsert))
}

func TestFillInTheMiddle(t *testing.T) {
	goTemplate, _ := templates(t)
	got, err := goTemplate.Render(template.Input{Prompt: "Once", Suffix: "time"})
	require.NoError(t, err)
	assert.Equal(t, "<|fim_prefix|>Once<|fim_suffix|>time<|fim_middle|>", got)
}

func TestTemplatesAgree(t *testing.T) {
	goTemplate, jinja := templates(t)
	tool := puna.Tool{Name: "add", Description: "Add two numbers",
		Parameters: json.RawMessage(`{"type":"object","required":["a"],"properties":{"a":{"type":"integer"}}}`)}
	system := puna.Message{Role: puna.System, Content: "Be short."}
	user := puna.Message{Role: puna.User, Content: "add 1"}
	call := puna.Message{Role: puna.Assistant, Thinking: "I call add.",
		ToolCalls: []puna.ToolCall{{Name: "add", Arguments: json.RawMessage(`{"a":1}`)}}}
	result := puna.Message{Role: puna.ToolRole, Content: "2", ToolName: "add"}
	hello := puna.Message{Role: puna.Assistant, Content: "Hello!", Thinking: "forgotten"}
	for name, in := range map[string]template.Input{
		"one question":    {Messages: []puna.Message{user}},
		"system":          {Messages: []puna.Message{system, user}},
		"more turns":      {Messages: []puna.Message{user, hello, user}},
		"tools":           {Messages: []puna.Message{user}, Tools: []puna.Tool{tool}},
		"tools, system":   {Messages: []puna.Message{system, user}, Tools: []puna.Tool{tool, tool}},
		"answered call":   {Messages: []puna.Message{user, hello, user, call, result}, Tools: []puna.Tool{tool}},
		"no message, yet": {Prompt: "hi"},
	} {
		for _, think := range []puna.Think{puna.ThinkOff, puna.ThinkOn} {
			in.Think = think
			want, err := goTemplate.Render(in)
			require.NoError(t, err, name)
			got, err := jinja.Render(in)
			require.NoError(t, err, name)
			assert.Equal(t, unspaced(want), unspaced(got), "%s, think %s", name, think)
			assert.Equal(t, think == puna.ThinkOn, strings.Contains(want, " /think<|im_end|>"), name)
			assert.True(t, strings.HasSuffix(want, "<|im_start|>assistant\n"), name)
		}
	}
}

// unspaced removes what JSON writers of the two template languages do differently:
// Go writes none of the spaces that Python writes.
func unspaced(s string) string {
	return strings.NewReplacer(`": `, `":`, `, "`, `,"`).Replace(s)
}
