package jinja

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var now = time.Date(2026, 3, 5, 14, 7, 9, 0, time.UTC) // as in testdata/generate.py

// outcome is what Jinja2 made of a template.
type outcome struct {
	Source, Text, Error string
}

func readJSON(t testing.TB, path string, into any) {
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(data, into))
}

// vars reads a context, keeping the order of keys.
func vars(t testing.TB, data []byte) map[string]any {
	v, err := FromJSON(data)
	require.NoError(t, err)
	d := v.(*Dict)
	m := map[string]any{}
	for i, key := range d.keys {
		m[key.(string)] = d.values[i]
	}
	return m
}

func renderText(source string, context map[string]any) (string, error) {
	tmpl, err := Parse(source)
	if err != nil {
		return "", err
	}
	return tmpl.Render(context, Options{Now: now})
}

func TestSnippetsMatchJinja2(t *testing.T) {
	var in struct{ Context json.RawMessage }
	readJSON(t, "../testdata/snippets.json", &in)
	context := vars(t, in.Context)
	var golden []outcome
	readJSON(t, "../testdata/golden-snippets.json", &golden)
	for _, g := range golden {
		text, err := renderText(g.Source, context)
		if g.Error != "" {
			assert.Error(t, err, "%s: Jinja2 says %s, this %q", g.Source, g.Error, text)
			continue
		}
		if assert.NoError(t, err, g.Source) {
			assert.Equal(t, g.Text, text, g.Source)
		}
	}
}

func TestChatTemplatesMatchJinja2(t *testing.T) {
	var in struct {
		Common map[string]any
		Cases  map[string]json.RawMessage
	}
	readJSON(t, "../testdata/cases.json", &in)
	files, err := filepath.Glob("../testdata/templates/*.jinja")
	require.NoError(t, err)
	require.Greater(t, len(files), 20)
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".jinja")
		source, err := os.ReadFile(file)
		require.NoError(t, err)
		tmpl, err := Parse(string(source))
		require.NoError(t, err, name)
		var golden map[string]outcome
		readJSON(t, "../testdata/golden/"+name+".json", &golden)
		for id, g := range golden {
			t.Run(name+"/"+id, func(t *testing.T) {
				context := vars(t, in.Cases[id])
				for key, value := range in.Common {
					if _, ok := context[key]; !ok {
						context[key] = value
					}
				}
				text, err := tmpl.Render(context, Options{Now: now})
				if g.Error != "" {
					require.Error(t, err, "Jinja2 says %s", g.Error)
					return
				}
				require.NoError(t, err)
				require.Equal(t, g.Text, text)
			})
		}
	}
}

func TestErrorsSayWhere(t *testing.T) {
	cases := map[string]string{
		"a\n{{ x.y }}":                           `line 2: 'x' is undefined, so it has no attribute "y"`,
		"{% if x %}\n\n{{ 1 + }}{% endif %}":     `line 3: expected an expression, found the end of the tag`,
		"{% if x %}":                             `line 1: {% endif %} is missing`,
		"\n{% extends 'x' %}":                    `line 2: statement "extends" is not supported in chat templates`,
		"{{ 'a' + 1 }}":                          `line 1: str + int is not possible`,
		"{{ raise_exception('No ' ~ 'tools') }}": `line 1: the template refuses: No tools`,
		"{{ 9223372036854775807 + 1 }}":          `line 1: integer overflow`,
	}
	for source, text := range cases {
		_, err := renderText(source, nil)
		assert.EqualError(t, err, text, source)
	}
	_, err := renderText("{{ raise_exception('x') }}", nil)
	var e *Error
	require.ErrorAs(t, err, &e)
	assert.True(t, e.Raised)
}

