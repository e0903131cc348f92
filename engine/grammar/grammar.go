package grammar

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/puna-ai/puna"
)

// Bounds of what a schema may ask for.
const (
	maxSchema     = 1 << 20 // bytes
	maxDepth      = 100     // of nested schemas
	maxVisits     = 20_000  // schemas looked at, one that is used twice counts twice
	maxGrammar    = 1 << 20 // bytes
	maxRepeat     = 2000    // llama.cpp's bound of x{m,n}
	maxRepeatsSum = 50_000  // of all x{m,n}: llama.cpp makes a rule or a copy for each
)

// FromFormat translates [puna.Request.Format] to GBNF whose start symbol is
// "root": "" for nil (and JSON's null and ""), any JSON object for `"json"`, else
// what the JSON schema describes. Everything that it can't express is a
// [puna.Invalid] error that names the keyword and its JSON pointer. References
// lead nowhere but into the schema itself.
func FromFormat(format json.RawMessage) (string, error) {
	text := bytes.TrimSpace(format)
	switch string(text) {
	case "", "null", `""`:
		return "", nil
	case `"json"`:
		b := newBuilder(nil)
		b.rules["root"] = b.prim("object")
		return b.String(), nil
	}
	if len(text) > maxSchema {
		return "", puna.Errorf(puna.Invalid, "format: the schema has %d bytes; at most %d are allowed", len(text), maxSchema)
	}
	if text[0] != '{' && !json.Valid(text) || text[0] == '"' {
		return "", puna.Errorf(puna.Invalid, `format: %.80s is neither "json" nor a JSON schema`, text)
	}
	return fromSchema(text)
}

func fromSchema(text []byte) (grammar string, err error) {
	doc, err := decode(text)
	if err != nil {
		return "", puna.Errorf(puna.Invalid, "format: the schema is not JSON: %w", err)
	}
	compiler, err := check(text)
	if err != nil {
		return "", err
	}
	b := newBuilder(doc)
	b.compiler = compiler
	err = b.guarded(func() {
		b.rules["root"] = b.visit(schema{value: doc}, "root")
		b.checkLeftRecursion()
		b.checkFinite()
	})
	if err != nil {
		return "", puna.Errorf(puna.Invalid, "format: %w", err)
	}
	return b.String(), nil
}

// guarded returns what build leaves the builder with.
func (b *builder) guarded(build func()) (err error) {
	defer func() {
		switch p := recover().(type) {
		case nil:
		case *schemaError:
			err = p
		default:
			panic(p)
		}
	}()
	build()
	return nil
}

const resource = "schema.json"

// check holds the schema against its metaschema.
func check(text []byte) (*jsonschema.Compiler, error) {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return nil, puna.Errorf(puna.Invalid, "format: the schema is not JSON: %w", err)
	}
	c := newCompiler()
	if err := c.AddResource(resource, doc); err != nil {
		return nil, puna.Errorf(puna.Invalid, "format: the schema is not valid: %w", err)
	}
	if _, err := c.Compile(resource); err != nil {
		return nil, puna.Errorf(puna.Invalid, "format: the schema is not valid: %w", err)
	}
	return c, nil
}

func newCompiler() *jsonschema.Compiler {
	c := jsonschema.NewCompiler()
	c.UseLoader(jsonschema.SchemeURLLoader{}) // no files, no network
	c.AssertFormat()
	return c
}

// schemaError is what a grammar can't express.
type schemaError struct {
	pointer    string
	text       string
	impossible bool // no value is valid, which an alternative may say
}

func (e *schemaError) Error() string {
	return fmt.Sprintf("schema at %q: %s", "#"+e.pointer, e.text)
}

// fail leaves the builder.
func fail(pointer, format string, args ...any) {
	panic(&schemaError{pointer: pointer, text: fmt.Sprintf(format, args...)})
}

// impossible leaves the builder for the next alternative, if there is one.
func impossible(pointer, format string, args ...any) {
	panic(&schemaError{pointer, fmt.Sprintf(format, args...), true})
}

// builder collects rules.
type builder struct {
	doc      any
	compiler *jsonschema.Compiler
	rules    map[string]string   // name to right side
	refs     map[string]string   // JSON pointer of a $ref's target to rule
	refLog   []string            // keys of refs, in the order of their coming
	units    map[string][]string // rules that are nothing but alternatives, to these
	visits   int
	depth    int
	repeats  int
	size     int
}

func newBuilder(doc any) *builder {
	return &builder{doc: doc, rules: map[string]string{}, refs: map[string]string{}, units: map[string][]string{}}
}

