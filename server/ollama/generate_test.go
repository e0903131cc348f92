package ollama_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/ollama/ollama/api"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/puna-ai/puna"
)

func (b *bed) generate(req *api.GenerateRequest) ([]api.GenerateResponse, error) {
	var all []api.GenerateResponse
	err := b.client.Generate(b.Context(), req, func(r api.GenerateResponse) error { all = append(all, r); return nil })
	return all, err
}

func (b *bed) chat(req *api.ChatRequest) ([]api.ChatResponse, error) {
	var all []api.ChatResponse
	err := b.client.Chat(b.Context(), req, func(r api.ChatResponse) error { all = append(all, r); return nil })
	return all, err
}

func TestStreamsByDefault(t *testing.T) {
	b := newBed(t)
	lines, err := b.generate(&api.GenerateRequest{Model: "tiny", Prompt: "hi", Options: map[string]any{"temperature": 0}})
	require.NoError(t, err)
	require.Greater(t, len(lines), 3)
	var text strings.Builder
	for i, line := range lines {
		assert.Equal(t, "tiny", line.Model)
		assert.Equal(t, time.UTC, line.CreatedAt.Location())
		assert.Equal(t, i == len(lines)-1, line.Done)
		text.WriteString(line.Response)
	}
	last := lines[len(lines)-1]
	assert.Equal(t, "stop", last.DoneReason)
	assert.Positive(t, last.PromptEvalCount)
	assert.Positive(t, last.EvalCount)
	assert.Positive(t, last.TotalDuration)
	assert.NotEmpty(t, last.Context)

	whole, err := b.generate(&api.GenerateRequest{Model: "tiny", Prompt: "hi", Stream: new(false), Options: map[string]any{"temperature": 0}})
	require.NoError(t, err)
	require.Len(t, whole, 1)
	assert.Equal(t, text.String(), whole[0].Response)
	assert.Equal(t, last.EvalCount, whole[0].EvalCount)
}

func TestChatStreamsAndJoins(t *testing.T) {
	b := newBed(t)
	req := &api.ChatRequest{
		Model: "thinker", Messages: []api.Message{{Role: "user", Content: "hi"}}, Think: &api.ThinkValue{Value: "high"},
		Options: map[string]any{"temperature": 0}, Logprobs: true, TopLogprobs: 1,
	}
	lines, err := b.chat(req)
	require.NoError(t, err)
	var text string
	var logprobs []api.Logprob
	for _, line := range lines {
		assert.Equal(t, "assistant", line.Message.Role)
		text += line.Message.Content
		logprobs = append(logprobs, line.Logprobs...)
	}
	assert.Equal(t, "A question.", lines[0].Message.Thinking)
	assert.Equal(t, puna.ThinkHigh, b.fake.Last().Think)

	req.Stream = new(false)
	whole, err := b.chat(req)
	require.NoError(t, err)
	require.Len(t, whole, 1)
	assert.Equal(t, text, whole[0].Message.Content)
	assert.Equal(t, "A question.", whole[0].Message.Thinking)
	assert.Equal(t, logprobs, whole[0].Logprobs)
	assert.Equal(t, []int{' '}, whole[0].Logprobs[0].Bytes[:1])
}

func TestContentTypes(t *testing.T) {
	b := newBed(t)
	streamed := b.send("POST", "/api/chat", `{"model":"tiny","messages":[{"role":"user","content":"hi"}]}`)
	assert.Equal(t, "application/x-ndjson", streamed.header.Get("Content-Type"))
	for line := range strings.Lines(streamed.body) {
		assert.True(t, json.Valid([]byte(line)) && strings.HasSuffix(line, "}\n"), "%q", line)
	}
	whole := b.send("POST", "/api/chat", `{"model":"tiny","stream":false,"messages":[{"role":"user","content":"hi"}]}`)
	assert.Equal(t, "application/json; charset=utf-8", whole.header.Get("Content-Type"))
	assert.NotEmpty(t, whole.header.Get("Content-Length"))
}

func TestToolCallsKeepTheirText(t *testing.T) {
	b := newBed(t)
	for _, stream := range []string{"true", "false"} {
		got := b.send("POST", "/api/chat", `{"model":"tiny","stream":`+stream+`,"messages":[{"role":"user","content":"hi"}],"tool_choice":"required",
			"tools":[{"type":"function","function":{"name":"add","parameters":{"type":"object","properties":{"b":{"minimum":1}},"additionalProperties":false}}}]}`)
		assert.Contains(t, got.body, `"tool_calls":[{"id":"call_1","function":{"index":0,"name":"add","arguments":{"b":1.0,"a":12345678901234567890}}}]`)
		assert.JSONEq(t, `{"type":"object","properties":{"b":{"minimum":1}},"additionalProperties":false}`, string(b.fake.Last().Tools[0].Parameters))
	}
}

