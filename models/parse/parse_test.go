package parse

import (
	"encoding/json"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/puna-ai/puna"
	"github.com/puna-ai/puna/models/template"
)

var tools = []puna.Tool{
	{Name: "get_weather", Parameters: json.RawMessage(`{"type":"object","properties":{"city":{"type":"string"},"days":{"type":"integer"}}}`)},
	{Name: "get", Parameters: json.RawMessage(`{"type":"object","properties":{}}`)},
}

func real(t testing.TB, name string) *template.Template {
	text, err := os.ReadFile("../template/testdata/templates/" + name + ".jinja")
	require.NoError(t, err)
	tmpl, err := template.New(template.Source{Model: name, Jinja: string(text)})
	require.NoError(t, err)
	return tmpl
}

func goTmpl(t testing.TB, text string) *template.Template {
	tmpl, err := template.New(template.Source{Model: "m", Modelfile: text})
	require.NoError(t, err)
	return tmpl
}

// whole is what an answer's events say together.
type whole struct {
	text, thought string
	calls         []string
}

func (w *whole) add(t testing.TB, ev puna.Event) {
	assert.True(t, utf8.ValidString(ev.Text) && utf8.ValidString(ev.Thinking))
	w.text += ev.Text
	w.thought += ev.Thinking
	for _, c := range ev.ToolCalls {
		require.Equal(t, len(w.calls), c.Index)
		line := c.Name + string(c.Arguments)
		if c.ID != "" {
			line = c.ID + ":" + line
		}
		w.calls = append(w.calls, line)
	}
}

// parse feeds answer to a new parser in the given pieces.
func parse(t testing.TB, o Options, pieces ...string) whole {
	p := must(t, o)
	var w whole
	for _, piece := range pieces {
		w.add(t, p.Add(piece))
	}
	w.add(t, p.Done())
	return w
}

func must(t testing.TB, o Options) Parser {
	p, err := New(o)
	require.NoError(t, err)
	return p
}

// split cuts s at random between characters.
func split(rng *rand.Rand, s string) []string {
	var pieces []string
	start := 0
	for i := range s {
		if i > start && rng.IntN(4) == 0 {
			pieces = append(pieces, s[start:i])
			start = i
		}
	}
	return append(pieces, s[start:])
}

const (
	weather = `get_weather{"city": "Zürich", "days": 2}`
	args    = `{"city": "Zürich", "days": 2}`
)

var hermes = `<tool_call>` + "\n" + `{"name": "get_weather", "arguments": ` + args + `}` + "\n" + `</tool_call>`

// goTools is a Modelfile's template whose calls have a tag that only it knows.
const goTools = `{{ range .Messages }}{{ .Role }}:{{ .Content }}{{ if .ToolCalls }}{{ range .ToolCalls }}<use>{"name": "{{ .Function.Name }}", "arguments": {{ .Function.Arguments }}}</use>{{ end }}{{ end }}{{ if .Thinking }}<ponder>{{ .Thinking }}</ponder>{{ end }}{{ end }}{{ .Tools }}`

