package engine_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/puna-ai/puna"
	"github.com/puna-ai/puna/cgo/ggml"
	"github.com/puna-ai/puna/cgo/llama"
	"github.com/puna-ai/puna/engine"
	"github.com/puna-ai/puna/internal/testmodel"
)

// raw is a request without a template, greedy.
func raw(prompt string, n int) *puna.Request {
	return &puna.Request{Raw: true, Prompt: prompt, Options: greedy(n)}
}

func TestStopStringsEndTheAnswer(t *testing.T) {
	m := load(t, engine.LoadOptions{})
	req := raw("some text", 40)
	req.Options.LogitBias = map[string]float64{"120": 1000} // x, always
	text, done, err := collect(t, m, req)
	require.NoError(t, err)
	assert.Equal(t, strings.Repeat("x", 40), text)
	assert.Equal(t, puna.DoneLength, done.Reason)

	req.Options.Stop = []string{"xxxxx"}
	text, done, err = collect(t, m, req)
	require.NoError(t, err)
	assert.Empty(t, text)
	assert.Equal(t, puna.DoneStop, done.Reason)
	assert.Equal(t, 5, done.EvalTokens)

	req.Options.NumPredict = new(4)
	text, done, err = collect(t, m, req)
	require.NoError(t, err)
	assert.Equal(t, "xxxx", text, "what was held back comes at the end")
	assert.Equal(t, puna.DoneLength, done.Reason)
}

func TestTheEndTokenEndsTheAnswer(t *testing.T) {
	m := load(t, engine.LoadOptions{})
	eot, err := m.Tokenize("<|eot_id|>", true)
	require.NoError(t, err)
	id := eot[len(eot)-1]
	bias, err := json.Marshal(id)
	require.NoError(t, err)
	req := raw("some text", 40)
	req.Options.LogitBias = map[string]float64{string(bias): 1000}
	text, done, err := collect(t, m, req)
	require.NoError(t, err)
	assert.Empty(t, text)
	assert.Equal(t, puna.DoneStop, done.Reason)
	req.Options.IgnoreEOS = new(true)
	_, done, err = collect(t, m, req)
	require.NoError(t, err)
	assert.Equal(t, puna.DoneLength, done.Reason)
}

func TestTextIsWholeCharacters(t *testing.T) {
	m := load(t, engine.LoadOptions{})
	for seed := range 5 {
		req := raw("x", 60)
		req.Options.Temperature, req.Options.TopK, req.Options.Seed = new(2.0), new(0), &seed
		req.Options.TopP = new(1.0)
		for ev, err := range m.Generate(t.Context(), req) {
			require.NoError(t, err)
			assert.True(t, utf8.ValidString(ev.Text), "%q", ev.Text)
		}
	}
}

func TestSeedsRepeatAnswers(t *testing.T) {
	m := load(t, engine.LoadOptions{})
	answer := func(seed int) string {
		req := raw("x", 30)
		req.Options = puna.Options{Seed: &seed, NumPredict: new(30), Temperature: new(1.5)}
		text, _, err := collect(t, m, req)
		require.NoError(t, err)
		return text
	}
	assert.Equal(t, answer(7), answer(7))
	assert.NotEqual(t, answer(7), answer(8))
}

func TestAPromptThatIsTooLong(t *testing.T) {
	m := load(t, engine.LoadOptions{Options: puna.Options{NumCtx: new(64)}})
	req := &puna.Request{Prompt: strings.Repeat("x", 100), Options: greedy(2), Template: "{{ .Prompt }}"}
	_, _, err := collect(t, m, req)
	assert.Equal(t, puna.TooLong, puna.KindOf(err))
	assert.EqualError(t, err, "the prompt has 101 tokens, and the context takes 63 with room for an answer: shorten it, or raise num_ctx")

	req.Truncate = new(true)
	_, done, err := collect(t, m, req)
	require.NoError(t, err)
	assert.Positive(t, done.Truncated)
	assert.Equal(t, 101, done.Truncated+done.PromptTokens)

	req.Truncate = nil
	req.Options.NumCtx = new(256)
	_, done, err = collect(t, m, req)
	require.NoError(t, err)
	assert.Equal(t, []int{0, 101}, []int{done.Truncated, done.PromptTokens})
}

