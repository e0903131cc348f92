package wire

import (
	"encoding/json"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/ollama/ollama/api"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/puna-ai/puna"
)

// keys lists the JSON names of a struct, embedded ones included.
func keys(t reflect.Type) map[string]bool {
	out := map[string]bool{}
	for _, f := range reflect.VisibleFields(t) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name != "" && name != "-" {
			out[name] = true
		}
	}
	return out
}

func TestNoFieldOfOllamasIsMissing(t *testing.T) {
	image := []string{"width", "height", "steps", "image", "completed", "total"} // of image generation
	for _, c := range []struct {
		theirs, ours any
		without      []string
	}{
		{api.GenerateRequest{}, GenerateRequest{}, image},
		{api.ChatRequest{}, ChatRequest{}, nil},
		{api.GenerateResponse{}, GenerateResponse{}, append(image, "_debug_info")},
		{api.ChatResponse{}, ChatResponse{}, []string{"_debug_info"}},
		{api.Message{}, Message{}, nil},
		{api.ToolCall{}, ToolCall{}, nil},
		{api.ToolCallFunction{}, ToolCallFunction{}, nil},
		{api.Tool{}, Tool{}, []string{"items"}},
		{api.ToolFunction{}, ToolFunction{}, nil},
		{api.Logprob{}, Logprob{}, nil},
		{api.CreateRequest{}, CreateRequest{}, nil},
		{api.ListModelResponse{}, ListModel{}, nil},
		{api.ProcessModelResponse{}, ProcessModel{}, nil},
		{api.ShowResponse{}, ShowResponse{}, nil},
		{api.ModelDetails{}, Details{}, nil},
		{api.EmbedRequest{}, EmbedRequest{}, nil},
		{api.EmbedResponse{}, EmbedResponse{}, nil},
		{api.EmbeddingRequest{}, EmbeddingRequest{}, nil},
		{api.EmbeddingResponse{}, EmbeddingResponse{}, nil},
	} {
		ours := keys(reflect.TypeOf(c.ours))
		for _, name := range c.without {
			ours[name] = true
		}
		for name := range keys(reflect.TypeOf(c.theirs)) {
			assert.True(t, ours[name], "%T lacks %q of %T", c.ours, name, c.theirs)
		}
	}
}

var (
	now   = time.Date(2026, 11, 21, 5, 4, 3, 20, time.FixedZone("", 3600))
	event = puna.Event{
		Text: "a <b>", Thinking: "hm",
		Logprobs: []puna.TokenLogprob{{Token: "a", Bytes: []byte("a"), Logprob: -1, Top: []puna.TokenLogprob{{Token: "b", Bytes: []byte("b"), Logprob: -0.5}}}},
	}
	done = puna.Event{Done: &puna.Done{
		Reason: puna.DoneStop, Context: []int{1, 2}, EvalTokens: 4,
		TotalDuration: 10, LoadDuration: 2, PromptEvalDuration: 3, EvalDuration: 4, RemoteModel: "r", RemoteHost: "h",
	}}
)

func marshal(t *testing.T, v any) string {
	t.Helper()
	data, err := json.Marshal(v)
	require.NoError(t, err)
	return string(data)
}

