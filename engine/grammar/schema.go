package grammar

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// schema is a part of the document: an *object or a bool.
type schema struct {
	value   any
	pointer string // where it stands
	merged  bool   // it is made of several, and stands nowhere as it is
}

func (s schema) object() *object { o, _ := s.value.(*object); return o }

// at is the schema behind keys, each a property or an index.
func (s schema) at(v any, keys ...string) schema {
	for _, key := range keys {
		s.pointer += escape(key)
	}
	s.value = v
	return s
}

// annotations don't restrict values.
var annotations = []string{"title", "description", "default", "examples", "$schema", "$id", "id", "$comment", "$defs",
	"definitions", "deprecated", "readOnly", "writeOnly", "$anchor", "discriminator", "contentEncoding", "contentMediaType", "contentSchema", "$vocabulary"}

// unsupported keywords restrict values in ways that a grammar can't follow.
var unsupported = []string{"not", "if", "then", "else", "dependentRequired", "dependentSchemas", "dependencies",
	"patternProperties", "propertyNames", "unevaluatedProperties", "unevaluatedItems", "contains", "minContains",
	"maxContains", "uniqueItems", "multipleOf", "minProperties", "maxProperties", "additionalItems",
	"$dynamicRef", "$dynamicAnchor", "$recursiveRef", "$recursiveAnchor"}