func TestALongChatLosesItsOldestMessages(t *testing.T) {
	m := load(t, engine.LoadOptions{Options: puna.Options{NumCtx: new(160)}, System: "SYS",
		Template: `{{ range .Messages }}[{{ .Role }}]{{ .Content }}{{ end }}[answer]`})
	req := &puna.Request{Options: greedy(2), Truncate: new(true), Messages: []puna.Message{
		{Role: puna.User, Content: strings.Repeat("a", 90)}, {Role: puna.Assistant, Content: strings.Repeat("b", 90)},
		{Role: puna.User, Content: "last"},
	}}
	_, done, err := collect(t, m, req)
	require.NoError(t, err)
	want, err := m.Tokenize("[system]SYS[assistant]"+strings.Repeat("b", 90)+"[user]last[answer]", true)
	require.NoError(t, err)
	assert.Equal(t, len(want), done.PromptTokens)
	full, err := m.Tokenize("[system]SYS[user]"+strings.Repeat("a", 90)+"[assistant]"+strings.Repeat("b", 90)+"[user]last[answer]", true)
	require.NoError(t, err)
	assert.Equal(t, len(full)-len(want), done.Truncated)
}

func TestALargerContextDoesNotLoadAgain(t *testing.T) {
	m := load(t, engine.LoadOptions{PoolTokens: 512, Options: puna.Options{NumCtx: new(512)}})
	assert.Equal(t, 512, m.Info().ContextLength)
	prompt := tokens(3, 900)
	want := reference(t, prompt, 10)
	_, _, err := collect(t, m, &puna.Request{Context: prompt, Prompt: "x", Options: greedy(1)})
	assert.Equal(t, puna.TooLong, puna.KindOf(err))
	req := &puna.Request{Context: prompt[:899], Prompt: "x", Template: "{{ .Prompt }}", Options: greedy(10)}
	req.Options.NumCtx = new(1500)
	_, done, err := collect(t, m, req)
	require.NoError(t, err)
	assert.Equal(t, want, done.Context[900:])
	assert.Equal(t, 1536, m.Info().ContextLength)
	req.Options.NumCtx = new(1 << 20)
	_, _, err = collect(t, m, req)
	require.NoError(t, err)
	assert.Equal(t, testmodel.Tiny.Ctx, m.Info().ContextLength, "no more than the model was trained for")
}

func TestContextsGrowOnlyAsAllowed(t *testing.T) {
	var asked []int64
	refusal := puna.Errorf(puna.NoMemory, "no more")
	m := load(t, engine.LoadOptions{PoolTokens: 512, Options: puna.Options{NumCtx: new(512)}, Grow: func(size int64) error {
		asked = append(asked, size)
		return refusal
	}})
	before := m.Info().Size
	req := &puna.Request{Raw: true, Prompt: "the llama", Options: puna.Options{NumPredict: new(4)}}
	_, _, err := collect(t, m, req)
	require.NoError(t, err)
	assert.Empty(t, asked, "the context of the load does")

	req.Options.NumCtx = new(1500)
	_, _, err = collect(t, m, req)
	assert.ErrorIs(t, err, refusal)
	require.NotEmpty(t, asked)
	assert.Greater(t, asked[0], before)

	refusal, asked = nil, nil
	_, _, err = collect(t, m, req)
	require.NoError(t, err)
	require.Len(t, asked, 1)
	assert.GreaterOrEqual(t, asked[0], m.Info().Size, "one that is leaving counts as well")
}

func TestAContextThatDoesNotFitIsRefused(t *testing.T) {
	m := load(t, engine.LoadOptions{})
	_, err := shared.Load(t.Context(), engine.LoadOptions{Path: m.Info().Path, PoolTokens: 1 << 29})
	assert.Equal(t, puna.NoMemory, puna.KindOf(err))
	assert.ErrorContains(t, err, "lower num_ctx")
}

func TestAFullContextEndsOrShifts(t *testing.T) {
	m := load(t, engine.LoadOptions{Options: puna.Options{NumCtx: new(64)}})
	req := raw(strings.Repeat("x", 30), -1)
	req.Options.IgnoreEOS = new(true)
	_, done, err := collect(t, m, req)
	require.NoError(t, err)
	assert.Equal(t, puna.DoneLength, done.Reason)
	assert.Equal(t, 64, done.PromptTokens+done.EvalTokens)
	req.Shift = new(true)
	req.Options.NumPredict = new(100)
	_, done, err = collect(t, m, req)
	require.NoError(t, err)
	assert.Equal(t, 100, done.EvalTokens)
}

