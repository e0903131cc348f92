package gguf

import (
	"encoding/binary"
	"iter"
)

// Array is an array of metadata. Its items stay encoded until they are asked for.
type Array struct {
	Type ValueType // of the items; never [ArrayType]
	Len  int

	data []byte // as the file has them; nil for one that [Options.MaxArray] left out
}

// Skipped reports whether [Options.MaxArray] left the items out.
func (a *Array) Skipped() bool { return a.data == nil && a.Len > 0 }

// All iterates over the items as the Go values that [KV.Value] lists; over nothing
// where the array was skipped.
func (a *Array) All() iter.Seq2[int, any] {
	return func(yield func(int, any) bool) {
		if a.Skipped() {
			return
		}
		if a.Type == String {
			for i, s := range a.texts() {
				if !yield(i, string(s)) {
					return
				}
			}
			return
		}
		size := valueTypes[a.Type].size
		for i := range a.Len {
			if !yield(i, scalar(a.Type, a.data[i*size:])) {
				return
			}
		}
	}
}

// texts iterates over the bytes of strings, which must not be changed.
func (a *Array) texts() iter.Seq2[int, []byte] {
	return func(yield func(int, []byte) bool) {
		data := a.data
		for i := 0; i < a.Len && len(data) > 0; i++ {
			n := 8 + binary.LittleEndian.Uint64(data)
			if !yield(i, data[8:n]) {
				return
			}
			data = data[n:]
		}
	}
}

// Strings returns the items of an array of strings; nil for other types, and
// where the array was skipped. They share one block of memory.
func (a *Array) Strings() []string {
	if a == nil || a.Type != String || a.Skipped() {
		return nil
	}
	text, out := string(a.data), make([]string, 0, a.Len)
	for i := 0; i < len(text); {
		n := int(binary.LittleEndian.Uint64(a.data[i:]))
		out = append(out, text[i+8:i+8+n])
		i += 8 + n
	}
	return out
}

// Items returns the items as a Go slice ([]string, []int32, []float32, ...); nil
// where the array was skipped.
func (a *Array) Items() any {
	switch {
	case a.Skipped():
		return nil
	case a.Type == String:
		return a.Strings()
	}
	switch a.Type {
	case Uint8:
		return items[uint8](a)
	case Int8:
		return items[int8](a)
	case Bool:
		return items[bool](a)
	case Uint16:
		return items[uint16](a)
	case Int16:
		return items[int16](a)
	case Uint32:
		return items[uint32](a)
	case Int32:
		return items[int32](a)
	case Float32:
		return items[float32](a)
	case Uint64:
		return items[uint64](a)
	case Int64:
		return items[int64](a)
	default:
		return items[float64](a)
	}
}

func items[T any](a *Array) []T {
	out := make([]T, 0, a.Len)
	for _, v := range a.All() {
		out = append(out, v.(T))
	}
	return out
}