func TestHostileTemplatesEnd(t *testing.T) {
	deep := strings.Repeat("(", 5000) + "1" + strings.Repeat(")", 5000)
	hostile := map[string]string{
		"{% for x in range(10**12) %}{% endfor %}":                                       "too",
		"{% for x in range(99999) %}{% for y in range(99999) %}{% endfor %}{% endfor %}": "too",
		"{{ 'a' * 10**12 }}": "too",
		"{{ [1] * 10**12 }}": "too",
		"{{ 'ab'.replace('', 'x' * 10**7).replace('x', 'x' * 10**7) }}":                                                                                          "too",
		"{{ ('x' * 10**7).join('x' * 1000) }}":                                                                                                                   "too",
		"{{ 'a'.center(10**12) }}{{ '%1000000000d' % 3 }}":                                                                                                       "too",
		"{{ '%1000000000d' % 3 }}":                                                                                                                               "too large",
		"{% set ns = namespace(x='ab') %}{% for i in range(99) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}":                                                       "too",
		"{% set ns = namespace(x=[1]) %}{% for i in range(60) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}{{ ns.x|tojson }}":                                      "too",
		"{% set ns = namespace(x=[1]) %}{% for i in range(60) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}{{ ns.x }}":                                             "too",
		"{% set ns = namespace(x=[1], y=[1]) %}{% for i in range(60) %}{% set ns.x = [ns.x, ns.x] %}{% set ns.y = [ns.y, ns.y] %}{% endfor %}{{ ns.x == ns.y }}": "too long",
		"{% set ns = namespace(x=[1]) %}{% for i in range(99999) %}{% set ns.x = [ns.x] %}{% endfor %}{{ ns.x }}":                                                "too",
		"{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}":                                                                                                        "too",
		"{% macro m() %}{{ m() }}{{ m() }}{% endmacro %}{{ m() }}":                                                                                               "too",
		"{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}":                                                                                                "too",
		"{{ " + deep + " }}":                            "nested deeper",
		"{{ " + strings.Repeat("not ", 99999) + "1 }}":  "nested deeper",
		"{{ " + strings.Repeat("-", 99999) + "1 }}":     "nested deeper",
		"{{ 1" + strings.Repeat("+1", 99999) + " }}":    "too",
		strings.Repeat("{% if 1 %}", 9999):              "nested deeper",
		strings.Repeat("x", MaxSource+1):                "at most",
		"{{ 10 ** 1000 }}{{ 9223372036854775807 * 2 }}": "overflow",
	}
	for source, text := range hostile {
		tmpl, err := Parse(source)
		if err == nil {
			_, err = tmpl.Render(nil, Options{Limits: Limits{Steps: 50_000, Bytes: 16 << 20}})
		}
		var e *Error
		if assert.True(t, errors.As(err, &e), "%.80s: %v", source, err) {
			assert.Contains(t, e.Text, text, "%.80s", source)
		}
	}
}

func TestRenderLeavesVariablesAlone(t *testing.T) {
	context := vars(t, []byte(`{"l":[3,1,2],"d":{"b":1,"a":2}}`))
	source := "{{ l|sort }}{{ l|reverse }}{{ d|dictsort }}{% set l = 1 %}{{ dict(d, c=3) }}"
	first, err := renderText(source, context)
	require.NoError(t, err)
	second, err := renderText(source, context)
	require.NoError(t, err)
	assert.Equal(t, first, second)
	assert.Equal(t, vars(t, []byte(`{"l":[3,1,2],"d":{"b":1,"a":2}}`)), context)
}

func TestFromJSON(t *testing.T) {
	for _, bad := range []string{"", "{", "[1,", `{"a"}`, "1 2", strings.Repeat("[", 5000)} {
		_, err := FromJSON([]byte(bad))
		assert.Error(t, err, "%.20s", bad)
	}
	v, err := FromJSON([]byte(`{"z":1,"a":[1.0,1e3,null,true,"x"],"z":12345678901234567890}`))
	require.NoError(t, err)
	text, err := renderText("{{ v|tojson }}", map[string]any{"v": v})
	require.NoError(t, err)
	assert.Equal(t, `{"z": 1.2345678901234567e+19, "a": [1.0, 1000.0, null, true, "x"]}`, text)
}

func FuzzTemplate(f *testing.F) {
	var golden []outcome
	readJSON(f, "../testdata/golden-snippets.json", &golden)
	for _, g := range golden {
		f.Add(g.Source)
	}
	files, _ := filepath.Glob("../testdata/templates/*.jinja")
	for _, file := range files {
		source, _ := os.ReadFile(file)
		f.Add(string(source))
	}
	var in struct{ Context json.RawMessage }
	readJSON(f, "../testdata/snippets.json", &in)
	context := vars(f, in.Context)
	f.Fuzz(func(t *testing.T, source string) {
		tmpl, err := Parse(source)
		if err == nil {
			_, err = tmpl.Render(context, Options{Now: now, Limits: Limits{Steps: 20_000, Bytes: 1 << 20}})
		}
		if err != nil {
			var e *Error
			require.ErrorAs(t, err, &e)
			require.NotContains(t, e.Text, "interpreter failed", "a panic that isn't ours")
		}
	})
}