// TestAnswersAreOllamasBytes compares with what Ollama's own types give.
func TestAnswersAreOllamasBytes(t *testing.T) {
	logprobs := []api.Logprob{{
		TokenLogprob: api.TokenLogprob{Token: "a", Bytes: []int{'a'}, Logprob: -1},
		TopLogprobs:  []api.TokenLogprob{{Token: "b", Bytes: []int{'b'}, Logprob: -0.5}},
	}}
	metrics := api.Metrics{TotalDuration: 10, LoadDuration: 2, PromptEvalDuration: 3, EvalCount: 4, EvalDuration: 4}
	generate := &GenerateResponse{Head: Head{Model: "m"}}
	generate.Set(&event, now)
	assert.Equal(t, marshal(t, api.GenerateResponse{Model: "m", CreatedAt: now.UTC(), Response: "a <b>", Thinking: "hm", Logprobs: logprobs}), marshal(t, generate))
	generate.Set(&done, now)
	assert.Equal(t, marshal(t, api.GenerateResponse{
		Model: "m", RemoteModel: "r", RemoteHost: "h", CreatedAt: now.UTC(), Done: true, DoneReason: "stop", Context: []int{1, 2}, Metrics: metrics,
	}), marshal(t, generate), "nothing is left of the last event")

	chat := &ChatResponse{Head: Head{Model: "m"}}
	chat.Set(&event, now)
	assert.Equal(t, marshal(t, api.ChatResponse{
		Model: "m", CreatedAt: now.UTC(), Message: api.Message{Role: "assistant", Content: "a <b>", Thinking: "hm"}, Logprobs: logprobs,
	}), marshal(t, chat))
	args := api.NewToolCallFunctionArguments()
	args.Set("z", "1")
	args.Set("a", true)
	chat.Set(&puna.Event{ToolCalls: []puna.ToolCall{{ID: "c", Index: 1, Name: "f", Arguments: json.RawMessage(`{"z": "1", "a": true}`)}, {Name: "g"}}}, now)
	assert.Equal(t, marshal(t, api.ChatResponse{Model: "m", CreatedAt: now.UTC(), Message: api.Message{Role: "assistant", ToolCalls: []api.ToolCall{
		{ID: "c", Function: api.ToolCallFunction{Index: 1, Name: "f", Arguments: args}}, {Function: api.ToolCallFunction{Name: "g"}},
	}}}), marshal(t, chat))
	chat.Set(&done, now)
	assert.Equal(t, marshal(t, api.ChatResponse{
		Model: "m", RemoteModel: "r", RemoteHost: "h", CreatedAt: now.UTC(), Message: api.Message{Role: "assistant"}, Done: true, DoneReason: "stop", Metrics: metrics,
	}), marshal(t, chat))
}

func TestCachedTokensAreTold(t *testing.T) {
	var r GenerateResponse
	r.Set(&puna.Event{Done: &puna.Done{PromptTokens: 9}}, now)
	assert.Contains(t, marshal(t, r), `"prompt_eval_count":9,"prompt_eval_cached_count":0`)
	r.Set(&puna.Event{Done: &puna.Done{PromptTokens: 9, CachedTokens: 5, Truncated: 2}}, now)
	assert.Contains(t, marshal(t, r), `"prompt_eval_count":9,"prompt_eval_cached_count":5,"prompt_truncated_count":2`)
	r.Set(&puna.Event{Done: &puna.Done{Reason: puna.DoneLoad}}, now)
	assert.NotContains(t, marshal(t, r), "cached")
}

func TestImpossibleTokensHaveALogprob(t *testing.T) {
	var r GenerateResponse
	r.Set(&puna.Event{Logprobs: []puna.TokenLogprob{{Logprob: math.Inf(-1)}, {Logprob: math.NaN()}}}, now)
	assert.Contains(t, marshal(t, r), `"logprobs":[{"token":"","logprob":-9999},{"token":"","logprob":-9999}]`)
}

func TestKeepAlive(t *testing.T) {
	for text, want := range map[string]time.Duration{
		`0`: 0, `0.5`: time.Second / 2, `300`: 5 * time.Minute, `-1`: -1, `-0.5`: -1, `1e300`: -1, `-1e300`: -1,
		`"5m"`: 5 * time.Minute, `"-1m"`: -1, `"0"`: 0, `"1h30m"`: 90 * time.Minute,
	} {
		var k KeepAlive
		require.NoError(t, json.Unmarshal([]byte(text), &k), text)
		assert.Equal(t, want, time.Duration(k), text)
		var again KeepAlive
		require.NoError(t, json.Unmarshal([]byte(marshal(t, k)), &again))
		assert.Equal(t, k, again, text)
	}
	for _, text := range []string{`"x"`, `""`, `"5"`, `true`, `[]`, `{}`} {
		var k KeepAlive
		assert.ErrorContains(t, json.Unmarshal([]byte(text), &k), text+" is neither a number of seconds nor a duration")
	}
}

