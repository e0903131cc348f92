package gguf

import (
	"cmp"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"unicode/utf8"
)

// What an [Inspection] shows of long values.
const (
	shownItems = 6
	shownText  = 100 // bytes
)

// Inspection is what a file holds, for people ([Inspection.Write]) and as JSON.
type Inspection struct {
	Path       string       `json:"path"`
	Parts      []string     `json:"parts,omitempty"` // of a split model
	Version    uint32       `json:"version"`
	Size       int64        `json:"size"` // bytes, of all parts
	Parameters uint64       `json:"parameters"`
	Metadata   []Field      `json:"metadata"`
	Types      []TypeSize   `json:"types"` // the largest first
	Tensors    []TensorInfo `json:"tensors"`
	Problem    string       `json:"problem,omitempty"` // what [File.Validate] says
}

// Field is a piece of metadata. Of arrays, Value has the first items and Len how many
// there are.
type Field struct {
	Key   string `json:"key"`
	Type  string `json:"type"` // "u32", "str", "arr[str]"
	Len   int    `json:"len,omitempty"`
	Value any    `json:"value"`
}

// TypeSize sums up the tensors of a type.
type TypeSize struct {
	Type       string `json:"type"`
	Tensors    int    `json:"tensors"`
	Parameters uint64 `json:"parameters"`
	Bytes      int64  `json:"bytes"`
}

// TensorInfo describes a tensor.
type TensorInfo struct {
	Name  string   `json:"name"`
	Type  string   `json:"type"`
	Shape []uint64 `json:"shape"` // the fastest-varying dimension first
	Bytes int64    `json:"bytes"`
	Part  int      `json:"part,omitempty"` // index into [Inspection.Parts]
}

// Inspect describes the file and checks it as [File.Validate] does.
func (f *File) Inspect() *Inspection {
	in := &Inspection{
		Path: f.Path, Parts: f.Parts, Version: f.Version, Size: f.Size, Parameters: f.ParameterCount(),
		Metadata: make([]Field, len(f.KV)), Types: f.typeSizes(), Tensors: make([]TensorInfo, len(f.Tensors)),
	}
	for i, kv := range f.KV {
		in.Metadata[i] = newField(kv)
	}
	for i, t := range f.Tensors {
		in.Tensors[i] = TensorInfo{Name: t.Name, Type: t.Type.String(), Shape: t.Shape, Bytes: t.Bytes(), Part: t.Part}
	}
	if err := f.Validate(); err != nil {
		in.Problem = err.Error()
	}
	return in
}

func newField(kv KV) Field {
	a, ok := kv.Value.(*Array)
	if !ok {
		return Field{Key: kv.Key, Type: kv.Type.String(), Value: finite(kv.Value)}
	}
	first := []any{}
	for i, item := range a.All() {
		if i == shownItems {
			break
		}
		first = append(first, finite(item))
	}
	return Field{Key: kv.Key, Type: fmt.Sprintf("arr[%v]", a.Type), Len: a.Len, Value: first}
}

// notFinite is the name of a number that JSON doesn't have.
type notFinite string

// finite replaces such numbers by their names.
func finite(v any) any {
	n, ok := v.(float64)
	if x, is32 := v.(float32); is32 {
		n, ok = float64(x), true
	}
	if ok && (math.IsNaN(n) || math.IsInf(n, 0)) {
		return notFinite(fmt.Sprint(v))
	}
	return v
}

func (f *File) typeSizes() []TypeSize {
	var all [len(tensorTypes)]TypeSize
	for _, t := range f.Tensors {
		x := &all[t.Type]
		x.Type = t.Type.String()
		x.Tensors++
		x.Parameters += t.Elements()
		x.Bytes += t.Bytes()
	}
	sizes := slices.DeleteFunc(all[:], func(x TypeSize) bool { return x.Tensors == 0 })
	slices.SortStableFunc(sizes, func(a, b TypeSize) int { return cmp.Compare(b.Bytes, a.Bytes) })
	return sizes
}

// Write writes the inspection as tables, with the tensors one by one if asked to.
// Nothing in it can control a terminal. The problem isn't among it.
func (in *Inspection) Write(w io.Writer, tensors bool) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "%s\nGGUF version %d, %d bytes, %d parameters\n", quoted(in.Path), in.Version, in.Size, in.Parameters)
	for i, part := range in.Parts {
		fmt.Fprintf(t, "part %d: %s\n", i+1, quoted(part))
	}
	fmt.Fprint(t, "\nMETADATA\tTYPE\tVALUE\n")
	for _, field := range in.Metadata {
		fmt.Fprintf(t, "%s\t%s\t%s\n", quoted(field.Key), field.Type, field.text())
	}
	fmt.Fprint(t, "\nTYPE\tTENSORS\tPARAMETERS\tBYTES\n")
	for _, x := range in.Types {
		fmt.Fprintf(t, "%s\t%d\t%d\t%d\n", x.Type, x.Tensors, x.Parameters, x.Bytes)
	}
	if tensors {
		fmt.Fprint(t, "\nTENSOR\tTYPE\tSHAPE\tBYTES\n")
		for _, x := range in.Tensors {
			fmt.Fprintf(t, "%s\t%s\t%s\t%d\n", quoted(x.Name), x.Type, strings.Trim(fmt.Sprint(x.Shape), "[]"), x.Bytes)
		}
	}
	return t.Flush()
}

// quoted returns a name as it is, or escaped where something in it isn't printable.
func quoted(s string) string {
	if q := strconv.Quote(s); q[1:len(q)-1] != s {
		return q
	}
	return s
}

// text writes the value on one line.
func (x Field) text() string {
	items, ok := x.Value.([]any)
	if !ok {
		return valueText(x.Value)
	}
	var texts []string
	for _, item := range items {
		texts = append(texts, valueText(item))
	}
	if x.Len > len(items) {
		texts = append(texts, "...")
	}
	return fmt.Sprintf("%d: %s", x.Len, strings.Join(texts, ", "))
}

func valueText(v any) string {
	s, ok := v.(string)
	if !ok {
		return fmt.Sprint(v)
	}
	if len(s) <= shownText {
		return strconv.Quote(s)
	}
	end := shownText
	for end > shownText-utf8.UTFMax && !utf8.RuneStart(s[end]) {
		end--
	}
	return fmt.Sprintf("%s... (%d bytes)", strconv.Quote(s[:end]), len(s))
}