// String is the grammar, root first.
func (b *builder) String() string {
	names := make([]string, 0, len(b.rules))
	for name := range b.rules {
		if name != "root" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	var out strings.Builder
	for _, name := range append([]string{"root"}, names...) {
		fmt.Fprintf(&out, "%s ::= %s\n", name, b.rules[name])
	}
	return out.String()
}

// rule adds a rule under a name like hint and returns its name.
func (b *builder) rule(pointer, hint, body string) string {
	name := b.reserve(hint)
	b.define(pointer, name, body)
	return name
}

// reserve takes a name whose rule comes later.
func (b *builder) reserve(hint string) string {
	clean := strings.Map(func(c rune) rune {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' {
			return c
		}
		return '-'
	}, hint[max(0, len(hint)-60):])
	name := "r-" + clean
	for i := 2; ; i++ {
		if _, taken := b.rules[name]; !taken {
			break
		}
		name = fmt.Sprintf("r-%s-%d", clean, i)
	}
	b.rules[name] = `""`
	return name
}

func (b *builder) define(pointer, name, body string) {
	if b.size += len(name) + len(body); b.size > maxGrammar {
		fail(pointer, "the schema is too large for a grammar")
	}
	b.rules[name] = body
}

// repeat is item{lo,hi}; hi < 0 means without end. item must be one term that
// can't be empty.
func (b *builder) repeat(pointer, item string, lo, hi int) string {
	if lo > maxRepeat || hi > maxRepeat {
		fail(pointer, "%d repetitions are more than %d", max(lo, hi), maxRepeat)
	}
	if b.repeats += max(lo, hi); b.repeats > maxRepeatsSum {
		fail(pointer, "the schema asks for too many repetitions")
	}
	switch {
	case lo == 0 && hi < 0:
		return item + "*"
	case lo == 1 && hi < 0:
		return item + "+"
	case lo == 0 && hi == 1:
		return item + "?"
	case hi < 0:
		return fmt.Sprintf("%s{%d,}", item, lo)
	case lo == 1 && hi == 1:
		return item
	case hi == 0:
		return `""`
	}
	return fmt.Sprintf("%s{%d,%d}", item, lo, hi)
}

// The rules that schemas share. White space may end after one space, or after a
// line break with an indent, so that a model can't go on with it for ever.
var prims = map[string]string{
	"ws":     `"" | " " | "\n" [ \t]{0,20}`,
	"char":   `[^"\\\x00-\x1F\x7F] | "\\" (["\\/bfnrt] | "u" ([0-9a-cA-CefEF] [0-9a-fA-F]{3} | [dD] [0-7] [0-9a-fA-F]{2}))`,
	"string": `"\"" char* "\""`,
	"int":    `"0" | [1-9] [0-9]{0,14}`,
	"frac":   `"." [0-9]{1,15}`,
	"number": `"-"? int frac? ([eE] [-+]? [0-9]{1,2})?`,
	"null":   `"null"`,
	"bool":   `"true" | "false"`,
	"member": `string ":" ws value`,
	"object": `"{" ws (member ("," ws member)* ws)? "}"`,
	"array":  `"[" ws (value ("," ws value)* ws)? "]"`,
	"value":  `object | array | string | number | bool | null`,
}

var primUses = map[string][]string{"string": {"char"}, "number": {"int", "frac"}, "member": {"string", "ws", "value"},
	"object": {"ws", "member"}, "array": {"ws", "value"}, "value": {"object", "array", "string", "number", "bool", "null"}}

// prim adds one of the shared rules, and what it uses, and returns its name.
func (b *builder) prim(name string) string {
	if _, ok := b.rules[name]; !ok {
		b.rules[name] = prims[name]
		for _, used := range primUses[name] {
			b.prim(used)
		}
	}
	return name
}

// literal is text as a GBNF string.
func literal(text string) string {
	var out strings.Builder
	out.WriteByte('"')
	for _, c := range text {
		switch {
		case c == '"' || c == '\\':
			out.WriteByte('\\')
			out.WriteRune(c)
		case c == '\n':
			out.WriteString(`\n`)
		case c == '\r':
			out.WriteString(`\r`)
		case c == '\t':
			out.WriteString(`\t`)
		case c < 0x20 || c == 0x7f:
			fmt.Fprintf(&out, `\x%02X`, c)
		default:
			out.WriteRune(c)
		}
	}
	out.WriteByte('"')
	return out.String()
}
