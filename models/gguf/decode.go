package gguf

import (
	"encoding/binary"
	"fmt"
	"math"
	"strings"
)

// readKV reads the metadata.
func (f *File) readKV(in *reader, n uint64, o Options) error {
	f.KV = make([]KV, 0, n)
	for i := range n {
		start := in.pos
		key, err := in.str(maxKey, fmt.Sprintf("the key of metadata %d", i))
		if err != nil {
			return err
		}
		if key == "" || strings.ContainsRune(key, 0) {
			return in.failf(start, "metadata %d has the key %q: it is empty or holds a NUL", i, key)
		}
		if j, twice := f.kv[key]; twice {
			return in.failf(start, "the key %q is there twice, first at byte %d", key, f.KV[j].Offset)
		}
		t, err := in.u32("the type of " + key)
		if err != nil {
			return err
		}
		kv := KV{Key: key, Type: ValueType(t), Offset: start}
		if kv.Value, err = readValue(in, kv, o); err != nil {
			return err
		}
		f.kv[key] = len(f.KV)
		f.KV = append(f.KV, kv)
	}
	return nil
}

func readValue(in *reader, kv KV, o Options) (any, error) {
	switch {
	case int(kv.Type) >= len(valueTypes):
		return nil, in.failf(kv.Offset, "%s has the unknown type %d", kv.Key, uint32(kv.Type))
	case kv.Type == String:
		return in.str(math.MaxUint64, kv.Key)
	case kv.Type == ArrayType:
		return readArray(in, kv, o)
	}
	b, err := in.next(uint64(valueTypes[kv.Type].size), kv.Key)
	if err != nil {
		return nil, err
	}
	return scalar(kv.Type, b), nil
}

func readArray(in *reader, kv KV, o Options) (*Array, error) {
	t, err := in.u32("the item type of " + kv.Key)
	if err != nil {
		return nil, err
	}
	n, err := in.u64("the length of " + kv.Key)
	if err != nil {
		return nil, err
	}
	a := &Array{Type: ValueType(t)}
	if t >= uint32(len(valueTypes)) || a.Type == ArrayType {
		return nil, in.failf(kv.Offset, "%s is an array of %v, which GGUF files don't have", kv.Key, a.Type)
	}
	size := uint64(valueTypes[t].size)
	if a.Type == String {
		size = 8 // each has at least a length
	}
	if n > in.left()/size {
		return nil, in.failf(kv.Offset, "%s claims %d items, but at most %d bytes of header follow", kv.Key, n, in.left())
	}
	a.Len = int(n)
	keep := o.MaxArray == 0 || a.Len <= o.MaxArray
	switch {
	case a.Type == String:
		err = a.readStrings(in, kv.Key, keep)
	case keep:
		var b []byte
		b, err = in.next(n*size, kv.Key)
		a.data = append([]byte{}, b...)
	default:
		in.pos += int64(n * size)
	}
	return a, err
}

// readStrings walks over the strings, so that what follows them is found, and
// keeps them if asked to.
func (a *Array) readStrings(in *reader, key string, keep bool) error {
	var head [8]byte
	if keep {
		a.data = make([]byte, 0, min(16*uint64(a.Len), in.left()))
	}
	for range a.Len {
		n, err := in.u64(key)
		if err != nil {
			return err
		}
		b, err := in.next(n, key)
		if err != nil {
			return err
		}
		if keep {
			binary.LittleEndian.PutUint64(head[:], n)
			a.data = append(append(a.data, head[:]...), b...)
		}
	}
	return nil
}

// readTensors reads what the file says of its tensors; [Tensor.Offset] is from the
// start of the data.
func (f *File) readTensors(in *reader, n uint64) error {
	f.Tensors = make([]Tensor, 0, n)
	for i := range n {
		start := in.pos
		name, err := in.str(maxName, fmt.Sprintf("the name of tensor %d", i))
		if err != nil {
			return err
		}
		if name == "" || strings.ContainsRune(name, 0) {
			return in.failf(start, "tensor %d has the name %q: it is empty or holds a NUL", i, name)
		}
		if _, twice := f.tensors[name]; twice {
			return in.failf(start, "the tensor %q is there twice", name)
		}
		t := Tensor{Name: name}
		if err := t.readShape(in, start); err != nil {
			return err
		}
		f.tensors[name] = len(f.Tensors)
		f.Tensors = append(f.Tensors, t)
	}
	return nil
}

func (t *Tensor) readShape(in *reader, start int64) error {
	dims, err := in.u32("the dimensions of " + t.Name)
	if err != nil {
		return err
	}
	if dims > 4 {
		return in.failf(start, "tensor %q has %d dimensions, not 1 to 4", t.Name, dims)
	}
	t.Shape = make([]uint64, dims, 4)
	elements := uint64(1)
	for i := range t.Shape {
		d, err := in.u64("the shape of " + t.Name)
		if err != nil {
			return err
		}
		// Leaves room for 8 bytes an element.
		if d == 0 || d > math.MaxInt64/8/elements {
			return in.failf(start, "tensor %q: dimension %d is %d, which is zero or too large", t.Name, i, d)
		}
		t.Shape[i] = d
		elements *= d
	}
	if dims == 0 { // a single number
		t.Shape = append(t.Shape, 1)
	}
	typ, err := in.u32("the type of " + t.Name)
	if err != nil {
		return err
	}
	t.Type = TensorType(typ)
	if !t.Type.Known() {
		return in.failf(start, "tensor %q has the type %d, which llama.cpp doesn't know", t.Name, typ)
	}
	if t.Shape[0]%t.Type.BlockSize() != 0 {
		return in.failf(start, "tensor %q has rows of %d elements, but %v comes in blocks of %d", t.Name, t.Shape[0], t.Type, t.Type.BlockSize())
	}
	offset, err := in.u64("the offset of " + t.Name)
	if err != nil {
		return err
	}
	if offset > math.MaxInt64 {
		return in.failf(start, "tensor %q has the offset %d, beyond any file", t.Name, offset)
	}
	t.Offset = int64(offset)
	return nil
}
