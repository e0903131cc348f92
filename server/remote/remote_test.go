package remote_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/puna-ai/puna"
	"github.com/puna-ai/puna/server"
	"github.com/puna-ai/puna/server/conformance"
	"github.com/puna-ai/puna/server/remote"
	"github.com/puna-ai/puna/server/servertest"
)

// dial returns a client of h on a real socket.
func dial(t *testing.T, h http.Handler) *remote.Service {
	t.Helper()
	ts := httptest.NewServer(h)
	t.Cleanup(ts.Close)
	return dialURL(t, ts.URL)
}

func dialURL(t *testing.T, address string) *remote.Service {
	t.Helper()
	u, err := url.Parse(address)
	require.NoError(t, err)
	svc, err := remote.New(remote.Options{URL: u})
	require.NoError(t, err)
	return svc
}

func TestConformance(t *testing.T) {
	fake := servertest.New("tiny")
	t.Run("fake", func(t *testing.T) { conformance.Run(t, fake, "tiny") })
	t.Run("remote", func(t *testing.T) {
		conformance.Run(t, dial(t, &server.Server{Service: fake, Version: "0.24.0"}), "tiny")
	})
	thinker := servertest.New()
	thinker.Add(puna.ModelCard{Name: "thinker", Capabilities: []puna.Capability{puna.CanComplete, puna.CanThink}})
	t.Run("remote/thinking", func(t *testing.T) { conformance.Run(t, dial(t, &server.Server{Service: thinker}), "thinker") })
	// Two hops: what the second server gets is what the first got.
	t.Run("remote/remote", func(t *testing.T) {
		inner := dial(t, &server.Server{Service: fake})
		conformance.Run(t, dial(t, &server.Server{Service: inner}), "tiny")
	})
}

// TestRequestArrivesWhole sends every field that a server takes.
func TestRequestArrivesWhole(t *testing.T) {
	fake := servertest.New("tiny")
	fake.Add(puna.ModelCard{Name: "tiny", Capabilities: []puna.Capability{puna.CanComplete, puna.CanThink, puna.CanTools}})
	svc := dial(t, &server.Server{Service: fake})
	options := puna.Options{
		NumCtx: new(512), Seed: new(7), Temperature: new(0.25), Stop: []string{"a", "b"}, UseMmap: new(false),
		LogitBias: map[string]float64{"5": -2}, Grammar: "root ::= \"x\"", NumPredict: new(-1), DryBreakers: []string{"\n"},
	}
	chat := &puna.Request{
		Model: "tiny",
		Messages: []puna.Message{
			{Role: puna.System, Content: "Be brief."},
			{Role: puna.User, Content: "look <b>&</b> \u2028 é", Images: [][]byte{{0x89, 'P', 'N', 'G'}}},
			{Role: puna.Assistant, Thinking: "hm", ToolCalls: []puna.ToolCall{{ID: "c1", Index: 1, Name: "f", Arguments: json.RawMessage(`{"z":1.0,"a":{"y":12345678901234567890,"b":2}}`)}}},
			{Role: puna.ToolRole, Content: "42", ToolName: "f", ToolCallID: "c1"},
		},
		Tools:      []puna.Tool{{Name: "f", Description: "d", Parameters: json.RawMessage(`{"type":"object","properties":{"z":{"type":"number","minimum":1}},"additionalProperties":false}`)}},
		ToolChoice: "f",
		Think:      puna.ThinkHigh, Format: json.RawMessage(`"json"`), Options: options, KeepAlive: new(90 * time.Second),
		Truncate: new(true), Shift: new(false), Logprobs: true, TopLogprobs: 2,
	}
	complete := &puna.Request{
		Model: "tiny", Prompt: "p", Suffix: "s", System: "sys", Template: "{{ .Prompt }}", Context: []int{1, 2}, Images: [][]byte{{1}},
		Think: puna.ThinkOn, Format: json.RawMessage(`{"type":"object"}`), Options: options, KeepAlive: new(time.Duration(-1)),
		Truncate: new(false), Shift: new(true),
	}
	raw := &puna.Request{Model: "tiny", Prompt: "p", Raw: true, Truncate: new(false), Shift: new(true)}
	for _, want := range []*puna.Request{chat, complete, raw} {
		for _, err := range svc.Generate(t.Context(), want) {
			require.NoError(t, err)
		}
		assert.Equal(t, want, fake.Last())
	}
}

// TestEventArrivesWhole sends every field that an answer has.
func TestEventArrivesWhole(t *testing.T) {
	sent := []puna.Event{
		{Thinking: "hm", Logprobs: []puna.TokenLogprob{{Token: "\ufffd", Bytes: []byte{0xe2, 0x82}, Logprob: -1.5, Top: []puna.TokenLogprob{{Token: "x", Bytes: []byte("x"), Logprob: -0.5}}}}},
		{Text: "a <b> & \n"},
		{ToolCalls: []puna.ToolCall{{ID: "c", Index: 2, Name: "f", Arguments: json.RawMessage(`{"b":1.0,"a":12345678901234567890}`)}}},
		{Text: ".", Done: &puna.Done{
			Reason: puna.DoneLength, Truncated: 3, PromptTokens: 20, CachedTokens: 5, EvalTokens: 4,
			TotalDuration: 10, LoadDuration: 2, PromptEvalDuration: 3, EvalDuration: 4, RemoteModel: "m", RemoteHost: "h",
		}},
	}
	fake := servertest.New("tiny")
	fake.Answer = scripted(sent, nil)
	svc := dial(t, &server.Server{Service: fake})
	for name, req := range map[string]*puna.Request{
		"chat":     {Model: "tiny", Messages: []puna.Message{{Role: puna.User, Content: "x"}}},
		"complete": {Model: "tiny", Prompt: "x"},
	} {
		var got []puna.Event
		for ev, err := range svc.Generate(t.Context(), req) {
			require.NoError(t, err)
			got = append(got, ev)
		}
		assert.Equal(t, sent, got, name)
	}
}