func TestJSONAnswersAreJSON(t *testing.T) {
	m := load(t, engine.LoadOptions{})
	schema := `{"type":"object","properties":{"a":{"type":"integer"},"b":{"enum":["x","y"]}},"required":["a","b"]}`
	for seed := range 3 {
		req := raw("give me JSON", 400)
		req.Options.Seed, req.Options.Temperature = &seed, new(1.0)
		req.Format = json.RawMessage(schema)
		text, done, err := collect(t, m, req)
		require.NoError(t, err)
		if done.Reason == puna.DoneStop {
			var v struct {
				A *int64
				B string
			}
			require.NoError(t, json.Unmarshal([]byte(text), &v), text)
			assert.Contains(t, []string{"x", "y"}, v.B)
		}
		assert.True(t, strings.HasPrefix(text, "{"), text)
	}
}

// callTemplate shows how tools are called, by a tag that is a token.
const callTemplate = `{{ range .Tools }}{{ json . }}
{{ end }}{{ range .Messages }}{{ .Role }}: {{ .Content }}{{ range .ToolCalls }}<tool_call>
{"name": "{{ .Function.Name }}", "arguments": {{ .Function.Arguments }}}
</tool_call>{{ end }}
{{ end }}`

// A model of random weights never calls a tool by itself.
func TestRequiredCallsAreCalls(t *testing.T) {
	m := load(t, engine.LoadOptions{Template: callTemplate})
	unit := json.RawMessage(`{"type":"object","properties":{"unit":{"enum":["celsius","kelvin"]}},"required":["unit"]}`)
	req := &puna.Request{
		Messages: []puna.Message{{Role: puna.User, Content: "how warm is it"}}, Options: greedy(200), ToolChoice: "required",
		Tools: []puna.Tool{{Name: "temperature", Parameters: unit}, {Name: "heat", Parameters: unit}},
	}
	for _, choice := range []puna.ToolChoice{"required", "heat"} {
		req.ToolChoice = choice
		var calls []puna.ToolCall
		for ev, err := range m.Generate(t.Context(), req) {
			require.NoError(t, err)
			calls = append(calls, ev.ToolCalls...)
		}
		require.NotEmpty(t, calls)
		if choice == "heat" {
			assert.Equal(t, "heat", calls[0].Name)
		}
		assert.Regexp(t, `^\{\s*"unit":\s*"(celsius|kelvin)"\s*\}$`, string(calls[0].Arguments))
	}
}

// A grammar can't hold every name. Only a request that needs the grammar is refused.
func TestToolsWhoseNamesNoGrammarHolds(t *testing.T) {
	m := load(t, engine.LoadOptions{Template: callTemplate})
	for _, name := range []string{`say "hi"`, `C:\dir`} {
		req := &puna.Request{
			Messages: []puna.Message{{Role: puna.User, Content: "hi"}}, Options: greedy(5), Tools: []puna.Tool{{Name: "other"}, {Name: name}},
		}
		_, done, err := collect(t, m, req)
		require.NoError(t, err)
		assert.Equal(t, 5, done.EvalTokens)

		req.ToolChoice = "required"
		_, _, err = collect(t, m, req)
		assert.EqualError(t, err, fmt.Sprintf("tools: the name %q can't be called", name))
		assert.Equal(t, puna.Invalid, puna.KindOf(err))
	}
}

