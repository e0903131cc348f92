package grammar

import (
	"encoding/json"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/puna-ai/puna"
)

const tree = `{"$ref":"#/$defs/node","$defs":{"node":{"type":"object","properties":{"name":{"type":"string"},"kids":{"type":"array","items":{"$ref":"#/$defs/node"}}},"required":["name","kids"],"additionalProperties":false}}}`

const shape = `{"oneOf":[{"type":"object","properties":{"kind":{"const":"circle"},"r":{"type":"number"}},"required":["kind","r"]},
	{"type":"object","properties":{"kind":{"const":"box"},"w":{"type":"integer"},"h":{"type":"integer"}},"required":["kind","w","h"]}]}`

// cases are schemas with values that their grammars must take and must not take.
var cases = []struct{ name, schema, yes, no string }{
	{"string", `{"type":"string"}`, `"" "a\nb\u00e9\\" "日本😀"`, `a 1 "a "\x" "\ud83d"`},
	{"lengths", `{"type":"string","minLength":2,"maxLength":3}`, `"ab" "abc" "日本"`, `"a" "abcd" ""`},
	{"least length", `{"type":"string","minLength":1}`, `"a" "abcdef"`, `""`},
	{"pattern", `{"type":"string","pattern":"^[a-z]{2,4}-\\d+$"}`, `"ab-1" "abcd-123"`, `"a-1" "ab-" "ab-1x"`},
	{"pattern with quotes", `{"type":"string","pattern":"^[\"\\\\/]x\\.y?(a|bc)*$"}`, `"\"x." "\\x.y" "/x.abca"`, `"xx." "\"xx"`},
	{"pattern without anchors", `{"type":"string","pattern":"ab+"}`, `"ab" "xxabbyy"`, `"a" "ba"`},
	{"pattern, alternatives", `{"type":"string","pattern":"^a|b$"}`, `"ax" "xb"`, `"x"`},
	{"pattern, any case and any", `{"type":"string","pattern":"^(?i:ok).{1,2}[^a-c]$"}`, `"OkxZ" "oKxyz"`, `"ok" "okxa"`},
	{"pattern, unicode", `{"type":"string","pattern":"^[à-ü]+\\p{Han}$"}`, `"éà日"`, `"e日"`},
	{"date", `{"type":"string","format":"date"}`, `"2026-03-05" "2024-12-31"`, `"2026-02-30" "2026-13-01" "x"`},
	{"time", `{"type":"string","format":"time"}`, `"14:07:09Z" "00:00:00.5+02:00"`, `"24:00:00Z" "14:07:09"`},
	{"date-time", `{"type":"string","format":"date-time"}`, `"2026-03-05T14:07:09Z"`, `"2026-03-05" "2026-03-05T14:07Z"`},
	{"uuid", `{"type":"string","format":"uuid"}`, `"123e4567-e89b-12d3-a456-426614174000"`, `"123e4567" "g23e4567-e89b-12d3-a456-426614174000"`},
	{"ipv4", `{"type":"string","format":"ipv4"}`, `"127.0.0.1" "255.9.10.199"`, `"256.0.0.1" "1.2.3"`},
	{"email", `{"type":"string","format":"email"}`, `"a.b@example.com"`, `"a@" "a"`},
	{"uri", `{"type":"string","format":"uri"}`, `"https://example.com/a/b"`, `"example.com"`},
	{"hostname", `{"type":"string","format":"hostname"}`, `"a.example.com"`, `"a b"`},
	{"number", `{"type":"number"}`, `0 -1 1.5 1e9 -0.25E-3`, `01 1. .5 +1 "1" 1e`},
	{"integer", `{"type":"integer"}`, `0 -12 345`, `1.5 01 1e3`},
	{"integer bounds", `{"type":"integer","minimum":-12,"maximum":345}`, `-12 -9 -1 0 9 99 100 299 345`, `-13 346 999 1000 -20 -0 007`},
	{"integer bounds, exclusive", `{"type":"integer","exclusiveMinimum":0,"exclusiveMaximum":100}`, `1 10 99`, `0 100 -1`},
	{"integer bounds, broken", `{"type":"integer","minimum":0.5,"maximum":3.7}`, `1 3`, `0 4`},
	{"least integer", `{"type":"integer","minimum":18}`, `18 19 20 99 100 12345678`, `17 9 -18`},
	{"greatest integer", `{"type":"integer","maximum":-5}`, `-5 -6 -10 -123`, `-4 0 5`},
	{"one integer", `{"type":"integer","minimum":7,"maximum":7}`, `7`, `6 8 77`},
	{"number bounds", `{"type":"number","minimum":0,"maximum":1}`, `0 1 0.5 0.001`, `1.5 -0.5 2 1.1`},
	{"number bounds, exclusive", `{"type":"number","exclusiveMinimum":0,"exclusiveMaximum":2}`, `0.5 1 1.5 1.0`, `0 0.0 2 2.0`},
	{"number bounds, negative", `{"type":"number","minimum":-2,"exclusiveMaximum":0}`, `-2 -1.5 -0.5 -1`, `0 -0.0 -2.5 1`},
	{"number bounds, one", `{"type":"number","minimum":-1}`, `-1 -0.5 0.5 77.25`, `-1.5 -2`},
	{"bool and null", `{"type":["boolean","null"]}`, `true false null`, `0 "true"`},
	{"nullable", `{"type":"string","nullable":true,"maxLength":1}`, `"a" null`, `1 "ab"`},
	{"enum", `{"enum":["a","b\"\n",1,1.50,null,{"x":[1]},"<&>"]}`, `"a" "b\"\n" 1 1.50 null {"x":[1]} "<&>"`, `"c" 2 {"x":[2]}`},
	{"enum and type", `{"type":"string","enum":["a",1,"bb"],"maxLength":1}`, `"a"`, `1 "bb"`},
	{"const", `{"const":{"b":1,"a":[true]}}`, `{"b":1,"a":[true]}`, `{"a":[true],"b":1}`},
	{"object", `{"type":"object","properties":{"z":{"type":"integer"},"a":{"type":"string"}},"required":["z","a"]}`, `{"z":1,"a":""} {·"z":·1,·"a":·""·}`, `{"a":"","z":1} {"z":1} {} {"z":1,"a":"","b":1}`},
	{"optional properties", `{"type":"object","properties":{"a":{"const":1},"b":{"const":2},"c":{"const":3},"d":{"const":4}},"required":["c"]}`,
		`{"c":3} {"a":1,"c":3} {"b":2,"c":3,"d":4} {"a":1,"b":2,"c":3,"d":4}`, `{} {"a":1} {,"c":3} {"c":3,} {"b":2,"a":1,"c":3}`},
	{"all optional", `{"type":"object","properties":{"a":{"const":1},"b":{"const":2}}}`, `{} {"a":1} {"b":2} {"a":1,"b":2}`, `{"b":2,"a":1} {"c":1} {"a":1,}`},
	{"no properties", `{"type":"object","properties":{},"additionalProperties":false}`, `{}`, `{"a":1}`},
	{"any object", `{"type":"object"}`, `{} {"a":{"b":[1,null]}}`, `[] 1`},
	{"other properties", `{"type":"object","properties":{"ab":{"const":1},"a":{"const":2},"q\"":{"const":3}},"required":["ab"],"additionalProperties":{"type":"boolean"}}`,
		`{"ab":1} {"ab":1,"x":true} {"ab":1,"a":2,"abc":false,"b":true,"":true}`, `{"ab":1,"a":true} {"ab":1,"x":1} {"x":true} {"ab":1,"ab":true} {"ab":1,"\u0061":true}`},
	{"a map", `{"type":"object","additionalProperties":{"type":"integer"}}`, `{} {"x":1,"y":2}`, `{"x":""}`},
	{"required but not described", `{"type":"object","properties":{"a":{"const":1}},"required":["b"]}`, `{"a":1,"b":[]} {"b":1}`, `{"a":1}`},
	{"array", `{"type":"array","items":{"type":"integer"}}`, `[] [1] [1,·2,3]`, `[1,] [,] ["a"] [1.5]`},
	{"array bounds", `{"type":"array","items":{"const":1},"minItems":2,"maxItems":3}`, `[1,1] [1,1,1]`, `[] [1] [1,1,1,1]`},
	{"array, least", `{"type":"array","items":{"const":1},"minItems":1}`, `[1] [1,1,1,1]`, `[]`},
	{"array, most", `{"type":"array","items":{"const":1},"maxItems":1}`, `[] [1]`, `[1,1]`},
	{"array, none", `{"type":"array","maxItems":0}`, `[]`, `[1]`},
	{"any array", `{"type":"array"}`, `[] [1,"a",{}]`, `{}`},
	{"tuple", `{"type":"array","prefixItems":[{"const":1},{"const":"a"}],"items":false,"minItems":2}`, `[1,"a"]`, `[1] [] [1,"a",1]`},
	{"tuple and more", `{"type":"array","prefixItems":[{"const":1},{"const":2}],"items":{"const":3},"minItems":1,"maxItems":4}`, `[1] [1,2] [1,2,3] [1,2,3,3]`, `[] [1,3] [1,2,3,3,3]`},
	{"anyOf", `{"anyOf":[{"type":"string"},{"type":"integer"},{"type":"null"}]}`, `"a" 1 null`, `1.5 []`},
	{"anyOf with siblings", `{"type":"object","properties":{"a":{"const":1},"b":{"const":2}},"anyOf":[{"required":["a"]},{"required":["b"]}]}`, `{"a":1} {"b":2} {"a":1,"b":2}`, `{}`},
	{"anyOf, one impossible", `{"anyOf":[{"type":"integer"},{"type":"string","minLength":3,"maxLength":1}]}`, `1`, `"a"`},
	{"oneOf", shape, `{"kind":"circle","r":1.5} {"kind":"box","w":1,"h":2}`, `{"kind":"circle","w":1} {"kind":"x"}`},
	{"oneOf by types", `{"oneOf":[{"type":"string"},{"type":["number","null"]}]}`, `"a" 1 null`, `true`},
	{"allOf", `{"allOf":[{"type":"object","properties":{"a":{"type":"integer","minimum":1}},"required":["a"]},{"properties":{"a":{"maximum":3},"b":{"const":1}},"required":["b"]}]}`, `{"a":1,"b":1} {"a":3,"b":1}`, `{"a":4,"b":1} {"a":1}`},
	{"allOf with a reference", `{"allOf":[{"$ref":"#/$defs/base"}],"properties":{"x":{"type":"integer"}},"required":["x"],"$defs":{"base":{"type":"object","properties":{"id":{"type":"string"}},"required":["id"]}}}`, `{"id":"a","x":1}`, `{"x":1} {"id":"a"}`},
	{"references", `{"type":"object","properties":{"a":{"$ref":"#/$defs/x~1y"},"b":{"$ref":"#/properties/a","description":"d"}},"required":["a","b"],"$defs":{"x/y":{"enum":[1,2]}}}`, `{"a":1,"b":2}`, `{"a":3,"b":1}`},
	{"recursion", tree, `{"name":"a","kids":[{"name":"b","kids":[]}]}`, `{"name":"a"} {"name":"a","kids":[1]}`},
	{"recursion of the root", `{"type":"object","properties":{"next":{"anyOf":[{"$ref":"#"},{"type":"null"}]}},"required":["next"]}`, `{"next":{"next":null}}`, `{"next":1} {}`},
	{"true", `true`, `1 "a" {"a":[null,false]} [] -1.5`, `{a:1} tru`},
	{"empty", `{"title":"anything","x-other":1}`, `1 "a" {}`, `a`},
	{"types by keywords", `{"properties":{"a":{"minLength":1}}}`, `{} {"a":"x"}`, `{"a":""} 1`},
	{"JSON", `"json"`, `{} {"a":1,·"b":[true,{}]}`, `1 [] "a"`},
}