var cases = []struct {
	name, template, answer string
	prompt                 string
	want                   whole
}{
	{"plain", "qwen2.5", "Hello <b>you</b> {x} [1]\n", "", whole{text: "Hello <b>you</b> {x} [1]\n"}},
	{"thought", "qwen3", "<think>\nLet me.\n</think>\n\nFour.", "", whole{text: "Four.", thought: "Let me.\n"}},
	{"thought begun by the prompt", "deepseek-r1-distill-qwen", "Let me.\n</think>\n\nFour.", "x<｜Assistant｜><think>\n", whole{text: "Four.", thought: "Let me.\n"}},
	{"thought not ended", "qwen3", "<think>Let me</thin", "", whole{thought: "Let me</thin"}},
	{"thought not begun", "qwen3", " <thi", "", whole{text: " <thi"}},
	{"only white space", "qwen3", "\n \n", "", whole{text: "\n \n"}},
	{"thinking tags in the answer", "qwen3", "A <think>b</think>", "", whole{text: "A <think>b</think>"}},
	{"hermes", "qwen2.5", hermes, "", whole{calls: []string{weather}}},
	{"text before and after", "qwen2.5", "I'll look.\n" + hermes + "\nDone.", "", whole{text: "I'll look.\nDone.", calls: []string{weather}}},
	{"two calls and a thought", "qwen3", "<think>hm</think>\n" + hermes + "\n" + hermes, "", whole{thought: "hm", calls: []string{weather, weather}}},
	{"no closing tag", "qwen2.5", strings.TrimSuffix(hermes, "</tool_call>"), "", whole{calls: []string{weather}}},
	{"list in a tag", "qwen2.5", `<tool_call>[{"name":"get","arguments":{}},{"name":"get_weather","arguments":{"city":"A"}}]</tool_call>`, "", whole{calls: []string{`get{}`, `get_weather{"city":"A"}`}}},
	{"arguments as text, none, null", "qwen2.5", `<tool_call>{"name":"get","arguments":"{\"a\": 1}"}</tool_call><tool_call>{"name":"get"}</tool_call><tool_call>{"name":"get","arguments":null}</tool_call>`, "",
		whole{calls: []string{`get{"a": 1}`, `get{}`, `get{}`}}},
	{"braces and quotes in strings", "qwen2.5", `<tool_call>{"name":"get","arguments":{"a":"}\"]{ </tool_call>","b":[{"c":{}}]}}</tool_call>`, "", whole{calls: []string{`get{"a":"}\"]{ </tool_call>","b":[{"c":{}}]}`}}},
	{"broken JSON is text", "qwen2.5", `<tool_call>{"name": get}</tool_call> ok`, "", whole{text: `<tool_call>{"name": get}</tool_call> ok`}},
	{"JSON that is no call is text", "qwen2.5", `<tool_call>{"a":1}</tool_call>`, "", whole{text: `<tool_call>{"a":1}</tool_call>`}},
	{"a call cut off is text", "qwen2.5", `So: <tool_call>{"name": "get_weather", "argum`, "", whole{text: `So: <tool_call>{"name": "get_weather", "argum`}},
	{"a call after a broken one", "qwen2.5", `<tool_call>{"name": "ge` + "\n" + hermes, "", whole{text: `<tool_call>{"name": "ge` + "\n", calls: []string{weather}}},
	{"a tag cut off is text", "qwen2.5", `x <tool_c`, "", whole{text: `x <tool_c`}},
	{"llama", "llama-3.1", `{"name": "get_weather", "parameters": ` + args + `}`, "", whole{calls: []string{weather}}},
	{"llama, two", "llama-3.2", ` {"name": "get", "parameters": {}}; {"name": "get_weather", "parameters": ` + args + `}`, "", whole{calls: []string{`get{}`, weather}}},
	{"llama, python tag", "llama-3.1", `<|python_tag|>{"type": "function", "function": "get", "parameters": {"x": "y"}}`, "", whole{calls: []string{`get{"x": "y"}`}}},
	{"llama, code", "llama-3.1", `<|python_tag|>brave_search.call(query="x")`, "", whole{text: `<|python_tag|>brave_search.call(query="x")`}},
	{"llama, JSON for the user", "llama-3.1", `{"city": "Zürich", "name": "get"}`, "", whole{text: `{"city": "Zürich", "name": "get"}`}},
	{"llama, unknown name", "llama-3.1", `{"name": "Ada", "parameters": {}} is it`, "", whole{text: `{"name": "Ada", "parameters": {}} is it`}},
	{"llama, later JSON", "llama-3.1", `Use {"name": "get", "parameters": {}}`, "", whole{text: `Use {"name": "get", "parameters": {}}`}},
	{"mistral", "mistral-nemo", `[TOOL_CALLS][{"name": "get_weather", "arguments": ` + args + `, "id": "abcdefghi"}]`, "", whole{calls: []string{"abcdefghi:" + weather}}},
	{"mistral, names outside", "mistral-small-3.2", `Look: [TOOL_CALLS]get_weather[CALL_ID]abcdefghi[ARGS]` + args + `[TOOL_CALLS]get[ARGS]{}[TOOL_CALLS]get{}`, "",
		whole{text: "Look: ", calls: []string{"abcdefghi:" + weather, `get{}`, `get{}`}}},
	{"deepseek", "deepseek-r1-distill-qwen", "hm</think>\n<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>get_weather\n```json\n" + args + "\n```<｜tool▁call▁end｜>\n<｜tool▁call▁begin｜>get<｜tool▁sep｜>{}<｜tool▁call▁end｜><｜tool▁calls▁end｜>",
		"<think>", whole{thought: "hm", calls: []string{weather, `get{}`}}},
	{"kimi", "kimi-k2", "<|tool_calls_section_begin|><|tool_call_begin|>functions.get_weather:0<|tool_call_argument_begin|>" + args + "<|tool_call_end|><|tool_call_begin|>functions.get:1<|tool_call_argument_begin|>{}<|tool_call_end|><|tool_calls_section_end|>",
		"", whole{calls: []string{"functions.get_weather:0:" + weather, `functions.get:1:get{}`}}},
	{"granite", "granite-3.3", `<|tool_call|>[{"name": "get_weather", "arguments": ` + args + `}]`, "", whole{calls: []string{weather}}},
	{"harmony", "gpt-oss", `<|channel|>analysis<|message|>hm<|end|><|start|>assistant<|channel|>final<|message|>Four.`, "", whole{thought: "hm", text: "Four."}},
	{"harmony, call", "gpt-oss", `<|channel|>analysis<|message|>hm<|end|><|start|>assistant<|channel|>commentary to=functions.get_weather <|constrain|>json<|message|>{"city":"A","days":2}`, "",
		whole{thought: "hm", calls: []string{`get_weather{"city":"A","days":2}`}}},
	{"harmony, broken call", "gpt-oss", `<|channel|>commentary to=functions.get <|constrain|>json<|message|>{"city":`, "",
		whole{text: `<|channel|>commentary to=functions.get <|constrain|>json<|message|>{"city":`}},
	{"nemotron", "nemotron-3-nano", "hm</think>\n<tool_call>\n<function=get_weather>\n<parameter=city>\nZürich\n</parameter>\n<parameter=days>\n2\n</parameter>\n</function>\n</tool_call>", "<think>\n",
		whole{thought: "hm", calls: []string{`get_weather{"city":"Zürich","days":2}`}}},
	{"nemotron, call cut off", "nemotron-3-nano", "hm</think>\nI look: <tool_call>\n<function=get_weather>\n<param", "<think>\n",
		whole{thought: "hm", text: "I look: <tool_call>\n<function=get_weather>\n<param"}},
	{"gemma 4", "gemma-4", `<|tool_call>call:get_weather{city:<|"|>Zürich<|"|>,days:2}<tool_call|>`, "", whole{calls: []string{`get_weather{"city":"Zürich","days":2}`}}},
	{"Modelfile", goTools, `<ponder>hm</ponder>Look. <use>{"name": "get", "arguments": {"b":1,"a":2}}</use><use>{"name": "get"}</use>`, "", whole{thought: "hm", text: "Look. ", calls: []string{`get{"b":1,"a":2}`, `get{}`}}},
	{"Modelfile, no tag", strings.NewReplacer("<use>", "", "</use>", "").Replace(goTools), `{"name": "get", "arguments": {"b":1}}`, "", whole{calls: []string{`get{"b":1}`}}},
	{"many openings", "qwen2.5", strings.Repeat("<tool_call>{", 200) + hermes, "", whole{text: strings.Repeat("<tool_call>{", 200) + hermes}},
}

