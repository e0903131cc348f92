package engine_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/puna-ai/puna"
	"github.com/puna-ai/puna/engine"
)

// undrafted is req without speculation.
func undrafted(req *puna.Request) *puna.Request {
	other := *req
	other.Options.DraftNumPredict = new(0)
	return &other
}

// few makes an answer of three letters, so it repeats itself in part. The temperature
// makes chance decide, by the seed, and not the rounding of logits, which is another in
// batches of other sizes.
func few(seed int) puna.Options {
	return puna.Options{Seed: &seed, Temperature: new(100.0), TopK: new(3), TopP: new(1.0), NumPredict: new(100),
		LogitBias: map[string]float64{"120": 10150, "121": 10000, "122": 10000}}
}

// A draft changes how fast an answer comes, and nothing of it: not what is sampled,
// nor where it ends.
func TestDraftsChangeNoAnswer(t *testing.T) {
	m := load(t, engine.LoadOptions{Options: puna.Options{NumCtx: new(512)}})
	prompt := strings.Repeat("xyzzyxxyz ", 10)
	cases := map[string]func(o *puna.Options, req *puna.Request){
		"seed":      func(*puna.Options, *puna.Request) {},
		"penalties": func(o *puna.Options, _ *puna.Request) { o.RepeatPenalty = new(1.1) },
		"mirostat":  func(o *puna.Options, _ *puna.Request) { o.Mirostat = new(2) },
		"stop":      func(o *puna.Options, _ *puna.Request) { o.Stop = []string{"xxxxxxxxxx", "zxxyx"} },
		"limit":     func(o *puna.Options, _ *puna.Request) { o.NumPredict = new(37) },
		"context":   func(o *puna.Options, _ *puna.Request) { o.NumCtx, o.NumPredict = new(150), nil },
		"shift": func(o *puna.Options, req *puna.Request) {
			o.NumCtx, req.Shift = new(150), new(true)
		},
		"logprobs": func(_ *puna.Options, req *puna.Request) { req.Logprobs, req.TopLogprobs = true, 2 },
		"grammar":  func(o *puna.Options, _ *puna.Request) { o.Grammar = `root ::= ("xyz" | "zyx" | "yyyy")*` },
		"schema": func(o *puna.Options, req *puna.Request) {
			o.LogitBias, o.TopK = nil, new(0)
			req.Format = json.RawMessage(`{"type":"array","items":{"enum":["first","second"]},"minItems":4,"maxItems":20}`)
		},
	}
	for name, set := range cases {
		t.Run(name, func(t *testing.T) {
			req := &puna.Request{Prompt: prompt, Template: "{{ .Prompt }}", Options: few(len(name))}
			set(&req.Options, req)
			want, got := listen(t, m, undrafted(req)), listen(t, m, req)
			assert.Equal(t, want, got)
			t.Logf("%d tokens: %.40q", got.tokens, got.text)
		})
	}
	s := m.Stats()
	t.Logf("%d of %d drafted tokens were right", s.AcceptedTokens, s.DraftedTokens)
	assert.Greater(t, s.AcceptedTokens, int64(100))
	assert.Greater(t, s.DraftedTokens, s.AcceptedTokens)
}

// heard is what a caller gets of an answer.
type heard struct {
	text     string
	reason   puna.DoneReason
	tokens   int
	context  []int
	logprobs []string // their tokens
}

func listen(t *testing.T, m *engine.Model, req *puna.Request) (h heard) {
	for ev, err := range m.Generate(t.Context(), req) {
		require.NoError(t, err)
		h.text += ev.Text
		for _, lp := range ev.Logprobs {
			h.logprobs = append(h.logprobs, lp.Token)
		}
		if d := ev.Done; d != nil {
			h.reason, h.tokens, h.context = d.Reason, d.EvalTokens, d.Context
		}
	}
	return h
}

func TestDraftsAreRightWhereTheAnswerRepeats(t *testing.T) {
	m := load(t, engine.LoadOptions{})
	req := raw("some text", 200)
	req.Options.LogitBias = map[string]float64{"120": 1000} // x, always
	before := m.Stats().Steps
	text, done, err := collect(t, m, req)
	require.NoError(t, err)
	assert.Equal(t, strings.Repeat("x", 200), text)
	assert.Less(t, m.Stats().Steps-before, int64(60))
	assert.Greater(t, done.AcceptedTokens, 140)

	req.Options.DraftNumPredict = new(1)
	before = m.Stats().Steps
	_, done, err = collect(t, m, req)
	require.NoError(t, err)
	assert.GreaterOrEqual(t, m.Stats().Steps-before, int64(100))
	assert.LessOrEqual(t, done.AcceptedTokens, 100)

	_, done, err = collect(t, m, undrafted(req))
	require.NoError(t, err)
	assert.Zero(t, done.DraftTokens)
}

// Greedy answers with drafts are those of llama.cpp's own loop.
func TestGreedyDraftsAreLlamasOwnLoop(t *testing.T) {
	m := load(t, engine.LoadOptions{})
	prompt := tokens(1, 100)
	want := reference(t, prompt, 200)
	got, done := complete(t, m, prompt, 200)
	assert.Equal(t, want, got)
	assert.Greater(t, done.AcceptedTokens, 50)
	t.Logf("%d of %d drafted tokens were right", done.AcceptedTokens, done.DraftTokens)
}
