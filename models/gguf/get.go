package gguf

import (
	"fmt"
	"math"
	"strings"

	"github.com/puna-ai/puna"
)

// failf is an [puna.Invalid] error about the metadata with a key.
func (f *File) failf(key, format string, args ...any) error {
	if strings.HasPrefix(key, ".") {
		key = f.Arch() + key
	}
	problem := fmt.Errorf(format, args...)
	kv, ok := f.Get(key)
	if !ok {
		return puna.Errorf(puna.Invalid, "%s: %s is missing: %w", f.Path, key, problem)
	}
	return puna.Errorf(puna.Invalid, "%s: at byte %d: %s is %s: %w", f.Path, kv.Offset, key, show(kv), problem)
}

// show writes a value for an error text.
func show(kv KV) string {
	switch v := kv.Value.(type) {
	case *Array:
		return fmt.Sprintf("%d items of %v", v.Len, v.Type)
	case string:
		if len(v) > 40 {
			v = v[:40] + "..."
		}
		return fmt.Sprintf("%q", v)
	default:
		return fmt.Sprintf("%v (%v)", v, kv.Type)
	}
}

// Uint returns an integer that isn't negative, of any width.
func (f *File) Uint(key string) (uint64, bool) {
	kv, ok := f.Get(key)
	if !ok {
		return 0, false
	}
	return toUint(kv.Value)
}

func toUint(value any) (uint64, bool) {
	var n int64
	switch v := value.(type) {
	case uint8:
		return uint64(v), true
	case uint16:
		return uint64(v), true
	case uint32:
		return uint64(v), true
	case uint64:
		return v, true
	case int8:
		n = int64(v)
	case int16:
		n = int64(v)
	case int32:
		n = int64(v)
	case int64:
		n = v
	default:
		return 0, false
	}
	return uint64(n), n >= 0
}

// Uints returns an array of integers, or the items of a single one: what
// llama.cpp takes where a value may differ from layer to layer. Nil unless each
// item is one that [File.Uint] returns.
func (f *File) Uints(key string) []uint64 {
	kv, _ := f.Get(key)
	a, ok := kv.Value.(*Array)
	if !ok {
		if n, ok := toUint(kv.Value); ok {
			return []uint64{n}
		}
		return nil
	}
	var out []uint64
	for _, v := range a.All() {
		n, ok := toUint(v)
		if !ok {
			return nil
		}
		out = append(out, n)
	}
	return out
}

// Float returns a floating-point number.
func (f *File) Float(key string) (float64, bool) {
	kv, _ := f.Get(key)
	switch v := kv.Value.(type) {
	case float32:
		return float64(v), true
	case float64:
		return v, true
	}
	return 0, false
}

// Bool returns a truth value.
func (f *File) Bool(key string) (value, ok bool) {
	kv, _ := f.Get(key)
	value, ok = kv.Value.(bool)
	return value, ok
}

// String returns a text, "" if there is none.
func (f *File) String(key string) string {
	kv, _ := f.Get(key)
	s, _ := kv.Value.(string)
	return s
}

// Array returns an array, nil if there is none.
func (f *File) Array(key string) *Array {
	kv, _ := f.Get(key)
	a, _ := kv.Value.(*Array)
	return a
}

// int returns what Uint does, capped to an int, 0 if there is none.
func (f *File) int(key string) int {
	n, _ := f.Uint(key)
	return int(min(n, math.MaxInt32))
}

// Arch returns the architecture, "llama".
func (f *File) Arch() string { return f.String("general.architecture") }

// Name returns what the model is called, "" if the file doesn't say.
func (f *File) Name() string { return f.String("general.name") }

// ContextLength returns the tokens that the model was trained for, 0 if unknown.
func (f *File) ContextLength() int { return f.int(".context_length") }

// EmbeddingLength returns the width of the model's embeddings, 0 if unknown.
func (f *File) EmbeddingLength() int { return f.int(".embedding_length") }

// BlockCount returns the number of layers, 0 if unknown.
func (f *File) BlockCount() int { return f.int(".block_count") }

// VocabSize returns the number of tokens, 0 if unknown.
func (f *File) VocabSize() int {
	if a := f.Array("tokenizer.ggml.tokens"); a != nil {
		return a.Len
	}
	return f.int(".vocab_size")
}

// ChatTemplate returns the Jinja template of chats, or, by its name, another one
// that the file holds ("tool_use"); "" if there is none.
func (f *File) ChatTemplate(name string) string {
	key := "tokenizer.chat_template"
	if name != "" {
		key += "." + name
	}
	return f.String(key)
}

// ParameterCount returns the number of weights.
func (f *File) ParameterCount() uint64 {
	var n uint64
	for i := range f.Tensors {
		n += f.Tensors[i].Elements()
	}
	return n
}

// FileType returns how most tensors are quantized: what the file says, or else the
// type that most tensors have.
func (f *File) FileType() FileType {
	if n, ok := f.Uint("general.file_type"); ok {
		return FileType(min(n, uint64(UnknownFileType)))
	}
	var counts [len(tensorTypes)]int
	best := F32
	for _, t := range f.Tensors {
		counts[t.Type]++
		if counts[t.Type] > counts[best] {
			best = t.Type
		}
	}
	for _, name := range []string{best.String(), best.String() + "_M"} {
		if t, ok := ParseFileType(name); ok && len(f.Tensors) > 0 {
			return t
		}
	}
	return UnknownFileType
}

// Kind says what a GGUF file is for.
type Kind int

// The kinds of files.
const (
	Model     Kind = iota
	Adapter        // LoRA matrices for a model
	Projector      // turns images or sound into embeddings (mmproj)
	Other          // an importance matrix, a vocabulary without weights, ...
)

// Kind returns what the file is for.
func (f *File) Kind() Kind {
	switch t := f.String("general.type"); {
	case t == "adapter":
		return Adapter
	case t == "mmproj" || f.Arch() == "clip":
		return Projector
	case t == "imatrix" || t == "vocab" || f.Arch() == "" || len(f.Tensors) == 0:
		return Other
	}
	return Model
}