func caseOptions(t testing.TB, name string) Options {
	o := Options{Tools: tools}
	if strings.Contains(name, "{{") {
		o.Template = goTmpl(t, name)
	} else {
		o.Template = real(t, name)
	}
	return o
}

func TestAnswers(t *testing.T) {
	for _, c := range cases {
		o := caseOptions(t, c.template)
		o.Prompt = c.prompt
		assert.Equal(t, c.want, parse(t, o, c.answer), "%s: in one piece", c.name)
		rng := rand.New(rand.NewPCG(1, 2))
		for range 50 {
			pieces := split(rng, c.answer)
			require.Equal(t, c.want, parse(t, o, pieces...), "%s: %q", c.name, pieces)
		}
		require.Equal(t, c.want, parse(t, o, strings.Split(c.answer, "")...), "%s: by characters", c.name)
	}
}

func TestWithoutToolsCallsAreText(t *testing.T) {
	assert.Equal(t, whole{text: hermes}, parse(t, Options{Template: real(t, "qwen2.5")}, hermes))
	assert.Equal(t, whole{text: hermes}, parse(t, Options{}, hermes))
}

func TestTextStreamsAtOnce(t *testing.T) {
	p := must(t, Options{Template: real(t, "llama-3.1"), Tools: tools})
	assert.Equal(t, `{"city"`, p.Add(`{"city"`).Text, "an answer in JSON with a key that no call has")
	assert.Equal(t, `: 1}`, p.Add(`: 1}`).Text)
	p = must(t, Options{Template: real(t, "qwen2.5"), Tools: tools})
	assert.Equal(t, "a ", p.Add("a <tool").Text)
	assert.Equal(t, "<tools> b", p.Add("s> b").Text)
}