func TestEmptyPromptLoads(t *testing.T) {
	b := newBed(t)
	lines, err := b.generate(&api.GenerateRequest{Model: "tiny", KeepAlive: &api.Duration{Duration: -1}, Options: map[string]any{"num_ctx": 99}})
	require.NoError(t, err)
	require.Len(t, lines, 1)
	assert.True(t, lines[0].Done)
	assert.Equal(t, "load", lines[0].DoneReason)
	ps, err := b.client.ListRunning(t.Context())
	require.NoError(t, err)
	require.Len(t, ps.Models, 1)
	assert.Equal(t, 99, ps.Models[0].ContextLength)
	assert.Greater(t, time.Until(ps.Models[0].ExpiresAt), 100*365*24*time.Hour, "Ollama's command shows this as Forever")

	chats, err := b.chat(&api.ChatRequest{Model: "tiny"})
	require.NoError(t, err)
	require.Len(t, chats, 1)
	assert.Equal(t, "load", chats[0].DoneReason)
	assert.Equal(t, "assistant", chats[0].Message.Role)
}

func TestEmptyPromptAndNoKeepAliveUnloads(t *testing.T) {
	b := newBed(t)
	for _, unload := range []func() (string, error){
		func() (string, error) {
			lines, err := b.generate(&api.GenerateRequest{Model: "tiny", KeepAlive: &api.Duration{}})
			return lines[0].DoneReason, err
		},
		func() (string, error) {
			lines, err := b.chat(&api.ChatRequest{Model: "tiny", KeepAlive: &api.Duration{}})
			return lines[0].DoneReason, err
		},
	} {
		_, err := b.generate(&api.GenerateRequest{Model: "tiny"})
		require.NoError(t, err)
		reason, err := unload()
		require.NoError(t, err)
		assert.Equal(t, "unload", reason)
		ps, err := b.client.ListRunning(t.Context())
		require.NoError(t, err)
		assert.Empty(t, ps.Models)
	}
}

func TestKeepAliveForms(t *testing.T) {
	b := newBed(t)
	for form, want := range map[string]time.Duration{`30`: 30 * time.Second, `"2m"`: 2 * time.Minute, `-1`: -1, `"-5m"`: -1} {
		got := b.send("POST", "/api/generate", `{"model":"tiny","keep_alive":`+form+`}`)
		require.Equal(t, http.StatusOK, got.status, got.body)
		assert.Equal(t, want, *b.fake.Last().KeepAlive, form)
	}
}

