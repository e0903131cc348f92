package gguf

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"reflect"

	"github.com/puna-ai/puna"
)

// TensorData is a tensor to write. Data must yield exactly [Tensor.Bytes] bytes;
// it is read once, when its turn comes. Offset and Part of the tensor don't count.
type TensorData struct {
	Tensor
	Data io.Reader
}

// Write writes a GGUF file of version 3: the metadata and the tensors in their
// order. Types come from the Go types of [KV.Value], so KV.Type doesn't count;
// slices of the scalar types and of strings are written as arrays. The tensors are
// aligned to general.alignment, or 32. The result passes [Read].
func Write(w io.Writer, kvs []KV, tensors []TensorData) error {
	out := &writer{w: bufio.NewWriterSize(w, 1<<16), align: 32}
	out.bytes([]byte("GGUF"))
	out.value(uint32(3))
	out.value(uint64(len(tensors)))
	out.value(uint64(len(kvs)))
	for _, kv := range kvs {
		if kv.Key == "general.alignment" {
			a, _ := kv.Value.(uint32)
			if a < 32 || a&(a-1) != 0 {
				return puna.Errorf(puna.Invalid, "general.alignment is %v, not a u32 power of two of at least 32", kv.Value)
			}
			out.align = int64(a)
		}
		if err := out.pair(kv); err != nil {
			return err
		}
	}
	if err := out.infos(tensors); err != nil {
		return err
	}
	out.pad()
	for i := range tensors {
		if err := out.data(&tensors[i]); err != nil {
			return err
		}
	}
	if out.err == nil {
		out.err = out.w.Flush()
	}
	return out.err
}

// writer counts what it writes and keeps the first error.
type writer struct {
	w     *bufio.Writer
	n     int64
	align int64
	err   error
}

func (o *writer) bytes(b []byte) {
	if o.err == nil {
		_, o.err = o.w.Write(b)
		o.n += int64(len(b))
	}
}

// value writes a fixed-size value or a slice of them.
func (o *writer) value(v any) {
	b, err := binary.Append(nil, binary.LittleEndian, v)
	if o.err == nil {
		o.err = err
	}
	o.bytes(b)
}

func (o *writer) text(s string) {
	o.value(uint64(len(s)))
	o.bytes([]byte(s))
}

func (o *writer) pad() { o.bytes(make([]byte, pad(o.n, o.align)-o.n)) }

func (o *writer) pair(kv KV) error {
	o.text(kv.Key)
	if a, ok := kv.Value.(*Array); ok {
		if a.Skipped() {
			return puna.Errorf(puna.Internal, "%s was skipped when it was read", kv.Key)
		}
		o.value([]uint32{uint32(ArrayType), uint32(a.Type)})
		o.value(uint64(a.Len))
		o.bytes(a.data)
		return o.err
	}
	v := reflect.ValueOf(kv.Value)
	isSlice := v.Kind() == reflect.Slice
	elem := v.Kind()
	if isSlice {
		elem = v.Type().Elem().Kind()
	}
	t, ok := goTypes[elem]
	if !ok {
		return puna.Errorf(puna.Internal, "%s: GGUF files can't hold a %T", kv.Key, kv.Value)
	}
	if isSlice {
		o.value([]uint32{uint32(ArrayType), uint32(t)})
		o.value(uint64(v.Len()))
	} else {
		o.value(uint32(t))
	}
	switch x := kv.Value.(type) {
	case string:
		o.text(x)
	case []string:
		for _, s := range x {
			o.text(s)
		}
	default:
		o.value(x)
	}
	return o.err
}

var goTypes = map[reflect.Kind]ValueType{
	reflect.Uint8: Uint8, reflect.Int8: Int8, reflect.Uint16: Uint16, reflect.Int16: Int16,
	reflect.Uint32: Uint32, reflect.Int32: Int32, reflect.Uint64: Uint64, reflect.Int64: Int64,
	reflect.Float32: Float32, reflect.Float64: Float64, reflect.Bool: Bool, reflect.String: String,
}

func (o *writer) infos(tensors []TensorData) error {
	var offset int64
	for i := range tensors {
		t := &tensors[i]
		if len(t.Shape) == 0 || len(t.Shape) > 4 || !t.Type.Known() || t.Elements() == 0 || t.Shape[0]%t.Type.BlockSize() != 0 {
			return puna.Errorf(puna.Invalid, "tensor %q: %v can't have the shape %v", t.Name, t.Type, t.Shape)
		}
		o.text(t.Name)
		o.value(uint32(len(t.Shape)))
		o.value(t.Shape)
		o.value(uint32(t.Type))
		o.value(uint64(offset))
		offset = pad(offset+t.Bytes(), o.align)
	}
	return o.err
}

func (o *writer) data(t *TensorData) error {
	if o.err != nil {
		return o.err
	}
	n, err := io.CopyN(o.w, t.Data, t.Bytes())
	o.n += n
	if err != nil {
		return fmt.Errorf("tensor %q, after %d of %d bytes: %w", t.Name, n, t.Bytes(), err)
	}
	o.pad()
	return o.err
}