func TestNeverExpires(t *testing.T) {
	models := NewProcessResponse([]puna.RunningModel{{Name: "m"}, {Name: "n", Expires: now.Add(time.Hour)}}, now)
	assert.Greater(t, models.Models[0].ExpiresAt.Year(), 2200)
	assert.True(t, models.Models[0].Model(now).Expires.IsZero())
	assert.Equal(t, now.Add(time.Hour), models.Models[1].Model(now).Expires)
}

func TestDigest(t *testing.T) {
	hex := strings.Repeat("0aB", 22)[:64]
	for _, text := range []string{"sha256:" + hex, "sha256-" + hex} {
		got, err := Digest(text)
		require.NoError(t, err)
		assert.Equal(t, "sha256:"+strings.ToLower(hex), got)
	}
	for _, text := range []string{"", "sha256:", hex, "sha256:" + hex[1:], "sha256:" + hex + "0", "sha256:../" + hex[3:], "sha512:" + hex} {
		_, err := Digest(text)
		assert.Equal(t, puna.Invalid, puna.KindOf(err), text)
	}
}

func TestCreateRequest(t *testing.T) {
	digest := "sha256-" + strings.Repeat("A", 64)
	for body, text := range map[string]string{
		`{}`:                                 `model is required`,
		`{"model":"../x","from":"y"}`:        `invalid model name "../x"`,
		`{"model":"x","from":"/etc/passwd"}`: `invalid model name "/etc/passwd"`,
		`{"model":"x","files":{"../m.gguf":"` + digest + `"}}`:        `files: "../m.gguf" must be a relative path`,
		`{"model":"x","files":{"m.gguf":"z"}}`:                        `files: "m.gguf": invalid digest "z"`,
		`{"model":"x","adapters":{"/m.gguf":"` + digest + `"}}`:       `adapters: "/m.gguf" must be`,
		`{"model":"x","from":"y","draft":"./small.gguf"}`:             `draft: invalid model name "./small.gguf"; a file is sent to /api/blobs`,
		`{"model":"x","from":"y","license":3}`:                        `license must be a string or a list of strings, not 3`,
		`{"model":"x","from":"y","license":["a",3]}`:                  `license[1] must be a string, not 3`,
		`{"model":"x","from":"y","remote_host":"https://ollama.com"}`: `"remote_host" is not supported`,
		`{"model":"x","from":"y","info":{"a":1}}`:                     `"info" is not supported`,
	} {
		var in CreateRequest
		require.NoError(t, json.Unmarshal([]byte(body), &in))
		_, err := in.Request()
		assert.ErrorContains(t, err, text, body)
		assert.Contains(t, []puna.Kind{puna.Invalid, puna.Unsupported}, puna.KindOf(err))
	}
	var in CreateRequest
	require.NoError(t, json.Unmarshal([]byte(`{"name":"x","files":{"a/m.gguf":"`+digest+`"},"license":"MIT","quantization":"Q4_K_M","requires":"0.1","renderer":"r","parser":"p","draft":"`+digest+`"}`), &in))
	req, err := in.Request()
	require.NoError(t, err)
	assert.Equal(t, &puna.CreateRequest{
		Model: "x", Files: map[string]string{"a/m.gguf": "sha256:" + strings.Repeat("a", 64)}, License: []string{"MIT"}, Quantize: "Q4_K_M",
		Requires: "0.1", Renderer: "r", Parser: "p", Draft: "sha256:" + strings.Repeat("a", 64),
	}, req)
	assert.Equal(t, req.Draft, NewCreateRequest(req).Draft)
}

func TestModelNames(t *testing.T) {
	for _, good := range []string{"x", "x:latest", "library/x:7b-q4_K_M", "host.example:5000/ns/x:t", "registry.ollama.ai/library/x"} {
		assert.NoError(t, CheckModel(good), good)
	}
	for _, bad := range []string{"/etc/passwd", "./x.gguf", "../x", "~/x", `c:\x`, "a//b", "x:", "x y", "-x", strings.Repeat("x", 100)} {
		err := CheckModel(bad)
		assert.EqualError(t, err, "model '"+bad+"' not found")
		assert.Equal(t, puna.NotFound, puna.KindOf(err))
	}
	assert.EqualError(t, CheckModel(""), "model is required")
}
