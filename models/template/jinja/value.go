package jinja

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
)

// A value is one of: nil (None), undefined, bool, int, float64, string, *list,
// *Dict, *namespace, callable.

// undefined is what a name or an access without a value gives.
type undefined struct{ what string }

// list is a Python list or tuple.
type list struct {
	items []any
	tuple bool
}

// namespace is what namespace() makes: the only thing that a template can change.
type namespace struct{ attrs *Dict }

// callable is a function, a macro or a method bound to its object.
type callable struct {
	name string
	call func(r *run, line int, a args) any
}

// args are the arguments of a call.
type args struct {
	pos    []any
	names  []string
	values []any // of names
}

// Dict is a mapping that keeps the order of its keys.
type Dict struct {
	keys   []any
	values []any
	index  map[any]int // by [hashKey]
}

// NewDict returns a Dict of keys and values in turns.
func NewDict(pairs ...any) *Dict {
	d := &Dict{index: make(map[any]int, len(pairs)/2)}
	for i := 0; i+1 < len(pairs); i += 2 {
		d.Set(pairs[i], pairs[i+1])
	}
	return d
}

// Set sets the value of key, a string, int, float64, bool or nil. Values are those
// of [Template.Render].
func (d *Dict) Set(key, value any) {
	h := hashKey(key)
	if i, ok := d.index[h]; ok {
		d.values[i] = value
		return
	}
	d.index[h] = len(d.keys)
	d.keys = append(d.keys, key)
	d.values = append(d.values, value)
}

// Get returns the value of key.
func (d *Dict) Get(key any) (any, bool) {
	i, ok := d.index[hashKey(key)]
	if !ok {
		return nil, false
	}
	return d.values[i], true
}

// Len is the number of keys.
func (d *Dict) Len() int { return len(d.keys) }

// hashKey makes keys that Python takes for equal equal: 1, 1.0 and True.
func hashKey(key any) any {
	switch k := key.(type) {
	case bool:
		return b2i(k)
	case float64:
		if k == math.Trunc(k) && math.Abs(k) < 1<<53 {
			return int(k)
		}
	}
	return key
}

func hashable(v any) bool {
	switch v.(type) {
	case nil, bool, int, float64, string:
		return true
	}
	return false
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

const maxDepth = 200 // of JSON values

// FromJSON reads a JSON value; objects become *[Dict], which keeps their order.
func FromJSON(data []byte) (any, error) {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	v, err := decode(dec, 0)
	if err != nil {
		return nil, err
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, errors.New("text follows the JSON value")
	}
	return v, nil
}

func decode(dec *json.Decoder, depth int) (any, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("the JSON value is nested deeper than %d levels", maxDepth)
	}
	tok, err := dec.Token()
	if err != nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	switch t := tok.(type) {
	case json.Delim:
		if t == '{' {
			return decodeObject(dec, depth)
		}
		l := &list{items: []any{}}
		for dec.More() {
			v, err := decode(dec, depth+1)
			if err != nil {
				return nil, err
			}
			l.items = append(l.items, v)
		}
		_, err := dec.Token()
		return l, err
	case json.Number:
		if i, err := strconv.Atoi(t.String()); err == nil {
			return i, nil
		}
		return strconv.ParseFloat(t.String(), 64)
	default:
		return t, nil
	}
}

func decodeObject(dec *json.Decoder, depth int) (any, error) {
	d := NewDict()
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return nil, err
		}
		v, err := decode(dec, depth+1)
		if err != nil {
			return nil, err
		}
		d.Set(key, v)
	}
	_, err := dec.Token()
	return d, err
}

// List makes a list value.
func List(items ...any) any { return &list{items: items} }

// truth is Python's bool().
func truth(v any) bool {
	switch v := v.(type) {
	case nil, undefined:
		return false
	case bool:
		return v
	case int:
		return v != 0
	case float64:
		return v != 0
	case string:
		return v != ""
	case *list:
		return len(v.items) > 0
	case *Dict:
		return len(v.keys) > 0
	}
	return true
}

// typeName is Python's name of a value's type, for errors.
func typeName(v any) string {
	switch v := v.(type) {
	case nil:
		return "None"
	case undefined:
		return "undefined"
	case bool:
		return "bool"
	case int:
		return "int"
	case float64:
		return "float"
	case string:
		return "str"
	case *list:
		if v.tuple {
			return "tuple"
		}
		return "list"
	case *Dict:
		return "dict"
	case *namespace:
		return "namespace"
	}
	return "function"
}

// number gives ints, bools and floats as float64.
func number(v any) (float64, bool) {
	switch v := v.(type) {
	case bool:
		return float64(b2i(v)), true
	case int:
		return float64(v), true
	case float64:
		return v, true
	}
	return 0, false
}

// integer gives ints and bools.
func integer(v any) (int, bool) {
	switch v := v.(type) {
	case bool:
		return b2i(v), true
	case int:
		return v, true
	}
	return 0, false
}

// equal is Python's ==.
func (r *run) equal(x, y any) bool {
	r.step(1)
	if a, ok := number(x); ok {
		b, ok := number(y)
		return ok && a == b
	}
	switch x := x.(type) {
	case nil:
		return y == nil
	case undefined:
		_, ok := y.(undefined)
		return ok
	case string:
		s, ok := y.(string)
		r.step(min(len(x), len(s)) / 64)
		return ok && x == s
	case *list:
		l, ok := y.(*list)
		return ok && x.tuple == l.tuple && slices.EqualFunc(x.items, l.items, r.equal)
	case *Dict:
		d, ok := y.(*Dict)
		if !ok || len(d.keys) != len(x.keys) {
			return false
		}
		for i, key := range x.keys {
			if v, ok := d.Get(key); !ok || !r.equal(x.values[i], v) {
				return false
			}
		}
		return true
	}
	return x == y
}