// TestRefusals: every rule that ends in an error before the model is asked.
func TestRefusals(t *testing.T) {
	b := newBed(t)
	for _, c := range []struct {
		path, body string
		status     int
		text       string
	}{
		{"generate", ``, 400, `missing request body`},
		{"generate", ` `, 400, `missing request body`},
		{"generate", `{`, 400, `the request body is not JSON: unexpected end of JSON input at byte 1`},
		{"generate", `{"model":}`, 400, `the request body is not JSON: invalid character '}'`},
		{"generate", `{"model":"tiny"} x`, 400, `the request body is not JSON`},
		{"generate", `[1]`, 400, `the request body must be a JSON object, not an array`},
		{"generate", `{"model":3}`, 400, `model must be a string, not a number`},
		{"generate", `{"model":"tiny","context":["x"]}`, 400, `context must be a whole number, not a string`},
		{"generate", `{"model":"tiny","raw":"x"}`, 400, `raw must be a boolean, not a string`},
		{"generate", `{"model":"tiny","options":[]}`, 400, `options must be an object, not an array`},
		{"chat", `{"model":"tiny","tools":{}}`, 400, `tools must be an array, not an object`},
		{"chat", `{"model":"tiny","messages":[{"content":[]}]}`, 400, `messages.content must be a string, not an array`},
		{"generate", strings.Repeat("[", 20_000), 400, `the request body is not JSON`},
		{"generate", `{}`, 400, `model is required`},
		{"generate", `null`, 400, `model is required`},
		{"generate", `{"model":"missing","prompt":"x"}`, 404, `model 'missing' not found`},
		{"generate", `{"model":"missing"}`, 404, `model 'missing' not found`},
		{"generate", `{"model":"missing","keep_alive":0}`, 404, `model 'missing' not found`},
		{"chat", `{"model":"missing","messages":[{"role":"user","content":"x"}]}`, 404, `model 'missing' not found`},
		{"generate", `{"model":"/etc/hosts","prompt":"x"}`, 404, `model '/etc/hosts' not found`},
		{"generate", `{"model":"tiny","prompt":"x","raw":true,"system":"s"}`, 400, `raw mode does not support template, system, or context`},
		{"generate", `{"model":"tiny","prompt":"x","raw":true,"template":"s"}`, 400, `raw mode does not support template, system, or context`},
		{"generate", `{"model":"tiny","prompt":"x","raw":true,"context":[1]}`, 400, `raw mode does not support template, system, or context`},
		{"generate", `{"model":"tiny","prompt":"x","think":true}`, 400, `"tiny" does not support thinking`},
		{"generate", `{"model":"tiny","think":"low"}`, 400, `"tiny" does not support thinking`},
		{"chat", `{"model":"tiny","messages":[{"role":"user","content":"x"}],"think":true}`, 400, `"tiny" does not support thinking`},
		{"generate", `{"model":"tiny","prompt":"x","think":"very"}`, 400, `invalid think value: "very"`},
		{"generate", `{"model":"tiny","prompt":"x","think":3}`, 400, `think must be a boolean or string`},
		{"generate", `{"model":"tiny","prompt":"x","top_logprobs":21}`, 400, `top_logprobs must be between 0 and 20`},
		{"chat", `{"model":"tiny","messages":[],"top_logprobs":-1}`, 400, `top_logprobs must be between 0 and 20`},
		{"generate", `{"model":"tiny","prompt":"x","format":"yaml"}`, 400, `invalid format: "yaml"; expected "json" or a JSON schema`},
		{"generate", `{"model":"tiny","prompt":"x","format":[1]}`, 400, `invalid format: [1]`},
		{"generate", `{"model":"tiny","prompt":"x","keep_alive":"soon"}`, 400, `keep_alive: "soon" is neither`},
		{"generate", `{"model":"tiny","prompt":"x","images":["%"]}`, 400, `images must be strings of base64`},
		{"generate", `{"model":"tiny","prompt":"x","options":{"num_ctx":1.5}}`, 400, `option "num_ctx": 1.5 is not a whole number`},
		{"generate", `{"model":"tiny","prompt":"x","options":{"top_p":2}}`, 400, `option "top_p": 2 is not between 0 and 1`},
		{"chat", `{"model":"tiny","messages":[],"options":{"stop":3}}`, 400, `option "stop": 3 is of the wrong type`},
		{"chat", `{"model":"tiny","messages":[],"tools":[{"function":{}}]}`, 400, `tools[0].function.name is required`},
		{"chat", `{"model":"tiny","messages":[],"tools":[{"function":{"name":"f","parameters":3}}]}`, 400, `tools[0].function.parameters must be an object`},
		{"chat", `{"model":"tiny","messages":[{"tool_calls":[{"function":{"name":"f","arguments":"{}"}}]}]}`, 400, `messages[0].tool_calls[0].function.arguments must be an object, not "{}"`},
		{"chat", `{"model":"tiny","messages":[],"_debug_render_only":true}`, 400, `_debug_render_only is not supported`},
		{"generate", `{"model":"tiny","prompt":"a b c","options":{"num_ctx":2},"truncate":false}`, 400, `the prompt has 3 tokens, the context 2`},
		{"show", `{}`, 400, `model is required`},
		{"show", `{"model":"missing"}`, 404, `model 'missing' not found`},
		{"copy", `{"source":"missing","destination":"x"}`, 404, `model 'missing' not found`},
		{"copy", `{"source":"tiny","destination":"../x"}`, 400, `destination "../x" is invalid`},
		{"create", `{"model":"x"}`, 400, `neither 'from' or 'files'`},
		{"create", `{"model":"x","from":"missing"}`, 404, `model 'missing' not found`},
	} {
		got := b.send("POST", "/api/"+c.path, c.body)
		name := c.path + " " + c.body[:min(len(c.body), 80)]
		assert.Equal(t, c.status, got.status, name)
		assert.Equal(t, "application/json; charset=utf-8", got.header.Get("Content-Type"), name)
		var failure map[string]string
		require.NoError(t, json.Unmarshal([]byte(got.body), &failure), name)
		assert.Len(t, failure, 1, name)
		assert.Contains(t, failure["error"], c.text, name)
	}
}

func TestClientGetsStatusErrors(t *testing.T) {
	b := newBed(t)
	_, err := b.generate(&api.GenerateRequest{Model: "missing", Prompt: "x"})
	var status api.StatusError
	require.ErrorAs(t, err, &status)
	assert.Equal(t, 404, status.StatusCode)
	assert.Equal(t, "model 'missing' not found", status.ErrorMessage)
}