func TestAnswerNamesTheRemote(t *testing.T) {
	svc := dial(t, &server.Server{Service: servertest.New("tiny")})
	var last puna.Event
	for ev, err := range svc.Generate(t.Context(), &puna.Request{Model: "tiny", Prompt: "x"}) {
		require.NoError(t, err)
		last = ev
	}
	assert.Equal(t, svc.Host(), last.Done.RemoteHost)
	assert.Equal(t, "tiny", last.Done.RemoteModel)
}

// TestNoSilentCut: Ollama would cut.
func TestNoSilentCut(t *testing.T) {
	fake := servertest.New("tiny")
	svc := dial(t, &server.Server{Service: fake})
	for _, err := range svc.Generate(t.Context(), &puna.Request{Model: "tiny", Prompt: "x"}) {
		require.NoError(t, err)
	}
	assert.Equal(t, new(false), fake.Last().Truncate)
}

func TestErrors(t *testing.T) {
	ask := &puna.Request{Model: "tiny", Prompt: "x"}
	for name, c := range map[string]struct {
		handler http.HandlerFunc
		kind    puna.Kind
		text    string
	}{
		"ollama's 404":   {fail(404, `{"error":"model 'tiny' not found"}`), puna.NotFound, "model 'tiny' not found"},
		"ollama's 503":   {fail(503, `{"error":"server busy"}`), puna.Busy, "server busy"},
		"no JSON":        {fail(502, `<html>bad gateway</html>`), puna.Unavailable, "502 Bad Gateway"},
		"unauthorized":   {fail(401, `{"error":"unauthorized"}`), puna.Forbidden, "unauthorized"},
		"in the stream":  {fail(200, `{"response":"a"}`+"\n"+`{"error":"it broke"}`+"\n"), puna.Internal, "it broke"},
		"broken off":     {fail(200, `{"response":"a"}`+"\n"), puna.Unavailable, "broke off"},
		"cut in a line":  {fail(200, `{"response":"a"}`+"\n"+`{"resp`), puna.Unavailable, "unexpected EOF"},
		"bad tool calls": {fail(200, `{"tool_calls":[{"function":{"name":"f","arguments":3}}]}`), puna.Invalid, "must be an object"},
	} {
		var got error
		for _, err := range dial(t, c.handler).Generate(t.Context(), ask) {
			got = err
		}
		assert.ErrorContains(t, got, c.text, name)
		assert.Equal(t, c.kind, puna.KindOf(got), name)
	}
}

func fail(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}
}

func TestKindsSurviveTheWire(t *testing.T) {
	fake := servertest.New("tiny")
	svc := dial(t, &server.Server{Service: fake})
	for kind := puna.Internal; kind <= puna.Forbidden; kind++ {
		fake.Answer = scripted(nil, puna.Errorf(kind, "it is %s", kind))
		for _, err := range svc.Generate(t.Context(), &puna.Request{Model: "tiny", Prompt: "x"}) {
			assert.EqualError(t, err, "it is "+kind.String())
			assert.Equal(t, kind, puna.KindOf(err))
		}
	}
}

func TestPing(t *testing.T) {
	svc := dial(t, &server.Server{Service: servertest.New(), Version: "0.24.0"})
	require.NoError(t, svc.Ping(t.Context()))
	version, err := svc.Version(t.Context())
	require.NoError(t, err)
	assert.Equal(t, "0.24.0", version)

	ts := httptest.NewServer(http.NotFoundHandler())
	gone := dialURL(t, ts.URL)
	assert.Equal(t, puna.NotFound, puna.KindOf(gone.Ping(t.Context())), "another kind of server")
	ts.Close()
	err = gone.Ping(t.Context())
	assert.Equal(t, puna.Unavailable, puna.KindOf(err))
	assert.ErrorContains(t, err, ts.URL)
	assert.ErrorContains(t, err, "is the server running?")

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	assert.Equal(t, puna.Canceled, puna.KindOf(svc.Ping(ctx)))
}

func TestNewRefusesWhatIsNoServer(t *testing.T) {
	for _, bad := range []*url.URL{nil, {}, {Scheme: "ftp", Host: "x"}, {Scheme: "http"}} {
		_, err := remote.New(remote.Options{URL: bad})
		assert.Equal(t, puna.Invalid, puna.KindOf(err))
	}
}

func TestPasswordsStayOutOfTexts(t *testing.T) {
	svc := dialURL(t, "http://user:secret@127.0.0.1:1/")
	assert.NotContains(t, svc.Host(), "secret")
	assert.NotContains(t, svc.Ping(t.Context()).Error(), "secret")
}

func TestHeadersAreSent(t *testing.T) {
	var got string
	ts := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = r.Header.Get("Authorization")
		_, _ = w.Write([]byte(`{"version":"1"}`))
	}))
	defer ts.Close()
	u, err := url.Parse(ts.URL)
	require.NoError(t, err)
	svc, err := remote.New(remote.Options{URL: u, Header: http.Header{"Authorization": {"Bearer k"}}})
	require.NoError(t, err)
	require.NoError(t, svc.Ping(t.Context()))
	assert.Equal(t, "Bearer k", got)
}
