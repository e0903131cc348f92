package conformance

import (
	"cmp"
	"context"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/puna-ai/puna"
)

// patience bounds every wait of the suite; nothing is asserted about speed.
const patience = 5 * time.Minute

// missing is a name that no store has.
const missing = "conformance-missing"

// suite tests svc with a model of its store that chats and completes.
type suite struct {
	svc   puna.Service
	model string
}

// Run runs the suite. The model must chat and complete; its context must hold 256
// tokens.
func Run(t *testing.T, svc puna.Service, model string) {
	s := suite{svc, model}
	for _, part := range []struct {
		name string
		test func(*testing.T)
	}{
		{"ListAndShow", s.listAndShow},
		{"MissingModel", s.missingModel},
		{"LoadAndUnload", s.loadAndUnload},
		{"KeepAlive", s.keepAlive},
		{"Chat", s.chat},
		{"Complete", s.complete},
		{"Context", s.context},
		{"Deterministic", s.deterministic},
		{"NumPredict", s.numPredict},
		{"Stop", s.stop},
		{"Options", s.options},
		{"Logprobs", s.logprobs},
		{"Schema", s.schema},
		{"Think", s.think},
		{"TooLong", s.tooLong},
		{"Cancel", s.cancel},
		{"LeaveEarly", s.leaveEarly},
		{"Together", s.together},
		{"Embed", s.embed},
		{"EmbedTooLong", s.embedTooLong},
		{"EmbedErrors", s.embedErrors},
		{"EmbedTogether", s.embedTogether},
		{"Rerank", s.rerank},
		{"Copy", s.copy},
		{"Create", s.create},
		{"CreateErrors", s.createErrors},
		{"Blobs", s.blobs},
	} {
		t.Run(part.name, part.test)
	}
}