// words splits a list of sentences; · stands for a space inside of one.
func words(list string) []string {
	out := strings.Fields(list)
	for i := range out {
		out[i] = strings.ReplaceAll(out[i], "·", " ")
	}
	return out
}

func validator(t testing.TB, schema string) *jsonschema.Schema {
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(schema))
	require.NoError(t, err)
	c := newCompiler()
	require.NoError(t, c.AddResource("test.json", doc))
	s, err := c.Compile("test.json")
	require.NoError(t, err)
	return s
}

func TestGrammarsTakeAndRefuse(t *testing.T) {
	for _, c := range cases {
		text, err := FromFormat(json.RawMessage(c.schema))
		if !assert.NoError(t, err, c.name) {
			continue
		}
		g := readGBNF(t, text)
		for _, s := range words(c.yes) {
			assert.True(t, g.matches(s), "%s: %s isn't taken by\n%s", c.name, s, text)
		}
		for _, s := range words(c.no) {
			assert.False(t, g.matches(s), "%s: %s is taken by\n%s", c.name, s, text)
		}
	}
}

// TestEverySentenceIsValid draws random sentences and holds them against the schema.
func TestEverySentenceIsValid(t *testing.T) {
	for _, c := range cases {
		schema := c.schema
		text, err := FromFormat(json.RawMessage(schema))
		require.NoError(t, err, c.name)
		if schema == `"json"` {
			schema = `{"type":"object"}`
		}
		if strings.Contains(schema, "nullable") {
			schema = strings.Replace(schema, `"type":"string"`, `"type":["string","null"]`, 1)
		}
		g, v := readGBNF(t, text), validator(t, schema)
		rng := rand.New(rand.NewPCG(7, 7))
		for range 200 {
			var out strings.Builder
			g.sample(rng, g.rules["root"], 0, &out)
			value, err := jsonschema.UnmarshalJSON(strings.NewReader(out.String()))
			require.NoError(t, err, "%s: %s", c.name, out.String())
			require.NoError(t, v.Validate(value), "%s: %s", c.name, out.String())
			require.True(t, json.Valid([]byte(out.String())))
		}
	}
}

