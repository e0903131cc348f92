package wire

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/puna-ai/puna"
)

// FuzzGenerateRequest: whatever a body holds is refused with an error for the
// caller or becomes a valid request, which survives the way back.
func FuzzGenerateRequest(f *testing.F) {
	for _, body := range []string{
		`{"model":"m","prompt":"p","options":{"num_ctx":2048.0,"stop":["a"],"top_p":0.5,"what":1},"keep_alive":"5m"}`,
		`{"model":"m","think":"high","format":{"type":"object"},"images":["aGk="],"context":[1,2],"keep_alive":-1}`,
		`{"model":"m","raw":true,"template":"x","top_logprobs":21,"format":"yaml","keep_alive":[]}`,
		`{"model":"m","options":{"logit_bias":{"x":1},"temperature":1e400}}`,
		`[]`, `null`, `{"model":1}`, `{"model":"m","model":"n","options":null}`,
	} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var in GenerateRequest
		if json.Unmarshal(body, &in) != nil {
			return
		}
		req, _, err := in.Request()
		if err != nil {
			requireForCaller(t, err)
			return
		}
		requireSound(t, req)
		again, err := NewGenerateRequest(req)
		require.NoError(t, err)
		back, unknown, err := again.Request()
		require.NoError(t, err)
		require.Empty(t, unknown)
		require.Equal(t, shape(t, req), shape(t, back))
	})
}

// FuzzChatRequest is FuzzGenerateRequest for chats.
func FuzzChatRequest(f *testing.F) {
	for _, body := range []string{
		`{"model":"m","messages":[{"role":"USER","content":"hi","images":["aGk="]}],"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object"}}}]}`,
		`{"model":"m","messages":[{"role":"assistant","tool_calls":[{"id":"c","function":{"index":1,"name":"f","arguments":{"b":1.0,"a":null}}}]},{"role":"tool","tool_name":"f","tool_call_id":"c"}],"tool_choice":"f"}`,
		`{"model":"m","messages":[{"tool_calls":[{"function":{"arguments":"x"}}]}],"tools":[{}]}`,
		`{"model":"m","messages":{"a":1}}`,
	} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var in ChatRequest
		if json.Unmarshal(body, &in) != nil {
			return
		}
		req, _, err := in.Request()
		if err != nil {
			requireForCaller(t, err)
			return
		}
		requireSound(t, req)
		again, err := NewChatRequest(req)
		require.NoError(t, err)
		back, unknown, err := again.Request()
		require.NoError(t, err)
		require.Empty(t, unknown)
		require.Equal(t, shape(t, req), shape(t, back))
	})
}

// FuzzEvent: a remote server's lines are as untrusted as a client's bodies.
func FuzzEvent(f *testing.F) {
	f.Add([]byte(`{"response":"a","thinking":"b","done":true,"logprobs":[{"token":"x","bytes":[120],"top_logprobs":[{}]}]}`))
	f.Add([]byte(`{"message":{"tool_calls":[{"function":{"arguments":3}}]},"error":"x","total_duration":-1}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, out := range []Answer{new(GenerateResponse), new(ChatResponse)} {
			if json.Unmarshal(body, out) != nil {
				continue
			}
			ev, err := out.Event()
			if err != nil {
				requireForCaller(t, err)
				continue
			}
			out.Set(&ev, now)
			_, err = json.Marshal(out)
			require.NoError(t, err)
		}
	})
}

func requireForCaller(t *testing.T, err error) {
	t.Helper()
	require.Contains(t, []puna.Kind{puna.Invalid, puna.NotFound, puna.Unsupported}, puna.KindOf(err), "%v", err)
}

func requireSound(t *testing.T, req *puna.Request) {
	t.Helper()
	require.NoError(t, req.Options.Validate())
	require.NotEmpty(t, req.Model)
	require.LessOrEqual(t, req.TopLogprobs, 20)
	require.NotNil(t, req.Truncate)
	if req.Format != nil {
		require.True(t, json.Valid(req.Format))
	}
	for _, m := range req.Messages {
		for _, c := range m.ToolCalls {
			require.Equal(t, byte('{'), c.Arguments[0])
			require.True(t, json.Valid(c.Arguments))
		}
	}
}

// shape is a request as JSON: empty and missing are the same on the wire.
func shape(t *testing.T, req *puna.Request) string {
	t.Helper()
	r := *req
	r.OnLoad = nil
	if len(r.Messages) == 0 {
		r.Messages = nil
	}
	if len(r.Context) == 0 {
		r.Context = nil
	}
	if len(r.Images) == 0 {
		r.Images = nil
	}
	type plain puna.Request
	p := struct {
		plain
		OnLoad any
	}{plain: plain(r)}
	data, err := json.Marshal(p)
	require.NoError(t, err)
	return string(data)
}
