package grammar

import (
	"encoding/json"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// either is a rule for one of terms.
func (b *builder) either(pointer, hint string, terms []string) string {
	if len(terms) == 1 {
		return terms[0]
	}
	name := b.rule(pointer, hint, strings.Join(terms, " | "))
	b.units[name] = terms
	return name
}

// checkLeftRecursion refuses rules that lead back to themselves without any text,
// which llama.cpp can't run.
func (b *builder) checkLeftRecursion() {
	const open, closed = 1, 2
	state := map[string]int{}
	var walk func(name string)
	walk = func(name string) {
		state[name] = open
		for _, next := range b.units[name] {
			switch state[next] {
			case open:
				fail("", "a $ref leads back to itself")
			case 0:
				walk(next)
			}
		}
		state[name] = closed
	}
	for name := range b.units {
		if state[name] == 0 {
			walk(name)
		}
	}
}

// target finds what s's $ref refers to.
func (b *builder) target(s schema) schema {
	ref, _ := s.object().values["$ref"].(string)
	at := s.pointer + escape("$ref")
	fragment, err := url.PathUnescape(strings.TrimPrefix(ref, "#"))
	if err != nil || !strings.HasPrefix(ref, "#") || fragment != "" && fragment[0] != '/' {
		fail(at, "the reference %q is not supported: use a JSON pointer into this schema", ref)
	}
	out := schema{value: b.doc, pointer: fragment}
	if fragment == "" {
		return out
	}
	for _, part := range strings.Split(fragment[1:], "/") {
		part = strings.NewReplacer("~1", "/", "~0", "~").Replace(part)
		switch v := out.value.(type) {
		case *object:
			out.value = v.values[part]
		case []any:
			i, err := strconv.Atoi(part)
			if err != nil || i < 0 || i >= len(v) {
				fail(at, "the reference %q leads nowhere", ref)
			}
			out.value = v[i]
		}
	}
	switch out.value.(type) {
	case *object, bool:
		return out
	}
	fail(at, "the reference %q leads to no schema", ref)
	return out
}

// ref is a rule for the target of a reference, shared by all that refer to it.
func (b *builder) ref(s schema, hint string) string {
	if restricts(s.object().without("$ref")) {
		return b.visit(b.flatten(s, 0), hint)
	}
	to := b.target(s)
	if name, ok := b.refs[to.pointer]; ok {
		return name
	}
	name := b.reserve(hint[strings.LastIndexByte(hint, '-')+1:] + to.pointer)
	b.refs[to.pointer] = name
	b.refLog = append(b.refLog, to.pointer)
	term := b.visit(to, hint)
	b.define(s.pointer, name, term)
	b.units[name] = []string{term}
	return name
}

// restricts reports whether a schema says more than annotations.
func restricts(o *object) bool {
	return slices.ContainsFunc(o.keys, func(key string) bool { return !slices.Contains(annotations, key) })
}

// anyOf is the alternatives of anyOf or oneOf, each together with what else s says.
func (b *builder) anyOf(s schema, key, hint string) string {
	list, _ := s.object().values[key].([]any)
	base := schema{s.object().without(append(annotations, key)...), s.pointer, s.merged}
	if key == "oneOf" {
		for i := range list {
			for j := range i {
				if !b.disjoint(s.at(list[i], key, strconv.Itoa(i)), s.at(list[j], key, strconv.Itoa(j)), 0) {
					fail(s.pointer+escape(key), "a value could match both schemas %d and %d: tell them apart by type or by a const in a required property, or use anyOf", j, i)
				}
			}
		}
	}
	var terms []string
	var why *schemaError
	for i, v := range list {
		alt := s.at(v, key, strconv.Itoa(i))
		why = b.try(why, func() {
			if len(base.object().keys) > 0 {
				alt = b.merge(base, b.flatten(alt, 0))
			}
			if term := b.visit(alt, hint+"-"+strconv.Itoa(i)); !slices.Contains(terms, term) {
				terms = append(terms, term)
			}
		})
	}
	if len(terms) == 0 {
		panic(why)
	}
	return b.either(s.pointer, hint, terms)
}

// try runs fn and gives the error by which it found that no value is valid.
func (b *builder) try(before *schemaError, fn func()) (why *schemaError) {
	depth, known := b.depth, len(b.refLog)
	defer func() {
		p := recover()
		if p == nil {
			return
		}
		e, ok := p.(*schemaError)
		if !ok || !e.impossible {
			panic(p)
		}
		// Rules that were begun are left behind; nothing refers to them.
		for _, pointer := range b.refLog[known:] {
			delete(b.refs, pointer)
		}
		b.depth, b.refLog, why = depth, b.refLog[:known], e
	}()
	fn()
	return before
}

// flatten resolves s's $ref and allOf into one schema.
func (b *builder) flatten(s schema, depth int) schema {
	if b.visits++; depth > maxDepth || b.visits > maxVisits {
		fail(s.pointer, "the references or allOf are nested too deeply")
	}
	o := s.object()
	if o == nil || !o.has("$ref") && !o.has("allOf") {
		return s
	}
	out := schema{newObject(), s.pointer, true}
	if o.has("$ref") {
		out = b.merge(out, b.flatten(b.target(s), depth+1))
	}
	list, _ := o.values["allOf"].([]any)
	for i, v := range list {
		out = b.merge(out, b.flatten(s.at(v, "allOf", strconv.Itoa(i)), depth+1))
	}
	return b.merge(out, schema{o.without("$ref", "allOf"), s.pointer, true})
}

// merge makes one schema of two that both must hold.
func (b *builder) merge(x, y schema) schema {
	for _, s := range []schema{x, y} {
		if v, ok := s.value.(bool); ok {
			if !v {
				impossible(s.pointer, "no value is valid here")
			}
			if x.value == true {
				return y
			}
			return x
		}
	}
	left, right := fence(x.object(), y.object()), fence(y.object(), x.object())
	out := left.without()
	for _, key := range right.keys {
		v, w := out.values[key], right.values[key]
		switch {
		case slices.Contains(annotations, key):
		case !out.has(key):
			out.set(key, w)
		default:
			out.set(key, b.mergeKey(y.pointer, key, v, w))
		}
	}
	return schema{out, x.pointer, true}
}

func both(v, w any) any {
	if encode(v) == encode(w) {
		return v
	}
	o := newObject()
	o.set("allOf", []any{v, w})
	return o
}

func (b *builder) mergeKey(pointer, key string, v, w any) any {
	if encode(v) == encode(w) {
		return v
	}
	switch key {
	case "type":
		return mergeTypes(pointer, v, w)
	case "properties":
		out := v.(*object).without()
		for _, name := range w.(*object).keys {
			if out.has(name) {
				out.set(name, both(out.values[name], w.(*object).values[name]))
			} else {
				out.set(name, w.(*object).values[name])
			}
		}
		return out
	case "required":
		return append(slices.Clone(v.([]any)), w.([]any)...)
	case "additionalProperties", "items":
		if v == false || w == false {
			return false
		}
		return both(v, w)
	case "minimum", "exclusiveMinimum", "minLength", "minItems":
		return extreme(v, w, 1)
	case "maximum", "exclusiveMaximum", "maxLength", "maxItems":
		return extreme(v, w, -1)
	case "enum":
		var out []any
		for _, item := range v.([]any) {
			if slices.ContainsFunc(w.([]any), func(x any) bool { return encode(x) == encode(item) }) {
				out = append(out, item)
			}
		}
		return out
	case "const":
		impossible(pointer+escape(key), "two consts exclude each other")
	case "anyOf":
		alts := []any{}
		for _, alt := range v.([]any) {
			o := newObject()
			o.set("anyOf", w)
			alts = append(alts, both(alt, o))
		}
		return alts
	}
	fail(pointer+escape(key), "two different %q can't be merged", key)
	return nil
}

func extreme(v, w any, sign float64) any {
	x, _ := v.(json.Number)
	y, _ := w.(json.Number)
	fx, _ := x.Float64()
	fy, _ := y.Float64()
	if fx*sign >= fy*sign {
		return v
	}
	return w
}

func mergeTypes(pointer string, v, w any) any {
	list := func(v any) []any {
		if l, ok := v.([]any); ok {
			return l
		}
		return []any{v}
	}
	var out []any
	for _, x := range list(v) {
		for _, y := range list(w) {
			switch {
			case x == y:
				out = append(out, x)
			case x == "integer" && y == "number" || x == "number" && y == "integer":
				out = append(out, "integer")
			}
		}
	}
	if len(out) == 0 {
		impossible(pointer+escape("type"), "no value has both types %s and %s", encode(v), encode(w))
	}
	return out
}

// fence gives o what its additionalProperties says of properties that only other
// names.
func fence(o, other *object) *object {
	extra, ok := o.values["additionalProperties"]
	theirs, _ := other.values["properties"].(*object)
	if !ok || extra == true || theirs == nil {
		return o
	}
	props := newObject()
	if mine, ok := o.values["properties"].(*object); ok {
		props = mine.without()
	}
	for _, name := range theirs.keys {
		if !props.has(name) {
			props.set(name, extra)
		}
	}
	out := o.without()
	out.set("properties", props)
	return out
}
