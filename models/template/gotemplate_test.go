package template

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/puna-ai/puna"
)

func goTmpl(t testing.TB, text string) *Template {
	tmpl, err := New(Source{Model: "m", Modelfile: text})
	require.NoError(t, err, text)
	return tmpl
}

func TestGoTemplates(t *testing.T) {
	legacy := "{{ if .System }}[S]{{ .System }}{{ end }}[U]{{ .Prompt }}[A]{{ .Response }}[E]"
	chat := `{{ range .Messages }}<{{ .Role }}>{{ .Content }}{{ range .ToolCalls }}{{ json .Function.Name }}{{ .Function.Arguments }}{{ end }}{{ end }}`
	think := "{{ range .Messages }}{{ .Content }}{{ if .Thinking }}<think>{{ .Thinking }}</think>{{ end }}{{ end }}{{ .Think }}|{{ .ThinkLevel }}|{{ .IsThinkSet }}"
	assistant := puna.Message{Role: puna.Assistant, Content: "2"}
	cases := []struct {
		template string
		in       Input
		want     string
	}{
		{legacy, Input{Prompt: "1"}, "[U]1[A]"},
		{legacy, Input{Prompt: "1", System: "s"}, "[S]s[U]1[A]"},
		{legacy, Input{Messages: []puna.Message{user("1"), assistant, user("3")}}, "[U]1[A]2[E][U]3[A]"},
		{legacy, Input{Messages: []puna.Message{user("1"), assistant}}, "[U]1[A]2"},
		{"{{ .Prompt }}", Input{Messages: []puna.Message{user("1"), assistant, user("3")}}, "123"},
		{chat, Input{Prompt: "1", System: "s"}, "<system>s<user>1"},
		{chat, Input{Messages: []puna.Message{user("1"), user("2")}}, "<user>1\n\n2"},
		{chat, Input{Messages: []puna.Message{calls("x"), result("x", "1"), result("y", "2")}}, `<assistant>"add"{"a":1,"b":0}<tool>1<tool>2`},
		{"{{ .System }}|{{ range .Messages }}{{ .Content }}{{ end }}|{{ range .Tools }}{{ .Function.Name }}{{ end }}",
			Input{System: "s", Prompt: "1", Tools: []puna.Tool{addTool, {Name: "g"}}}, "s|s1|addg"},
		{"<P>{{ .Prompt }}<S>{{ .Suffix }}<M>", Input{Prompt: "a", Suffix: "b"}, "<P>a<S>b<M>"},
		{think, Input{Prompt: "x"}, "xtrue|medium|true"},
		{think, Input{Prompt: "x", Think: puna.ThinkOff}, "xfalse||true"},
		{think, Input{Prompt: "x", Think: puna.ThinkHigh}, "xtrue|high|true"},
		{"{{ range .Messages }}{{ end }}{{ currentDate }} {{ yesterdayDate }} {{ printf \"%3d|%s\" 7 \"x\" }}", Input{Prompt: "x", Now: now}, "2026-03-05 2026-03-04   7|x"},
	}
	for _, c := range cases {
		text, err := goTmpl(t, c.template).Render(c.in)
		require.NoError(t, err, c.template)
		assert.Equal(t, c.want, text, c.template)
	}
}

func TestGoCapabilities(t *testing.T) {
	has := func(text string) string {
		tmpl := goTmpl(t, text)
		out := string(tmpl.Kind())
		for _, c := range []puna.Capability{puna.CanTools, puna.CanInsert, puna.CanThink} {
			if tmpl.Supports(c) {
				out += " " + string(c)
			}
		}
		return out
	}
	assert.Equal(t, "go", has("{{ .Prompt }}"))
	assert.Equal(t, "go insert", has("{{ .Prompt }}{{ .Suffix }}"))
	assert.Equal(t, "go tools", has("{{ .Tools }}{{ range .Messages }}{{ end }}"))
	assert.Equal(t, "go thinking", has("{{ range .Messages }}{{ if .Thinking }}<think>{{ .Thinking }}</think>{{ end }}{{ end }}"))
	assert.Nil(t, realTemplate(t, "qwen3").GoTemplate())
	assert.NotNil(t, goTmpl(t, "x").GoTemplate())
}

func TestNamedRenderer(t *testing.T) {
	tmpl, err := New(Source{Model: "m", Renderer: "qwen3-coder", Parser: "qwen3-coder", Jinja: "not used"})
	require.NoError(t, err)
	assert.Equal(t, Renderer, tmpl.Kind())
	assert.True(t, tmpl.Supports(puna.CanTools))
	assert.False(t, tmpl.Supports(puna.CanThink))
	text, err := tmpl.Render(Input{System: "S", Messages: []puna.Message{user("Hi")}, Tools: []puna.Tool{addTool}})
	require.NoError(t, err)
	assert.Contains(t, text, "<name>add</name>")
	assert.True(t, strings.HasSuffix(text, "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"), text)
}

