package convert

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"os"
	"slices"

	"github.com/puna-ai/puna"
)

// Limits on safetensors files. The first is the format's own; real checkpoints have
// a few thousand tensors, and mixtures of experts some hundred thousand.
const (
	maxHeader  = 100_000_000
	maxTensors = 1 << 19
	maxDims    = 8
)

// dtypes are the element types of safetensors, in bytes. Those that aren't floating
// point can be read about, but not converted.
var dtypes = map[string]uint64{
	"F64": 8, "F32": 4, "F16": 2, "BF16": 2,
	"I64": 8, "I32": 4, "I16": 2, "I8": 1, "U64": 8, "U32": 4, "U16": 2, "U8": 1, "BOOL": 1,
	"F8_E4M3": 1, "F8_E5M2": 1, "F8_E8M0": 1,
}

// source is a tensor in a safetensors file. Shape has the slowest-varying dimension
// first, as PyTorch; none for a single number.
type source struct {
	name   string
	dtype  string
	shape  []uint64
	file   string // what errors call the file
	path   string
	offset int64 // of the data in the file
	size   int64 // of the data, bytes
}

// openSafetensors reads the header of the safetensors file at path, which errors call
// name.
func openSafetensors(name, path string) ([]source, error) {
	f, size, err := openFile(name, path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	sources, err := readSafetensors(f, size, name)
	for i := range sources {
		sources[i].path = path
	}
	return sources, err
}

// openFile opens a regular file: a pipe would block for ever.
func openFile(name, path string) (*os.File, int64, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil, 0, puna.Errorf(puna.NotFound, "%s: %w", name, err)
	case err != nil:
		return nil, 0, puna.Errorf(puna.Internal, "%s: %w", name, err)
	case !info.Mode().IsRegular():
		return nil, 0, puna.Errorf(puna.Invalid, "%s is not a file", name)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, 0, puna.Errorf(puna.Forbidden, "%s: %w", name, err)
	}
	return f, info.Size(), nil
}

// readSafetensors reads and checks the header of a file of size bytes: what it
// returns lies in the file, without gaps, and takes as many bytes as types and shapes
// say.
func readSafetensors(r io.ReaderAt, size int64, name string) ([]source, error) {
	fail := func(format string, args ...any) error {
		return puna.Errorf(puna.Invalid, "%s: %w", name, fmt.Errorf(format, args...))
	}
	var start [8]byte
	if n, err := r.ReadAt(start[:], 0); n < len(start) {
		return nil, fail("it has %d bytes, too few for a safetensors file: download it again (%w)", size, err)
	}
	if isPointer(start[:]) {
		return nil, pointerError(name)
	}
	n := binary.LittleEndian.Uint64(start[:])
	if n > maxHeader || int64(n) > size-8 {
		return nil, fail("its header has %d bytes, more than the file's %d or the format's %d: it is no safetensors file, or cut short",
			n, size, maxHeader)
	}
	sources, err := parseHeader(io.NewSectionReader(r, 8, int64(n)), name)
	if err != nil {
		return nil, fail("the header is broken: %w", err)
	}
	if err := place(sources, 8+int64(n), size); err != nil {
		return nil, puna.Errorf(puna.Invalid, "%s: %w", name, err)
	}
	return sources, nil
}

// parseHeader decodes the header's JSON item by item, so that a name that is there
// twice doesn't go unseen.
func parseHeader(r io.Reader, file string) ([]source, error) {
	dec := json.NewDecoder(r)
	if open, err := dec.Token(); err != nil || open != json.Delim('{') {
		return nil, fmt.Errorf("it isn't a JSON object (%v, %w)", open, err)
	}
	var sources []source
	seen := map[string]bool{}
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return nil, err
		}
		name := key.(string) // objects have no other keys
		if seen[name] {
			return nil, fmt.Errorf("the tensor %q is there twice", name)
		}
		seen[name] = true
		if name == "__metadata__" {
			err = dec.Decode(&struct{}{})
		} else {
			var s source
			s, err = parseEntry(dec, name)
			s.file = file
			sources = append(sources, s)
		}
		if err != nil {
			return nil, err
		}
		if len(sources) > maxTensors {
			return nil, fmt.Errorf("it has more than %d tensors", maxTensors)
		}
	}
	_, err := dec.Token()
	return sources, err
}

// parseEntry decodes what a header says of a tensor. The offset counts from the
// beginning of the data.
func parseEntry(dec *json.Decoder, name string) (source, error) {
	var e struct {
		DType   string   `json:"dtype"`
		Shape   []uint64 `json:"shape"`
		Offsets []int64  `json:"data_offsets"`
	}
	if err := dec.Decode(&e); err != nil {
		return source{}, fmt.Errorf("tensor %q: %w", name, err)
	}
	width, ok := dtypes[e.DType]
	if !ok {
		return source{}, fmt.Errorf("tensor %q has the type %q, which safetensors files don't have", name, e.DType)
	}
	if len(e.Offsets) != 2 || e.Offsets[0] < 0 || e.Offsets[1] < e.Offsets[0] {
		return source{}, fmt.Errorf("tensor %q has the data_offsets %v, not a beginning and an end", name, e.Offsets)
	}
	s := source{name: name, dtype: e.DType, shape: e.Shape, offset: e.Offsets[0], size: e.Offsets[1] - e.Offsets[0]}
	want, ok := product(append(slices.Clip(e.Shape), width))
	if !ok || len(e.Shape) > maxDims || want != uint64(s.size) {
		return source{}, fmt.Errorf("tensor %q of %s has the shape %v, but %d bytes", name, e.DType, e.Shape, s.size)
	}
	return s, nil
}

// product multiplies; ok is false beyond 63 bits.
func product(factors []uint64) (p uint64, ok bool) {
	p = 1
	for _, f := range factors {
		hi, lo := bits.Mul64(p, f)
		if hi != 0 || lo > 1<<62 {
			return 0, false
		}
		p = lo
	}
	return p, true
}

// place checks that the tensors follow one another from begin to the end of the file,
// as the format demands, and makes their offsets those in the file.
func place(sources []source, begin, size int64) error {
	slices.SortStableFunc(sources, func(a, b source) int {
		if a.offset != b.offset {
			return int(min(max(a.offset-b.offset, -1), 1))
		}
		return int(min(max(a.size-b.size, -1), 1))
	})
	end := int64(0)
	for i := range sources {
		s := &sources[i]
		if s.offset != end {
			return fmt.Errorf("tensor %q begins at byte %d of the data, but the one before it ends at %d: the file is broken", s.name, s.offset, end)
		}
		if s.size > size-begin-end {
			return fmt.Errorf("tensor %q takes %d bytes, but only %d follow: the file is cut short, download it again", s.name, s.size, size-begin-end)
		}
		s.offset += begin
		end += s.size
	}
	if end != size-begin {
		return fmt.Errorf("%d bytes follow the last tensor: the file is broken, download it again", size-begin-end)
	}
	return nil
}

// isPointer reports whether a file is what Git leaves in the place of a large one.
func isPointer(start []byte) bool {
	return bytes.HasPrefix([]byte("version https://git-lfs"), start[:8])
}

func pointerError(name string) error {
	return puna.Errorf(puna.Invalid, "%s is only a pointer of Git LFS: get the file itself by 'git lfs pull'", name)
}