func TestOptionsDecode(t *testing.T) {
	b := newBed(t)
	got := b.send("POST", "/api/generate", `{"model":"tiny","prompt":"x","format":"","options":{"num_ctx":2048.0,"seed":7,"stop":["a"],"temperature":0,
		"num_predict":null,"mirostate":1,"low_vram":true},"unknown_field":{"a":[1]}}`)
	require.Equal(t, 200, got.status, got.body)
	req := b.fake.Last()
	assert.Equal(t, puna.Options{NumCtx: new(2048), Seed: new(7), Stop: []string{"a"}, Temperature: new(0.0)}, req.Options)
	assert.Nil(t, req.Format)
	assert.Contains(t, b.log.String(), "level=WARN")
	assert.Contains(t, b.log.String(), "name=mirostate")
	assert.Contains(t, b.log.String(), "name=low_vram")
}

func TestDuplicateKeysTakeTheLast(t *testing.T) {
	b := newBed(t)
	got := b.send("POST", "/api/generate", `{"model":"missing","prompt":"a","model":"tiny","prompt":"b"}`)
	require.Equal(t, 200, got.status)
	assert.Equal(t, "b", b.fake.Last().Prompt)
}

func TestTruncatesAndShiftsAsOllamaDoes(t *testing.T) {
	b := newBed(t)
	b.send("POST", "/api/generate", `{"model":"tiny","prompt":"x"}`)
	assert.Equal(t, []*bool{new(true), new(true)}, []*bool{b.fake.Last().Truncate, b.fake.Last().Shift})
	b.send("POST", "/api/generate", `{"model":"tiny","prompt":"x","truncate":false,"shift":false}`)
	assert.Equal(t, []*bool{new(false), new(false)}, []*bool{b.fake.Last().Truncate, b.fake.Last().Shift})
}

func TestCutIsNeverSilent(t *testing.T) {
	b := newBed(t)
	body := `{"model":"tiny","prompt":"a b c d e","options":{"num_ctx":2}`
	whole := b.send("POST", "/api/generate", body+`,"stream":false}`)
	assert.Equal(t, "3", whole.header.Get("X-Puna-Truncated"))
	assert.Contains(t, whole.body, `"prompt_truncated_count":3`)
	streamed := b.send("POST", "/api/generate", body+`}`)
	assert.Equal(t, "3", streamed.trailer.Get("X-Puna-Truncated"))
	assert.Contains(t, streamed.body, `"prompt_truncated_count":3`)
	assert.Equal(t, 2, strings.Count(b.log.String(), "cut_tokens=3"))

	short := b.send("POST", "/api/generate", `{"model":"tiny","prompt":"a"}`)
	assert.Empty(t, short.trailer)
	assert.NotContains(t, short.body, "truncated")
}

func TestErrorInTheStreamIsALine(t *testing.T) {
	b := newBed(t)
	b.script(puna.Errorf(puna.Busy, "it broke"), puna.Event{Text: "a"})
	got := b.send("POST", "/api/generate", `{"model":"tiny","prompt":"x"}`)
	assert.Equal(t, 200, got.status)
	lines := strings.Split(strings.TrimSpace(got.body), "\n")
	require.Len(t, lines, 2)
	assert.Equal(t, `{"error":"it broke"}`, lines[1])
	_, err := b.chat(&api.ChatRequest{Model: "tiny", Messages: []api.Message{{Role: "user"}}})
	assert.EqualError(t, err, "it broke")

	b.script(puna.Errorf(puna.Busy, "it broke"))
	got = b.send("POST", "/api/generate", `{"model":"tiny","prompt":"x"}`)
	assert.Equal(t, 503, got.status, "before the first line")
	assert.Equal(t, "1", got.header.Get("Retry-After"))
	assert.Equal(t, `{"error":"it broke"}`, got.body)

	b.script(puna.Errorf(puna.NoMemory, "it broke"), puna.Event{Text: "a"})
	got = b.send("POST", "/api/generate", `{"model":"tiny","prompt":"x","stream":false}`)
	assert.Equal(t, 500, got.status, "nothing was sent yet")
	assert.Equal(t, "no memory", got.header.Get("X-Puna-Error"))
}

func TestAnswerWithoutEndIsAnError(t *testing.T) {
	b := newBed(t)
	b.script(nil, puna.Event{Text: "a"})
	got := b.send("POST", "/api/generate", `{"model":"tiny","prompt":"x"}`)
	assert.True(t, strings.HasSuffix(got.body, `{"error":"the answer broke off before its end"}`+"\n"), got.body)
	got = b.send("POST", "/api/generate", `{"model":"tiny","prompt":"x","stream":false}`)
	assert.Equal(t, 500, got.status)
}