func TestHostileGoTemplates(t *testing.T) {
	m := "{{ range .Messages }}{{ end }}"
	hostile := map[string]string{
		m + "{{ range 1000000000000 }}{{ end }}":                                                                 "runs too long",
		m + "{{ range 1000000000000 }}xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx{{ end }}":               "",
		`{{ define "a" }}{{ template "a" . }}{{ template "a" . }}{{ end }}` + m + `{{ template "a" . }}`:         "",
		m + `{{ printf "%1000000d" 1 }}`:                                                                         "widths",
		m + `{{ printf "%*d" 1000000 1 }}`:                                                                       "widths",
		m + `{{ $x := "abcdefgh" }}{{ range 100 }}{{ $x = print $x $x }}{{ end }}`:                               "too much text",
		m + `{{ $x := "abcdefgh" }}{{ range 100 }}{{ $x = printf "%[1]s%[1]s%[1]s" $x }}{{ end }}`:               "too much text",
		m + `{{ $x := "\x00" }}{{ range 100 }}{{ $x = js $x }}{{ $x = html $x }}{{ end }}`:                       "too much text",
		"{{ range 1000000000000 }}{{ end }}{{ .Prompt }}":                                                        "not allowed in a template without .Messages",
		`{{ printf "%d" 1 }}{{ .Prompt }}`:                                                                       "not allowed in a template without .Messages",
		strings.Repeat("{{ .Prompt }}", 5000):                                                                    "nodes at most",
		strings.Repeat("x", 2<<20):                                                                               "at most",
		"{{ range .Messages }}{{ if .Thinking }}{{ end }}{{ range .Messages }}{{ .Thinking }}{{ end }}{{ end }}": "",
	}
	for source, text := range hostile {
		tmpl, err := New(Source{Model: "m", Modelfile: source})
		if err == nil {
			_, err = tmpl.Render(Input{Prompt: "hello"})
		}
		if assert.Error(t, err, "%.80s", source) {
			assert.ErrorContains(t, err, `model "m": TEMPLATE of the Modelfile: `)
			assert.ErrorContains(t, err, text, "%.80s", source)
		}
	}
}

func FuzzGoTemplate(f *testing.F) {
	for _, text := range []string{"{{ .Prompt }}", "{{ if .System }}{{ .System }}{{ end }}{{ .Prompt }}{{ .Response }}",
		"{{ range .Messages }}{{ .Role }}{{ .Content }}{{ end }}", "{{ range $i, $m := .Messages }}{{ with .ToolCalls }}{{ range . }}{{ json .Function }}{{ end }}{{ else }}{{ $m.Thinking }}{{ end }}{{ end }}{{ .Tools }}",
		"{{ .Prompt }}{{ .Suffix }}", `{{ define "x" }}{{ . }}{{ end }}{{ template "x" .Messages }}`, `{{ printf "%5d %q" (len .Prompt) .Prompt | html }}`} {
		f.Add(text)
	}
	in := Input{System: "S", Messages: []puna.Message{user("a"), calls("x"), result("x", "1"), user("b")}, Tools: []puna.Tool{addTool}, Now: now}
	f.Fuzz(func(t *testing.T, source string) {
		tmpl, err := New(Source{Model: "m", Modelfile: source})
		if err != nil || source == "" {
			return
		}
		if _, err := tmpl.Render(in); err != nil {
			require.Equal(t, puna.Invalid, puna.KindOf(err))
			require.ErrorContains(t, err, `model "m"`)
		}
		_, _ = tmpl.Render(Input{Prompt: "a", Suffix: "b"})
	})
}

// TestOllamasTemplates renders a chat with every template that comes with Ollama.
func TestOllamasTemplates(t *testing.T) {
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/ollama/ollama").Output()
	require.NoError(t, err)
	files, err := filepath.Glob(filepath.Join(strings.TrimSpace(string(dir)), "template", "*.gotmpl"))
	require.NoError(t, err)
	require.Greater(t, len(files), 15)
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		prompt, err := goTmpl(t, string(text)).Render(Input{System: "Be brief.", Messages: []puna.Message{user("One?"), {Role: puna.Assistant, Content: "Two."}, user("Three?")}})
		require.NoError(t, err, file)
		for _, said := range []string{"Be brief.", "One?", "Two.", "Three?"} {
			require.Contains(t, prompt, said, file)
		}
	}
}
