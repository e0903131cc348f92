package grammar

import (
	"slices"
	"strconv"
)

// disjoint reports whether surely no value is valid for both x and y.
func (b *builder) disjoint(x, y schema, depth int) bool {
	if b.visits++; depth > 10 || b.visits > maxVisits {
		return false
	}
	for _, s := range []*schema{&x, &y} {
		for n := 0; s.object() != nil && s.object().has("$ref") && n < 10; n++ {
			if restricts(s.object().without("$ref")) {
				return false
			}
			*s = b.target(*s)
		}
	}
	if x.value == false || y.value == false {
		return true
	}
	ox, oy := x.object(), y.object()
	if ox == nil || oy == nil {
		return false
	}
	if b.novalueOf(x, y) || b.novalueOf(y, x) || b.alternativesApart(x, y, depth) || b.alternativesApart(y, x, depth) {
		return true
	}
	common := slices.DeleteFunc(strictTypes(ox), func(t string) bool { return !slices.Contains(strictTypes(oy), t) })
	if len(common) == 0 {
		return true
	}
	if len(common) > 1 || common[0] != "object" {
		return false
	}
	for _, key := range append(requiredOf(x), requiredOf(y)...) {
		if b.disjoint(propertyOf(x, key), propertyOf(y, key), depth+1) {
			return true
		}
	}
	return false
}

// strictTypes are the types of the values that o takes; whole numbers count as
// both integer and number.
func strictTypes(o *object) []string {
	if !o.has("type") {
		return slices.Clone(typeOrder)
	}
	types := typesOf(schema{value: o})
	if slices.Contains(types, "number") {
		types = append(types, "integer")
	}
	if o.values["nullable"] == true {
		types = append(types, "null")
	}
	return types
}

// novalueOf reports whether x lists its values and none of them is valid for y.
func (b *builder) novalueOf(x, y schema) bool {
	var list []any
	if v, ok := x.object().values["const"]; ok {
		list = []any{v}
	} else if list, ok = x.object().values["enum"].([]any); !ok {
		return false
	}
	rest := b.compile(y)
	for _, v := range list {
		if b.visits++; b.visits > maxVisits || rest.Validate(plain(v)) == nil {
			return false
		}
	}
	return true
}

// alternativesApart reports whether x has alternatives, none of which shares a value
// with y.
func (b *builder) alternativesApart(x, y schema, depth int) bool {
	for _, key := range []string{"anyOf", "oneOf"} {
		list, ok := x.object().values[key].([]any)
		if !ok {
			continue
		}
		apart := true
		for i, v := range list {
			apart = apart && b.disjoint(x.at(v, key, strconv.Itoa(i)), y, depth+1)
		}
		if apart {
			return true
		}
	}
	return false
}

// propertyOf is what s says of a property.
func propertyOf(s schema, key string) schema {
	o := s.object()
	if props, ok := o.values["properties"].(*object); ok && props.has(key) {
		return s.at(props.values[key], "properties", key)
	}
	if extra, ok := o.values["additionalProperties"]; ok {
		return s.at(extra, "additionalProperties")
	}
	return schema{value: true, pointer: s.pointer}
}