func TestNoFormat(t *testing.T) {
	for _, format := range []string{"", "null", `""`, " "} {
		text, err := FromFormat(json.RawMessage(format))
		require.NoError(t, err)
		assert.Empty(t, text)
	}
}

func TestErrorsNameKeywordAndPointer(t *testing.T) {
	refused := map[string]string{
		`{"type":"object","properties":{"a/b":{"type":"array","uniqueItems":true}}}`: `format: schema at "#/properties/a~1b/uniqueItems": the keyword "uniqueItems" is not supported`,
		`{"not":{"type":"string"}}`:                                                       `format: schema at "#/not": the keyword "not" is not supported`,
		`{"if":{"type":"string"},"then":{"minLength":1}}`:                                 `format: schema at "#/if": the keyword "if" is not supported`,
		`{"type":"integer","multipleOf":3}`:                                               `format: schema at "#/multipleOf": the keyword "multipleOf" is not supported`,
		`{"type":"object","patternProperties":{"^x":{}}}`:                                 `format: schema at "#/patternProperties": the keyword "patternProperties" is not supported`,
		`{"type":"string","format":"color"}`:                                              `format: schema at "#/format": the format "color" is not supported`,
		`{"type":"string","pattern":"(a*)+b"}`:                                            `format: schema at "#/pattern": the pattern "(a*)+b" is not supported: (a*) repeats what may be empty`,
		`{"type":"string","pattern":"a\\bc"}`:                                             `format: schema at "#/pattern": the pattern "a\\bc" is not supported: \b`,
		`{"type":"string","pattern":"a","maxLength":3}`:                                   `format: schema at "#/maxLength": maxLength together with pattern is not supported: say the length in the pattern`,
		`{"type":"string","minLength":3,"maxLength":1}`:                                   `format: schema at "#/minLength": no string has at least 3 and at most 1 characters`,
		`{"type":"string","maxLength":100000}`:                                            `format: schema at "#/maxLength": 100000 is more than 2000`,
		`{"type":"array","minItems":3,"maxItems":1}`:                                      `format: schema at "#/minItems": no array has at least 3 and at most 1 items`,
		`{"type":"integer","minimum":5,"maximum":4}`:                                      `format: schema at "#/minimum": the bounds leave no number that a grammar can describe`,
		`{"type":"number","minimum":0.25,"maximum":0.75}`:                                 `format: schema at "#/minimum": the bounds leave no number that a grammar can describe`,
		`{"oneOf":[{"type":"integer"},{"type":"number"}]}`:                                `format: schema at "#/oneOf": a value could match both schemas 0 and 1: tell them apart by type or by a const in a required property, or use anyOf`,
		`{"oneOf":[{"minLength":1},{"type":"integer"}]}`:                                  `format: schema at "#/oneOf": a value could match both schemas 0 and 1: tell them apart by type or by a const in a required property, or use anyOf`,
		`{"allOf":[{"type":"string"},{"type":"integer"}]}`:                                `format: schema at "#/allOf/1/type": no value has both types "string" and "integer"`,
		`{"allOf":[{"pattern":"a"},{"pattern":"b"}]}`:                                     `format: schema at "#/allOf/1/pattern": two different "pattern" can't be merged`,
		`{"type":"object","required":["a"],"properties":{},"additionalProperties":false}`: `format: schema at "#/required": "a" is required but additionalProperties forbids it`,
		`{"$ref":"#"}`: `format: schema at "#": a $ref leads back to itself`,
		`{"anyOf":[{"$ref":"#/$defs/a"},{"type":"null"}],"$defs":{"a":{"anyOf":[{"$ref":"#"},{"type":"string"}]}}}`:     `format: schema at "#": a $ref leads back to itself`,
		`{"$ref":"#/$defs/x","$defs":{"x":{"type":"object","properties":{"y":{"$ref":"#/$defs/x"}},"required":["y"]}}}`: `format: schema at "#/$defs/x": a value here would never end`,
		`false`:                           `format: schema at "#": no value is valid here`,
		`{"enum":["a"],"type":"integer"}`: `format: schema at "#/enum": no value of "enum" is valid here`,
		`"yaml"`:                          `format: "yaml" is neither "json" nor a JSON schema`,
		`{"type":`:                        `format: the schema is not JSON: unexpected EOF`,
	}
	for schema, want := range refused {
		_, err := FromFormat(json.RawMessage(schema))
		if assert.Error(t, err, schema) {
			assert.Equal(t, want, err.Error(), schema)
			assert.Equal(t, puna.Invalid, puna.KindOf(err))
		}
	}
	for _, schema := range []string{`{"type":"strin"}`, `{"properties":[]}`, `5`, `[]`, `{"$ref":"#/nowhere"}`, `{"$ref":"file:///etc/passwd"}`, `{"$ref":"https://example.com/x.json"}`, `{"minimum":"1"}`} {
		_, err := FromFormat(json.RawMessage(schema))
		assert.ErrorContains(t, err, "format: the schema is not valid", schema)
		assert.Equal(t, puna.Invalid, puna.KindOf(err))
	}
}

