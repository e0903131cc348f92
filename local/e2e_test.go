package local_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/puna-ai/puna"
	"github.com/puna-ai/puna/internal/testmodel"
	"github.com/puna-ai/puna/local"
)

func open(t *testing.T) *local.Service {
	t.Helper()
	svc, err := local.Open(local.Options{Models: t.TempDir(), AllowPaths: true, Defaults: puna.Options{NumThread: new(1)}})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, svc.Close()) })
	return svc
}

// ask returns a greedy answer, whole.
func ask(t *testing.T, svc puna.Generator, req *puna.Request) (puna.Message, *puna.Done) {
	t.Helper()
	req.Model = "guide"
	req.Options.Temperature = new(0.0)
	var m puna.Message
	var done *puna.Done
	for ev, err := range svc.Generate(context.Background(), req) {
		require.NoError(t, err)
		m.Content += ev.Text
		m.Thinking += ev.Thinking
		m.ToolCalls = append(m.ToolCalls, ev.ToolCalls...)
		done = ev.Done
	}
	require.NotNil(t, done)
	return m, done
}

func user(text string) []puna.Message {
	return []puna.Message{{Role: puna.User, Content: text}}
}

func TestGoldenAnswer(t *testing.T) {
	m, done := ask(t, open(t), &puna.Request{Messages: user("What is Puna?"), Think: puna.ThinkOff})
	assert.Equal(t, "Puna is an LLM inference engine for Go. It loads GGUF models into your own Go program, with llama.cpp through cgo: a call is a Go function call, with no second process and no network. The same binary is a server that Ollama clients can use. It lives at github.com/puna-ai/puna; its license is in the file LICENSE there, and I, guide, am under the MIT license. A puna is the high plain in the Andes where llamas live.", m.Content)
	assert.Equal(t, puna.DoneStop, done.Reason)
}

func TestToolCall(t *testing.T) {
	svc := open(t)
	weather := puna.Tool{Name: "get_weather", Description: "Get the weather of a city",
		Parameters: json.RawMessage(`{"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}`)}
	m, _ := ask(t, svc, &puna.Request{Messages: user("What is the weather in Paris?"), Think: puna.ThinkOff, Tools: []puna.Tool{weather}})
	require.Len(t, m.ToolCalls, 1, "%+v", m)
	assert.Equal(t, "get_weather", m.ToolCalls[0].Name)
	assert.NotEmpty(t, m.ToolCalls[0].ID)
	assert.JSONEq(t, `{"city": "Paris"}`, string(m.ToolCalls[0].Arguments))
}

func TestThinking(t *testing.T) {
	svc := open(t)
	m, _ := ask(t, svc, &puna.Request{Messages: user("how do I list models?"), Think: puna.ThinkOn})
	assert.NotEmpty(t, m.Thinking)
	assert.Contains(t, m.Content, "puna list")
	assert.NotContains(t, m.Content, "think>")
	m, _ = ask(t, svc, &puna.Request{Messages: user("how do I list models?"), Think: puna.ThinkOff})
	assert.Empty(t, m.Thinking)
	assert.Contains(t, m.Content, "puna list")
}

// Refusals call a model what the request called it, as Ollama's do.
func TestRefusalsHaveTheRequestsName(t *testing.T) {
	svc := open(t)
	for _, err := range svc.Create(t.Context(), &puna.CreateRequest{Model: "tiny", From: testmodel.Path(t), Template: "{{ .Prompt }}"}) {
		require.NoError(t, err)
	}
	for _, model := range []string{"tiny", "tiny:latest", "Tiny"} {
		for _, err := range svc.Generate(t.Context(), &puna.Request{Model: model, Prompt: "x", Think: puna.ThinkOn}) {
			assert.EqualError(t, err, fmt.Sprintf("%q does not support thinking", model))
		}
	}
}

func TestSchemaHolds(t *testing.T) {
	svc := open(t)
	schema := json.RawMessage(`{"type": "object", "properties": {"name": {"type": "string", "maxLength": 20},
		"size": {"type": "integer", "minimum": 0, "maximum": 99}}, "required": ["name", "size"], "additionalProperties": false}`)
	m, _ := ask(t, svc, &puna.Request{Messages: user("Describe a llama as JSON with name and size."), Format: schema})
	var got struct {
		Name *string
		Size *int
	}
	require.NoError(t, json.Unmarshal([]byte(m.Content), &got), m.Content)
	require.NotNil(t, got.Name)
	require.NotNil(t, got.Size)
	assert.LessOrEqual(t, *got.Size, 99)
}

func TestFillInTheMiddle(t *testing.T) {
	svc := open(t)
	m, done := ask(t, svc, &puna.Request{Prompt: "func add(a, b int) int {\n\treturn ", Suffix: "\n}\n", Options: puna.Options{NumPredict: new(16)}})
	assert.NotEmpty(t, m.Content)
	assert.NotContains(t, m.Content, "<|")
	assert.Positive(t, done.EvalTokens)
}

func TestConcurrentAnswersAreTheSame(t *testing.T) {
	svc := open(t)
	want, _ := ask(t, svc, &puna.Request{Messages: user("Who are you?")})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			req := &puna.Request{Model: "guide", Messages: user("Who are you?"), Options: puna.Options{Temperature: new(0.0)}}
			var text strings.Builder
			for ev, err := range svc.Generate(context.Background(), req) {
				if !assert.NoError(t, err) {
					return
				}
				text.WriteString(ev.Text)
			}
			assert.Equal(t, want.Content, text.String())
		})
	}
	wg.Wait()
}

func TestSecondTurnReusesTheFirst(t *testing.T) {
	svc := open(t)
	chat := user("How do I run a model?")
	m, _ := ask(t, svc, &puna.Request{Messages: chat, Think: puna.ThinkOff})
	chat = append(chat, puna.Message{Role: puna.Assistant, Content: m.Content}, puna.Message{Role: puna.User, Content: "and how do I remove it?"})
	_, done := ask(t, svc, &puna.Request{Messages: chat, Think: puna.ThinkOff})
	assert.Greater(t, done.CachedTokens, done.PromptTokens/2, "%+v", done)
}

func TestSeedsRepeat(t *testing.T) {
	svc := open(t)
	sample := func(seed int) string {
		req := &puna.Request{Model: "guide", Messages: user("Tell me a story."), Options: puna.Options{Seed: &seed, Temperature: new(1.5), TopK: new(0), TopP: new(1.0), NumPredict: new(24)}}
		var text string
		for ev, err := range svc.Generate(context.Background(), req) {
			require.NoError(t, err)
			text += ev.Thinking + ev.Text
		}
		return text
	}
	assert.Equal(t, sample(1), sample(1))
	assert.NotEqual(t, sample(1), sample(2))
}

func ExampleService_Generate() {
	svc, err := local.Open(local.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer svc.Close()
	req := &puna.Request{
		Model:    "guide",
		Messages: []puna.Message{{Role: puna.User, Content: "how do I list models?"}},
		Think:    puna.ThinkOff,
		Options:  puna.Options{Temperature: new(0.0)},
	}
	for ev, err := range svc.Generate(context.Background(), req) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Print(ev.Text)
	}
	// Output: `puna list` or `puna ls` shows the models on this machine with their size and age, over HTTP GET /api/tags. They are kept in ~/.ollama/models, as with Ollama; OLLAMA_MODELS sets another folder.
}