// A grammar is made of the prompt that fits, not of each that doesn't.
func TestALongChatMakesOneGrammar(t *testing.T) {
	var log bytes.Buffer
	e, err := engine.Open(engine.Options{Log: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	require.NoError(t, err)
	defer func() {
		assert.NoError(t, e.Close())
		ggml.SetLogger(slog.New(slog.DiscardHandler))
	}()
	m, err := e.Load(t.Context(), engine.LoadOptions{Path: testmodel.Path(t), Template: callTemplate, Options: puna.Options{NumThread: new(1), NumCtx: new(256)}})
	require.NoError(t, err)
	req := &puna.Request{Truncate: new(true), Options: greedy(5), Tools: []puna.Tool{{Name: `no "grammar"`}}}
	for range 20 {
		req.Messages = append(req.Messages, puna.Message{Role: puna.User, Content: "some words to drop"})
	}
	_, done, err := collect(t, m, req)
	require.NoError(t, err)
	assert.Positive(t, done.Truncated)
	assert.Equal(t, 1, strings.Count(log.String(), "calls are not held to their tools"))

	req.Tools, req.ToolChoice, req.Options.NumPredict = []puna.Tool{{Name: "now"}}, "required", new(10)
	text, done, err := collect(t, m, req)
	require.NoError(t, err)
	assert.Positive(t, done.Truncated)
	assert.Regexp(t, `^\s*<tool_call>`, text)
}

func TestLogprobsComeWithTheirText(t *testing.T) {
	m := load(t, engine.LoadOptions{})
	req := raw("x", 12)
	req.Logprobs, req.TopLogprobs = true, 3
	var text strings.Builder
	n := 0
	for ev, err := range m.Generate(t.Context(), req) {
		require.NoError(t, err)
		text.WriteString(ev.Text)
		for _, lp := range ev.Logprobs {
			n++
			require.Len(t, lp.Top, 3)
			assert.Equal(t, lp.Top[0].Logprob, lp.Logprob, "greedy")
			assert.LessOrEqual(t, lp.Logprob, 0.0)
		}
	}
	assert.Equal(t, 12, n)
}

func TestFillInTheMiddle(t *testing.T) {
	m := load(t, engine.LoadOptions{Template: "{{ .Prompt }}"})
	req := &puna.Request{Prompt: "ab", Suffix: "cd", Options: greedy(2)}
	_, done, err := collect(t, m, req)
	require.NoError(t, err)
	want, err := m.Tokenize("<|fim_prefix|>ab<|fim_suffix|>cd<|fim_middle|>", true)
	require.NoError(t, err)
	assert.Equal(t, want, done.Context[:len(want)])
}

func TestNothingToAnswer(t *testing.T) {
	_, done, err := collect(t, load(t, engine.LoadOptions{}), &puna.Request{})
	require.NoError(t, err)
	assert.Equal(t, puna.DoneLoad, done.Reason)
}

func TestWhatIsRefused(t *testing.T) {
	m := load(t, engine.LoadOptions{Name: "tiny", Template: "{{ .Prompt }}"})
	user := []puna.Message{{Role: puna.User, Content: "hi"}}
	cases := []struct {
		req  puna.Request
		kind puna.Kind
		text string
	}{
		{puna.Request{Prompt: "x", Options: puna.Options{TopP: new(2.0)}}, puna.Invalid, `option "top_p": 2 is not between 0 and 1`},
		{puna.Request{Prompt: "x", Context: []int{1 << 30}}, puna.Invalid, "token 1073741824 at 0: the model has 0 to 2047"},
		{puna.Request{Prompt: "x", Raw: true, System: "s"}, puna.Invalid, "raw mode does not support template, system, or context"},
		{puna.Request{Messages: user, Think: puna.ThinkOn}, puna.Invalid, `"tiny" does not support thinking`},
		{puna.Request{Messages: user, Tools: []puna.Tool{{Name: "f"}}}, puna.Invalid, `"tiny" does not support tools`},
		{puna.Request{Prompt: "x", Images: [][]byte{{1}}}, puna.Unsupported, `"tiny" does not support images`},
		{puna.Request{Prompt: "x", TopLogprobs: 21}, puna.Invalid, "top_logprobs 21: need 0 to 20"},
	}
	for _, c := range cases {
		_, _, err := collect(t, m, &c.req)
		assert.EqualError(t, err, c.text)
		assert.Equal(t, c.kind, puna.KindOf(err))
	}
	_, _, err := collect(t, m, &puna.Request{Prompt: "x", Options: puna.Options{Grammar: `root ::= (`}})
	assert.Equal(t, puna.Invalid, puna.KindOf(err))
}

func TestLoadErrors(t *testing.T) {
	_, err := shared.Load(t.Context(), engine.LoadOptions{Path: filepath.Join(t.TempDir(), "none.gguf")})
	assert.Equal(t, puna.NotFound, puna.KindOf(err))
	junk := filepath.Join(t.TempDir(), "junk.gguf")
	require.NoError(t, os.WriteFile(junk, []byte("GGUF is what it isn't"), 0o600))
	_, err = shared.Load(t.Context(), engine.LoadOptions{Path: junk})
	assert.Equal(t, puna.Invalid, puna.KindOf(err))
	ctx, cancel := context.WithCancelCause(t.Context())
	gone := errors.New("went away")
	cancel(gone)
	_, err = shared.Load(ctx, engine.LoadOptions{Path: testmodel.Path(t)})
	assert.Equal(t, puna.Canceled, puna.KindOf(err))
	assert.ErrorIs(t, err, gone)
	_, err = shared.Load(t.Context(), engine.LoadOptions{Path: testmodel.Path(t), KVType: "q3"})
	assert.Equal(t, puna.Invalid, puna.KindOf(err))
}

func TestAdaptersAreInEffect(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lora.gguf")
	require.NoError(t, testmodel.WriteLora(path, testmodel.Tiny, 4))
	prompt := tokens(9, 50)
	plain, _ := complete(t, load(t, engine.LoadOptions{}), prompt, 20)
	lora, _ := complete(t, load(t, engine.LoadOptions{Adapters: []engine.Adapter{{Path: path, Scale: 8}}}), prompt, 20)
	assert.NotEqual(t, plain, lora)
}

// Requests with other adapters, scales or KV types get other contexts of one load.
func TestRequestsChooseTheirContext(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lora.gguf")
	require.NoError(t, testmodel.WriteLora(path, testmodel.Tiny, 4))
	prompt := tokens(9, 50)
	answer := func(m *engine.Model, o puna.Options) []int {
		t.Helper()
		o.Temperature, o.NumPredict = new(0.0), new(20)
		_, done, err := collect(t, m, &puna.Request{Context: prompt, Prompt: "x", Template: "{{ .Prompt }}", Options: o})
		require.NoError(t, err)
		assert.Equal(t, 20, done.EvalTokens)
		return done.Context
	}
	plain := answer(load(t, engine.LoadOptions{}), puna.Options{})
	strong := load(t, engine.LoadOptions{Adapters: []engine.Adapter{{Path: path, Name: "style", Scale: 8}}})
	own := answer(strong, puna.Options{})
	models := llama.Live()["Model"]
	for name, c := range map[string]struct {
		options puna.Options
		want    []int
	}{
		"none":      {puna.Options{Adapters: map[string]float64{}}, plain},
		"scale 0":   {puna.Options{Adapters: map[string]float64{"style": 0}}, plain},
		"by name":   {puna.Options{Adapters: map[string]float64{"style": 8}}, own},
		"by number": {puna.Options{Adapters: map[string]float64{"0": 8}}, own},
		"q8_0":      {puna.Options{Adapters: map[string]float64{}, KVCacheType: "q8_0"}, answer(load(t, engine.LoadOptions{KVType: "q8_0"}), puna.Options{})},
	} {
		assert.Equal(t, c.want, answer(strong, c.options), name)
	}
	assert.NotEqual(t, plain, own)
	assert.LessOrEqual(t, llama.Live()["Model"], models+1, "the weights were loaded once")
	_, _, err := collect(t, strong, &puna.Request{Prompt: "x", Options: puna.Options{Adapters: map[string]float64{"tone": 1}}})
	assert.ErrorContains(t, err, `has no adapter "tone": it has 0 ("style")`)
	assert.Equal(t, puna.Invalid, puna.KindOf(err))
}

func TestClosedModelsAnswerNothing(t *testing.T) {
	m := load(t, engine.LoadOptions{})
	require.NoError(t, m.Close(t.Context()))
	_, _, err := collect(t, m, raw("x", 1))
	assert.Equal(t, puna.Unavailable, puna.KindOf(err))
	_, err = m.Tokenize("x", true)
	assert.Equal(t, puna.Unavailable, puna.KindOf(err))
	assert.NoError(t, m.Close(t.Context()))
}

func TestCloseEndsWhatRuns(t *testing.T) {
	m := load(t, engine.LoadOptions{})
	req := raw("x", -1)
	req.Options.IgnoreEOS = new(true)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var last error
	for _, err := range m.Generate(t.Context(), req) {
		if last = err; err == nil {
			require.NoError(t, m.Close(ctx))
		}
	}
	assert.Equal(t, puna.Canceled, puna.KindOf(last))
}
