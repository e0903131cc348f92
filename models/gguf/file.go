package gguf

import (
	"io"
	"math"
	"os"
	"slices"
	"strings"

	"github.com/puna-ai/puna"
)

// File is the header of a GGUF file: its metadata and what it says of its tensors.
// It must not be changed.
type File struct {
	Path       string // what errors call the file
	Size       int64  // bytes; of a split model all parts
	Version    uint32 // 2 or 3
	Alignment  int64  // of tensor data, bytes
	DataOffset int64  // where tensor data begins in the file

	KV      []KV     // in the file's order
	Tensors []Tensor // in the file's order, part after part

	// Parts are the files of a split model, this one first; nil for a whole model.
	Parts []string

	kv      map[string]int // index into KV
	tensors map[string]int // index into Tensors
}

// KV is a piece of metadata.
type KV struct {
	Key    string
	Type   ValueType
	Value  any   // uint8, int8, ... float64, bool, string or *Array, as Type says
	Offset int64 // of the pair in the file
}

// Tensor describes a tensor.
type Tensor struct {
	Name   string
	Type   TensorType
	Shape  []uint64 // 1 to 4 dimensions, each at least 1, the fastest-varying first
	Offset int64    // of the data in its file
	Part   int      // index into [File.Parts]
}

// Elements returns the number of elements.
func (t *Tensor) Elements() uint64 {
	n := uint64(1)
	for _, d := range t.Shape {
		n *= d
	}
	return n
}

// Bytes returns the size of the data without padding.
func (t *Tensor) Bytes() int64 {
	return int64(t.Elements() / t.Type.BlockSize() * t.Type.BlockBytes())
}

// Options say how to read. The zero value keeps everything.
type Options struct {
	// MaxArray leaves out the items of longer arrays, so that a vocabulary takes no
	// memory; [Array.Len] is right all the same. 0: keep all. A file read this way
	// can't be validated.
	MaxArray int
}

// Open reads the header of the file at path and, where it is the first part of a
// split model, those of the other parts. Errors: [puna.NotFound] no such file,
// [puna.Invalid] not a GGUF file, or a broken one.
func Open(path string) (*File, error) { return OpenWith(path, Options{}) }

// OpenWith is [Open] with options.
func OpenWith(path string, o Options) (*File, error) {
	f, err := openOne(path, o)
	if err != nil {
		return nil, err
	}
	return f, f.openParts(o)
}

func openOne(path string, o Options) (*File, error) {
	r, err := os.Open(path)
	if err != nil {
		return nil, openError(err)
	}
	defer r.Close()
	info, err := r.Stat()
	if err != nil {
		return nil, openError(err)
	}
	if !info.Mode().IsRegular() {
		return nil, puna.Errorf(puna.Invalid, "%s is not a file", path)
	}
	return Read(r, info.Size(), path, o)
}

func openError(err error) error {
	switch {
	case os.IsNotExist(err):
		return puna.Errorf(puna.NotFound, "%w", err)
	case os.IsPermission(err):
		return puna.Errorf(puna.Forbidden, "%w", err)
	}
	return puna.Errorf(puna.Internal, "%w", err)
}

// Read reads the header of a file with size bytes that errors call name. Only the
// header is read. A first part of a split model has only its own tensors.
func Read(r io.ReaderAt, size int64, name string, o Options) (*File, error) {
	in := &reader{r: r, name: name, size: size}
	f := &File{Path: name, Size: size, kv: map[string]int{}, tensors: map[string]int{}}
	tensors, pairs, err := f.readPreamble(in)
	if err != nil {
		return nil, err
	}
	if err := f.readKV(in, pairs, o); err != nil {
		return nil, err
	}
	if err := f.readAlignment(in); err != nil {
		return nil, err
	}
	if err := f.readTensors(in, tensors); err != nil {
		return nil, err
	}
	return f, f.placeTensors(in)
}