func bounded(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

// ask is a chat of one short question whose answer can be repeated.
func (s suite) ask() *puna.Request {
	return &puna.Request{
		Model:    s.model,
		Messages: []puna.Message{{Role: puna.User, Content: "What is Puna?"}},
		Think:    puna.ThinkOff,
		Options:  puna.Options{Temperature: new(0.0), NumPredict: new(24)},
	}
}

// answer is what came of a request.
type answer struct {
	text, thinking string
	events         []puna.Event
	logprobs       []puna.TokenLogprob
	done           *puna.Done
}

// generate expects an answer that ends well, and checks what holds for each.
func (s suite) generate(t *testing.T, req *puna.Request) answer {
	t.Helper()
	a, err := collect(s.svc.Generate(bounded(t), req))
	require.NoError(t, err)
	require.NotNil(t, a.done, "an answer ends with Done")
	assert.NotNil(t, a.events[len(a.events)-1].Done, "Done is in the last event")
	assert.Contains(t, []puna.DoneReason{puna.DoneStop, puna.DoneLength}, a.done.Reason)
	assert.Positive(t, a.done.PromptTokens)
	assert.LessOrEqual(t, a.done.CachedTokens, a.done.PromptTokens)
	assert.Positive(t, a.done.TotalDuration)
	for _, ev := range a.events {
		assert.True(t, strings.ToValidUTF8(ev.Text+ev.Thinking, "\x00") == ev.Text+ev.Thinking, "%q is valid UTF-8", ev.Text)
	}
	return a
}

func collect(events iter.Seq2[puna.Event, error]) (answer, error) {
	var a answer
	for ev, err := range events {
		if err != nil {
			return a, err
		}
		a.text += ev.Text
		a.thinking += ev.Thinking
		a.logprobs = append(a.logprobs, ev.Logprobs...)
		a.events = append(a.events, ev)
		a.done = cmp.Or(a.done, ev.Done)
	}
	return a, nil
}

// refused expects an error of a kind before any event.
func (s suite) refused(t *testing.T, req *puna.Request, kind puna.Kind) error {
	t.Helper()
	a, err := collect(s.svc.Generate(bounded(t), req))
	require.Error(t, err)
	assert.Equal(t, kind, puna.KindOf(err), "%v", err)
	assert.Empty(t, a.events)
	return err
}

func (s suite) chat(t *testing.T) {
	a := s.generate(t, s.ask())
	assert.NotEmpty(t, a.text+a.thinking)
	assert.Positive(t, a.done.EvalTokens)
	assert.Zero(t, a.done.Truncated)
}

func (s suite) complete(t *testing.T) {
	req := &puna.Request{Model: s.model, Prompt: "Once upon a time", Options: s.ask().Options}
	assert.NotEmpty(t, s.generate(t, req).done.Context, "tokens for the next request")
	req.Raw = true
	s.generate(t, req)
}

func (s suite) context(t *testing.T) {
	req := &puna.Request{Model: s.model, Prompt: "Once upon a time", Options: s.ask().Options}
	first := s.generate(t, req)
	req.Prompt, req.Context = "And then?", first.done.Context
	second := s.generate(t, req)
	assert.Greater(t, second.done.PromptTokens, first.done.PromptTokens, "the first exchange is in the second's prompt")
}

func (s suite) deterministic(t *testing.T) {
	assert.Equal(t, s.generate(t, s.ask()).text, s.generate(t, s.ask()).text, "greedy")
	req := s.ask()
	req.Options.Temperature, req.Options.Seed = new(1.0), new(7)
	assert.Equal(t, s.generate(t, req).text, s.generate(t, req).text, "with a seed")
}

func (s suite) numPredict(t *testing.T) {
	req := s.ask()
	req.Options.NumPredict = new(2)
	a := s.generate(t, req)
	assert.LessOrEqual(t, a.done.EvalTokens, 2)
	if a.done.EvalTokens == 2 {
		assert.Equal(t, puna.DoneLength, a.done.Reason)
	}
}

func (s suite) stop(t *testing.T) {
	whole := s.generate(t, s.ask()).text
	require.Greater(t, len(whole), 8, "the model's answer is too short to stop in")
	from := len(whole) / 2
	for from > 0 && whole[from]&0xC0 == 0x80 { // the start of a rune
		from--
	}
	stop := strings.ToValidUTF8(whole[from:min(from+4, len(whole))], "")
	req := s.ask()
	req.Options.Stop = []string{stop}
	a := s.generate(t, req)
	before, _, _ := strings.Cut(whole, stop)
	assert.Equal(t, before, a.text, "the answer ends before %q", stop)
	assert.Equal(t, puna.DoneStop, a.done.Reason)
}

func (s suite) options(t *testing.T) {
	for name, set := range map[string]func(*puna.Options){
		"top_p":       func(o *puna.Options) { o.TopP = new(1.5) },
		"temperature": func(o *puna.Options) { o.Temperature = new(-1.0) },
		"num_ctx":     func(o *puna.Options) { o.NumCtx = new(0) },
		"logit_bias":  func(o *puna.Options) { o.LogitBias = map[string]float64{"x": 1} },
	} {
		req := s.ask()
		set(&req.Options)
		assert.ErrorContains(t, s.refused(t, req, puna.Invalid), name)
	}
}

func (s suite) logprobs(t *testing.T) {
	req := s.ask()
	req.Logprobs, req.TopLogprobs = true, 3
	a := s.generate(t, req)
	require.NotEmpty(t, a.logprobs)
	for _, p := range a.logprobs {
		assert.LessOrEqual(t, p.Logprob, 1e-6)
		assert.Len(t, p.Top, 3)
		assert.True(t, slices.IsSortedFunc(p.Top, func(a, b puna.TokenLogprob) int { return cmp.Compare(b.Logprob, a.Logprob) }), "likeliest first")
		assert.LessOrEqual(t, p.Logprob, p.Top[0].Logprob+1e-6, "no token is likelier than the likeliest")
	}
}