func TestNamedParser(t *testing.T) {
	_, err := New(Options{Parser: "nonsense"})
	assert.EqualError(t, err, `the model needs the parser "nonsense", which this version doesn't know`)
	assert.Equal(t, puna.Unsupported, puna.KindOf(err))
	answer := "I look.\n<tool_call>\n<function=get>\n</function>\n</tool_call>"
	assert.Equal(t, whole{text: "I look.", calls: []string{`get{}`}}, parse(t, Options{Parser: "qwen3-coder", Tools: tools}, answer))
	assert.Equal(t, whole{text: "<x>\n"}, parse(t, Options{Parser: "passthrough"}, "<x>\n"))
}

func TestThinkingOfAnAnswerThatGoesOn(t *testing.T) {
	last := &puna.Message{Role: puna.Assistant, Content: "One, "}
	assert.Equal(t, whole{text: "two"}, parse(t, Options{Template: real(t, "gpt-oss"), Last: last}, "two"))
}

// bricks are what fuzzed answers are made of.
var bricks = []string{"<think>", "</think>", "<tool_call>", "</tool_call>", hermes, "[TOOL_CALLS]", `[{"name": "get", "arguments": {}}]`,
	"get[ARGS]", args, "{", "}", `"`, "\\", "[", "]", "é", " ", "\n", "<", "<tool", "text", "<|channel|>", "final", "analysis", "<|message|>", "<|end|>",
	"<|start|>", "assistant", " to=functions.get", "<｜tool▁calls▁begin｜>", "<｜tool▁call▁begin｜>", "get<｜tool▁sep｜>", "```", "<|python_tag|>", "<use>", "</use>", "<ponder>",
	"<function=get>", "</function>", "<parameter=city>", "</parameter>", `{"name": "get", "parameters": {}}`, ";"}

// FuzzAnswer checks that how an answer is cut changes nothing, and that no letter of
// an answer is lost.
func FuzzAnswer(f *testing.F) {
	names := []string{"qwen3", "llama-3.1", "mistral-small-3.2", "deepseek-r1-distill-qwen", "kimi-k2", goTools, "gpt-oss", "nemotron-3-nano"}
	var options []Options
	for _, name := range names {
		options = append(options, caseOptions(f, name))
	}
	f.Add(uint8(0), uint64(1), []byte{0, 10, 1, 4, 20})
	f.Add(uint8(1), uint64(2), []byte{41, 42, 41, 20, 33, 41})
	f.Add(uint8(2), uint64(3), []byte{5, 6, 20, 5, 7, 8, 5})
	f.Add(uint8(3), uint64(4), []byte{29, 30, 31, 8, 32, 1, 20})
	f.Add(uint8(5), uint64(5), []byte{36, 20, 34, 41, 35, 20})
	f.Add(uint8(6), uint64(6), []byte{21, 22, 24, 20, 25})
	f.Add(uint8(7), uint64(7), []byte{1, 2, 37, 39, 20, 40, 38, 3, 20})
	f.Fuzz(func(t *testing.T, which uint8, seed uint64, recipe []byte) {
		if len(recipe) > 60 {
			return
		}
		var b strings.Builder
		for _, r := range recipe {
			b.WriteString(bricks[int(r)%len(bricks)])
		}
		answer, o := b.String(), options[int(which)%len(options)]
		want := parse(t, o, answer)
		require.Equal(t, want, parse(t, o, split(rand.New(rand.NewPCG(seed, 0)), answer)...), "%q", answer)
		if _, ours := must(t, o).(*pipeline); ours && len(want.calls) == 0 {
			require.Equal(t, strings.Count(answer, "text"), strings.Count(want.text+want.thought, "text"), "%q", answer)
		}
	})
}