// readPreamble reads magic, version and counts.
func (f *File) readPreamble(in *reader) (tensors, pairs uint64, err error) {
	magic, err := in.next(4, "the magic number")
	if err != nil || string(magic) != "GGUF" {
		return 0, 0, puna.Errorf(puna.Invalid, "%s is not a GGUF file: it doesn't begin with \"GGUF\"", f.Path)
	}
	if f.Version, err = in.u32("the version"); err != nil {
		return 0, 0, err
	}
	switch {
	case f.Version&0xffff == 0:
		return 0, 0, in.failf(4, "the file is big-endian: convert the model again for little-endian machines")
	case f.Version < 2 || f.Version > 3:
		return 0, 0, in.failf(4, "GGUF version %d is not supported, only 2 and 3 are: convert the model again", f.Version)
	}
	if tensors, err = in.u64("the count of tensors"); err != nil {
		return 0, 0, err
	}
	if pairs, err = in.u64("the count of metadata"); err != nil {
		return 0, 0, err
	}
	// The smallest pair takes 14 bytes, the smallest tensor 33.
	if pairs > min(maxKV, in.left()/14) {
		return 0, 0, in.failf(16, "%d pieces of metadata don't fit: a file of this size has at most %d", pairs, min(maxKV, in.left()/14))
	}
	if tensors > min(maxTensors, in.left()/33) {
		return 0, 0, in.failf(8, "%d tensors don't fit: a file of this size has at most %d", tensors, min(maxTensors, in.left()/33))
	}
	return tensors, pairs, nil
}

func (f *File) readAlignment(in *reader) error {
	f.Alignment = 32
	kv, ok := f.Get("general.alignment")
	if !ok {
		return nil
	}
	a, ok := kv.Value.(uint32)
	if !ok {
		return in.failf(kv.Offset, "general.alignment is a %v, not a u32", kv.Type)
	}
	// llama.cpp maps tensors where they lie; ggml asserts that buffers are aligned to 32.
	if a < 32 || a > 1<<20 || a&(a-1) != 0 {
		return in.failf(kv.Offset, "general.alignment is %d, not a power of two from 32 to %d", a, 1<<20)
	}
	f.Alignment = int64(a)
	return nil
}

// placeTensors checks that the tensors lie one after the other, as gguf.cpp
// demands, and within the file.
func (f *File) placeTensors(in *reader) error {
	f.DataOffset = pad(in.pos, f.Alignment)
	end := f.DataOffset
	for i := range f.Tensors {
		t := &f.Tensors[i]
		if at := f.DataOffset + t.Offset; t.Offset > math.MaxInt64-f.DataOffset || at != end {
			return in.failf(in.pos, "tensor %q has the offset %d, but the data before it ends at %d", t.Name, t.Offset, end-f.DataOffset)
		}
		t.Offset = end
		if t.Bytes() > in.size-end {
			return in.failf(end, "tensor %q takes %d bytes, but only %d follow: the file is cut short or broken", t.Name, t.Bytes(), max(in.size-end, 0))
		}
		end = pad(end+t.Bytes(), f.Alignment)
	}
	return nil
}

func pad(n, align int64) int64 { return (n + align - 1) &^ (align - 1) }

// Get returns the metadata with a key. A key that begins with a dot belongs to
// the architecture: ".block_count" is "llama.block_count" in a llama model.
func (f *File) Get(key string) (KV, bool) {
	if strings.HasPrefix(key, ".") {
		key = f.Arch() + key
	}
	i, ok := f.kv[key]
	if !ok {
		return KV{}, false
	}
	return f.KV[i], true
}

// Tensor returns the tensor with a name, nil if there is none.
func (f *File) Tensor(name string) *Tensor {
	i, ok := f.tensors[name]
	if !ok {
		return nil
	}
	return &f.Tensors[i]
}

// HasTensor reports whether a tensor's name begins with prefix.
func (f *File) HasTensor(prefix string) bool {
	return slices.ContainsFunc(f.Tensors, func(t Tensor) bool { return strings.HasPrefix(t.Name, prefix) })
}
