package modelfile

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/puna-ai/puna"
)

const full = `# a model
FROM ./base.gguf
FROM "mmproj.gguf"
adapter ./lora.gguf
DRAFT ./small.gguf
TEMPLATE """{{ if .System }}{{ .System }}
{{ end }}{{ .Prompt }}"""
SYSTEM You are "terse".
PARAMETER temperature 0.5
PARAMETER stop "<|end|>"
PARAMETER stop """ "quoted" """
PARAMETER num_ctx 4096
PARAMETER low_vram true
REQUIRES v0.14.0
MESSAGE user Hi: there
MESSAGE assistant "Hello
you"
RENDERER qwen3
PARSER qwen3
LICENSE MIT
LICENSE "Another
one"
`

func TestParse(t *testing.T) {
	f, err := Parse(strings.NewReader(full))
	require.NoError(t, err)
	assert.Equal(t, &File{
		From: []string{"./base.gguf", "mmproj.gguf"}, Adapters: []string{"./lora.gguf"}, Draft: "./small.gguf",
		Template: "{{ if .System }}{{ .System }}\n{{ end }}{{ .Prompt }}", System: `You are "terse".`,
		Licenses:   []string{"MIT", "Another\none"},
		Parameters: []Parameter{{"temperature", "0.5"}, {"stop", "<|end|>"}, {"stop", ` "quoted" `}, {"num_ctx", "4096"}},
		Messages:   []puna.Message{{Role: puna.User, Content: "Hi: there"}, {Role: puna.Assistant, Content: "Hello\nyou"}},
		Renderer:   "qwen3", Parser: "qwen3", Requires: "0.14.0", Ignored: []string{"low_vram"},
	}, f)
	again, err := Parse(strings.NewReader(f.String()))
	require.NoError(t, err)
	f.Ignored = nil
	assert.Equal(t, f, again)
}

func TestRequest(t *testing.T) {
	f, err := Parse(strings.NewReader(full))
	require.NoError(t, err)
	req, err := f.Request("mine")
	require.NoError(t, err)
	assert.Equal(t, &puna.CreateRequest{
		Model: "mine", Template: f.Template, System: f.System, License: f.Licenses, Messages: f.Messages,
		Parameters: map[string]any{"temperature": 0.5, "num_ctx": 4096.0, "stop": []any{"<|end|>", ` "quoted" `}},
		Renderer:   "qwen3", Parser: "qwen3", Requires: "0.14.0",
	}, req)
}

func TestErrorsNameTheLine(t *testing.T) {
	cases := []struct{ text, want string }{
		{"", "no FROM line"},
		{"SYSTEM x\n", "no FROM line"},
		{"FROM x\nBOGUS y\n", "Modelfile, line 2: command must be one of"},
		{"FROM x\n\nMESSAGE nobody hi\n", "line 3: message role must be one of"},
		{"FROM x\nPARAMETER top_p 7\n", `Modelfile, line 2: option "top_p": 7 is not between 0 and 1`},
		{"FROM x\nPARAMETER  num_ctx 1\n", "PARAMETER needs a name, one space behind it"},
		{"FROM x\nPARAMETER num_ctx many\n", `line 2: option "num_ctx": "many" is not a whole number`},
		{"FROM x\nparameter colour red\n", `line 2: unknown parameter "colour": there are num_ctx, `},
		{"FROM x\nPARAMETER stop \"\"\n", `option "stop": an empty string`},
		{"FROM x\nREQUIRES soon\n", `line 2: REQUIRES "soon" isn't a version`},
		{"FROM x\nSYSTEM \"\"\"open", "isn't closed"},
		{"FROM \n", "line 1: FROM needs"},
		{"FROM x\nADAPTER \n", "ADAPTER needs"},
		{"FROM x\nDRAFT \n", "DRAFT needs"},
		{"FROM x\nDRAFT y\nDRAFT z\n", `line 3: DRAFT "z" is the second`},
	}
	for _, c := range cases {
		_, err := Parse(strings.NewReader(c.text))
		assert.ErrorContains(t, err, c.want, c.text)
		assert.Equal(t, puna.Invalid, puna.KindOf(err))
	}
	_, err := Parse(strings.NewReader(strings.Repeat("#", maxSize+1)))
	assert.ErrorContains(t, err, "is it a model?")
}

func TestParametersOfOptions(t *testing.T) {
	o := puna.Options{NumCtx: new(2048), Temperature: new(0.0), Stop: []string{"a", "b\n"}, UseMmap: new(false),
		LogitBias: map[string]float64{"3": -1}, Seed: new(4294967295)}
	parameters := Parameters(o)
	assert.Equal(t, []Parameter{{"num_ctx", "2048"}, {"use_mmap", "false"}, {"stop", "a"}, {"stop", "b\n"}, {"seed", "4294967295"},
		{"logit_bias", `{"3":-1}`}, {"temperature", "0"}}, parameters)
	f := &File{Parameters: parameters}
	back, err := f.Options()
	require.NoError(t, err)
	assert.Equal(t, o, back)
	assert.Equal(t, "num_ctx                        2048\nstop                           \"a\"", Table([]Parameter{{"num_ctx", "2048"}, {"stop", "a"}}))
	assert.Empty(t, Parameters(puna.Options{}))
}

func FuzzParse(f *testing.F) {
	f.Add(full)
	f.Add("FROM x\r\nSYSTEM \"\"\"a\r\nb\"\"\"\n")
	f.Add("\ufeffFROM x\nTEMPLATE \"\"\nMESSAGE user \n")
	f.Fuzz(func(t *testing.T, text string) {
		m, err := Parse(strings.NewReader(text))
		if err != nil {
			require.Equal(t, puna.Invalid, puna.KindOf(err))
			return
		}
		m.Ignored = nil
		if strings.Contains(fmt.Sprintf("%+v", m), `"""`) {
			return // can't be written, see the package's caveats
		}
		again, err := Parse(strings.NewReader(m.String()))
		require.NoError(t, err, m.String())
		if len(m.Messages) > 0 || len(again.Messages) > 0 {
			require.Equal(t, m.Messages, again.Messages)
		}
		require.Equal(t, m, again)
	})
}

func ExampleParse() {
	f, err := Parse(strings.NewReader("FROM guide\nPARAMETER temperature 0\nSYSTEM Be brief."))
	if err != nil {
		panic(err)
	}
	fmt.Println(f.From, f.System, f.Parameters)
	// Output: [guide] Be brief. [{temperature 0}]
}