func TestHostileSchemasEnd(t *testing.T) {
	deep := strings.Repeat(`{"type":"array","items":`, 350) + "{}" + strings.Repeat("}", 350)
	wide := `{"$ref":"#/$defs/d0","$defs":{`
	for i := range 40 {
		wide += `"d` + string(rune('0'+i/10)) + string(rune('0'+i%10)) + `":{"type":"string"},`
	}
	bomb := `{"allOf":[{"$ref":"#/$defs/a0"}],"$defs":{`
	for i := range 30 {
		a, b := "a"+strings.Repeat("x", i), "a"+strings.Repeat("x", i+1)
		if i == 0 {
			a = "a0"
		}
		bomb += `"` + a + `":{"allOf":[{"$ref":"#/$defs/` + b + `"},{"$ref":"#/$defs/` + b + `"}]},`
	}
	bomb += `"a` + strings.Repeat("x", 30) + `":{"type":"object"}}}`
	var many strings.Builder
	for i := range 60 {
		many.WriteString(`,"p` + strings.Repeat("y", i) + `":{"type":"string","maxLength":2000}`)
	}
	hostile := []string{deep, bomb, `{"type":"object","properties":{"a":{}` + many.String() + `}}`,
		`{"type":"array","minItems":2000,"items":{"type":"array","minItems":2000,"items":{"enum":[` + strings.Repeat(`"x",`, 50_000) + `"y"]}}}`,
		`{"description":"` + strings.Repeat("x", 2<<20) + `"}`, `{"allOf":[{"$ref":"#"}]}`}
	for _, schema := range hostile {
		_, err := FromFormat(json.RawMessage(schema))
		if assert.Error(t, err, "%.80s", schema) {
			assert.Equal(t, puna.Invalid, puna.KindOf(err), "%.80s", schema)
		}
	}
}

func FuzzSchema(f *testing.F) {
	for _, c := range cases {
		f.Add(c.schema, uint64(1))
	}
	f.Fuzz(func(t *testing.T, schema string, seed uint64) {
		text, err := FromFormat(json.RawMessage(schema))
		if err != nil {
			require.Equal(t, puna.Invalid, puna.KindOf(err), err)
			return
		}
		if text == "" || len(text) > 50_000 || strings.Contains(schema, "nullable") || strings.Contains(schema, `"json"`) {
			return
		}
		g, v := readGBNF(t, text), validator(t, schema)
		var out strings.Builder
		g.sample(rand.New(rand.NewPCG(seed, 1)), g.rules["root"], 0, &out)
		value, err := jsonschema.UnmarshalJSON(strings.NewReader(out.String()))
		require.NoError(t, err, out.String())
		require.NoError(t, v.Validate(value), out.String())
	})
}