// keywords by the type that they are about.
var keywords = map[string][]string{
	"object":  {"properties", "required", "additionalProperties"},
	"array":   {"items", "prefixItems", "minItems", "maxItems"},
	"string":  {"minLength", "maxLength", "pattern", "format"},
	"integer": nil, // as of number
	"number":  {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"},
	"boolean": nil,
	"null":    nil,
}

var typeOrder = []string{"object", "array", "string", "integer", "number", "boolean", "null"}

// checkKeywords refuses what can't be expressed; what isn't a keyword of JSON
// Schema restricts nothing.
func checkKeywords(s schema) {
	o := s.object()
	for _, key := range o.keys {
		v := o.values[key]
		if !slices.Contains(unsupported, key) || key == "uniqueItems" && v == false || key == "multipleOf" && v == json.Number("1") ||
			(key == "minProperties" || key == "minContains") && v == json.Number("0") {
			continue
		}
		if (key == "then" || key == "else") && !o.has("if") {
			continue
		}
		fail(s.pointer+escape(key), "the keyword %q is not supported", key)
	}
}

// visit returns an expression for s: a single term, often the name of a rule.
func (b *builder) visit(s schema, hint string) string {
	if b.visits++; b.visits > maxVisits {
		fail(s.pointer, "the schema is too large for a grammar")
	}
	if b.depth++; b.depth > maxDepth {
		fail(s.pointer, "the schema is nested deeper than %d levels", maxDepth)
	}
	defer func() { b.depth-- }()
	if v, ok := s.value.(bool); ok {
		if !v {
			impossible(s.pointer, "no value is valid here")
		}
		return b.prim("value")
	}
	o := s.object()
	if o == nil {
		fail(s.pointer, "a schema must be an object or a bool")
	}
	if o.has("$id") && s.pointer != "" {
		fail(s.pointer+escape("$id"), "an $id within a schema is not supported")
	}
	if o.values["nullable"] == true {
		rest := schema{o.without("nullable"), s.pointer, true}
		if takes(rest, "null") {
			return b.visit(rest, hint)
		}
		return b.either(s.pointer, hint, []string{b.visit(rest, hint), b.prim("null")})
	}
	for _, key := range []string{"const", "enum"} {
		if o.has(key) {
			return b.values(s, key, hint)
		}
	}
	checkKeywords(s)
	switch {
	case o.has("$ref"):
		return b.ref(s, hint)
	case o.has("allOf"):
		return b.visit(b.flatten(s, 0), hint)
	case o.has("anyOf"):
		return b.anyOf(s, "anyOf", hint)
	case o.has("oneOf"):
		return b.anyOf(s, "oneOf", hint)
	}
	return b.types(s, hint)
}

// types is the alternatives of a schema's types.
func (b *builder) types(s schema, hint string) string {
	types := typesOf(s)
	if len(types) == len(typeOrder) {
		return b.prim("value")
	}
	if slices.Contains(types, "number") {
		types = slices.DeleteFunc(types, func(t string) bool { return t == "integer" })
	}
	terms := make([]string, len(types))
	for i, t := range types {
		terms[i] = b.typed(s, t, hint)
	}
	return b.either(s.pointer, hint, terms)
}

func (b *builder) typed(s schema, typ, hint string) string {
	switch typ {
	case "object":
		return b.object(s, hint)
	case "array":
		return b.array(s, hint)
	case "string":
		return b.str(s, hint)
	case "integer", "number":
		return b.number(s, typ == "integer", hint)
	case "boolean":
		return b.prim("bool")
	}
	return b.prim("null")
}

// typesOf are the types that values of s may have here, all of them without any
// restriction.
func typesOf(s schema) []string {
	o := s.object()
	switch t := o.values["type"].(type) {
	case string:
		return []string{t}
	case []any:
		var types []string
		for _, name := range t {
			if name, ok := name.(string); ok {
				types = append(types, name)
			}
		}
		return types
	}
	for _, typ := range typeOrder {
		for _, key := range keywords[typ] {
			if o.has(key) {
				return []string{typ}
			}
		}
	}
	return slices.Clone(typeOrder)
}

func takes(s schema, typ string) bool {
	o := s.object()
	return !o.has("$ref") && !o.has("enum") && !o.has("const") && !o.has("anyOf") && !o.has("oneOf") && !o.has("allOf") &&
		slices.Contains(typesOf(s), typ)
}

// values is the alternatives of enum or const, of those that the rest of the schema
// takes.
func (b *builder) values(s schema, key, hint string) string {
	list, ok := s.object().values[key].([]any)
	if key == "const" || !ok {
		list = []any{s.object().values[key]}
	}
	var terms []string
	seen := map[string]bool{}
	rest := b.compile(s)
	for _, v := range list {
		if b.visits++; b.visits > maxVisits {
			fail(s.pointer+escape(key), "there are too many values")
		}
		if term := literal(encode(v)); !seen[term] && rest.Validate(plain(v)) == nil {
			seen[term] = true
			terms = append(terms, term)
		}
	}
	if len(terms) == 0 {
		impossible(s.pointer+escape(key), "no value of %q is valid here", key)
	}
	return b.rule(s.pointer, hint, strings.Join(terms, " | "))
}

// compile makes a validator of all of s.
func (b *builder) compile(s schema) *jsonschema.Schema {
	c, at := b.compiler, resource+"#"+(&url.URL{Fragment: s.pointer}).EscapedFragment()
	if s.merged {
		c, at = newCompiler(), resource
		doc, _ := plain(s.value).(map[string]any)
		if all, ok := plain(b.doc).(map[string]any); ok {
			for _, key := range []string{"$schema", "$defs", "definitions"} {
				if _, has := doc[key]; !has && all[key] != nil {
					doc[key] = all[key]
				}
			}
		}
		if err := c.AddResource(resource, doc); err != nil {
			fail(s.pointer, "%v", err)
		}
	}
	compiled, err := c.Compile(at)
	if err != nil {
		fail(s.pointer, "the schemas can't be combined: %v", err)
	}
	return compiled
}

// plain turns decoded JSON into the types of package jsonschema.
func plain(v any) any {
	switch v := v.(type) {
	case *object:
		m := make(map[string]any, len(v.keys))
		for _, key := range v.keys {
			m[key] = plain(v.values[key])
		}
		return m
	case []any:
		list := make([]any, len(v))
		for i, item := range v {
			list[i] = plain(item)
		}
		return list
	}
	return v
}

// integer reads a keyword that counts something; def where it is absent.
func (s schema) integer(key string, def int) int {
	n, ok := s.object().values[key].(json.Number)
	if !ok {
		return def
	}
	f, err := strconv.ParseFloat(n.String(), 64)
	if err != nil || f < 0 || f > maxRepeat {
		fail(s.pointer+escape(key), "%s is more than %d", n, maxRepeat)
	}
	return int(f)
}

// alternatives joins terms, in parentheses where there is more than one.
func alternatives(terms []string) string {
	if len(terms) == 1 {
		return terms[0]
	}
	return fmt.Sprintf("(%s)", strings.Join(terms, " | "))
}
