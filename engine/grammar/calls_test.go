package grammar

import (
	"encoding/json"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/puna-ai/puna"
	"github.com/puna-ai/puna/models/parse"
	"github.com/puna-ai/puna/models/template"
)

var callTools = []puna.Tool{
	{Name: "get_weather", Parameters: json.RawMessage(`{"type":"object","properties":{"city":{"type":"string","pattern":"^[A-Z][a-z]+$"},"unit":{"enum":["celsius","fahrenheit"]}},"required":["city"]}`)},
	{Name: "add", Parameters: json.RawMessage(`{"type":"object","properties":{"a":{"type":"integer"},"b":{"$ref":"#/$defs/n"}},"required":["a","b"],"$defs":{"n":{"type":"integer","minimum":-9}}}`)},
	{Name: "now"},
	{Name: "odd", Parameters: json.RawMessage(`{"type":"object","not":{}}`)}, // any object: a grammar can't say this
}

func templates(t *testing.T) map[string]*template.Template {
	paths, err := filepath.Glob("../../models/template/testdata/templates/*.jinja")
	require.NoError(t, err)
	require.NotEmpty(t, paths)
	all := map[string]*template.Template{}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		name := strings.TrimSuffix(filepath.Base(path), ".jinja")
		all[name], err = template.New(template.Source{Model: name, Jinja: string(text)})
		require.NoError(t, err, name)
	}
	return all
}

// What a grammar of calls lets a model write, the parser takes for calls of these tools
// with arguments that their schemas allow.
func TestEverySentenceIsACall(t *testing.T) {
	var shown []string
	for name, tmpl := range templates(t) {
		form, ok := parse.FormOf(tmpl)
		if !ok {
			continue
		}
		shown = append(shown, name)
		for _, opened := range []bool{false, form.Open != ""} {
			text, err := FromCalls(form, callTools, opened)
			require.NoError(t, err, name)
			g, rng := readGBNF(t, text), rand.New(rand.NewPCG(7, 7))
			for range 30 {
				var out strings.Builder
				if opened {
					out.WriteString(form.Open)
				}
				g.sample(rng, g.rules["root"], 0, &out)
				checkCalls(t, name, tmpl, out.String())
			}
		}
	}
	slices.Sort(shown)
	assert.Equal(t, []string{"hermes-3-tool-use", "llama-3.1", "llama-3.2", "qwen2.5", "qwen3", "qwq"}, shown)
}

func checkCalls(t *testing.T, name string, tmpl *template.Template, text string) {
	t.Helper()
	p, err := parse.New(parse.Options{Template: tmpl, Tools: callTools, Think: puna.ThinkOff})
	require.NoError(t, err)
	first, last := p.Add(text), p.Done()
	calls := append(first.ToolCalls, last.ToolCalls...)
	require.NotEmpty(t, calls, "%s: %s", name, text)
	require.Empty(t, strings.TrimSpace(first.Text+last.Text), "%s: %s", name, text)
	for _, c := range calls {
		i := slices.IndexFunc(callTools, func(tool puna.Tool) bool { return tool.Name == c.Name })
		require.GreaterOrEqual(t, i, 0, text)
		if callTools[i].Name == "odd" || callTools[i].Parameters == nil {
			continue
		}
		value, err := jsonschema.UnmarshalJSON(strings.NewReader(string(c.Arguments)))
		require.NoError(t, err, text)
		require.NoError(t, validator(t, string(callTools[i].Parameters)).Validate(value), text)
	}
}

func TestCallsNeedNames(t *testing.T) {
	_, err := FromCalls(parse.CallForm{Before: `{"name": "`, Between: `", "arguments": `, After: "}"}, []puna.Tool{{Name: "a\"b"}}, false)
	assert.EqualError(t, err, `tools: the name "a\"b" can't be called`)
}
