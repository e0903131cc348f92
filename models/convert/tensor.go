package convert

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"github.com/ollama/ollama/convert"
	"github.com/x448/float16"

	"github.com/puna-ai/puna"
	"github.com/puna-ai/puna/models/gguf"
)

// piece is how much of a tensor is in memory at a time, unless all of it must be.
const piece = 1 << 20

// tensor is a tensor on its way into the GGUF file. It is [convert.Tensor], so that
// Ollama's converters can change it.
type tensor struct {
	source
	name   string // in the GGUF file
	shape  []uint64
	full   bool             // in F32, whatever the checkpoint has
	repack convert.Repacker // of the whole tensor; nil: as it is
	order  func(int) int    // the source's row for each row; nil: the same
}

// widths are the types that can be converted, in bytes.
var widths = map[string]int{"F64": 8, "F32": 4, "F16": 2, "BF16": 2}

// convertible says whether a tensor's numbers can be read.
func (s *source) convertible() error {
	if widths[s.dtype] == 0 {
		return puna.Errorf(puna.Unsupported, "%s: tensor %q is in %s, but only F64, F32, F16 and BF16 can be converted: use the model's original checkpoint, which isn't quantized",
			s.file, s.name, s.dtype)
	}
	return nil
}

func newTensor(s source, name string) *tensor {
	t := &tensor{source: s, name: name, shape: slices.Clone(s.shape)}
	if len(t.shape) == 0 {
		t.shape = []uint64{1}
	}
	return t
}

func (t *tensor) Name() string                   { return t.name }
func (t *tensor) Shape() []uint64                { return t.shape }
func (t *tensor) Kind() uint32                   { return uint32(t.kind()) }
func (t *tensor) SetRepacker(r convert.Repacker) { t.repack = r }

// Clone is for converters that split a tensor.
func (t *tensor) Clone() convert.Tensor {
	c := *t
	c.shape = slices.Clone(t.shape)
	return &c
}

// WriteTo writes the data as the GGUF file has it.
func (t *tensor) WriteTo(w io.Writer) (int64, error) {
	return io.Copy(w, t.reader())
}

// kind returns the type in the GGUF file: that of the checkpoint in 16 bits, and
// F32 for what ggml needs in F32.
func (t *tensor) kind() gguf.TensorType {
	switch {
	case t.full || dims(t.shape) < 2 || needsF32(t.name):
		return gguf.F32
	case t.dtype == "BF16":
		return gguf.BF16
	}
	return gguf.F16
}

// dims counts dimensions, without ones in front.
func dims(shape []uint64) int {
	for len(shape) > 1 && shape[0] == 1 {
		shape = shape[1:]
	}
	return len(shape)
}

func needsF32(name string) bool {
	return name == "token_types.weight" || slices.ContainsFunc(
		[]string{".bias", "_norm.weight", ".ffn_gate_inp.weight"},
		func(suffix string) bool { return strings.HasSuffix(name, suffix) })
}

// reader yields the data as the GGUF file has it.
func (t *tensor) reader() io.Reader {
	switch {
	case t.repack != nil:
		return &pieces{next: t.whole()}
	case t.order != nil:
		return &pieces{next: t.rows()}
	}
	return &pieces{next: t.streamed()}
}

// pieces reads what next returns, piece after piece; nil ends it.
type pieces struct {
	next func() ([]byte, error)
	left []byte
}

func (p *pieces) Read(b []byte) (int, error) {
	for len(p.left) == 0 {
		next, err := p.next()
		if err != nil {
			return 0, err
		}
		if next == nil {
			return 0, io.EOF
		}
		p.left = next
	}
	n := copy(b, p.left)
	if p.left = p.left[n:]; len(p.left) == 0 {
		p.left = nil // lets go of the piece
	}
	return n, nil
}

// scratch holds a piece on its way; each piece takes the place of the one before.
type scratch struct {
	raw    []byte // as the checkpoint has it
	values []float32
	out    []byte // as the GGUF file has it
}

// read fills raw with n pieces of the tensor's data, of size bytes each; at says where
// they begin.
func (t *tensor) read(f io.ReaderAt, b *scratch, n int, size int64, at func(i int) int64) error {
	b.raw = slices.Grow(b.raw[:0], n*int(size))[:n*int(size)]
	for i := range n {
		into := b.raw[i*int(size) : (i+1)*int(size)]
		if got, err := f.ReadAt(into, t.offset+at(i)); got < len(into) {
			return puna.Errorf(puna.Invalid, "%s: tensor %q: the file became shorter while it was read (%w)", t.file, t.source.name, err)
		}
	}
	return nil
}

// each returns a next that makes n pieces, the i-th as part does. Files are open while
// they are read: a checkpoint may have more of them than a process may open.
func (t *tensor) each(n int, part func(f io.ReaderAt, b *scratch, i int) ([]byte, error)) func() ([]byte, error) {
	i := 0
	b := &scratch{}
	return func() ([]byte, error) {
		if i == n {
			return nil, nil
		}
		f, _, err := openFile(t.file, t.path)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		out, err := part(f, b, i)
		if i++; i == n {
			b = nil // readers live as long as the file is written
		}
		return out, err
	}
}

// streamed reads the tensor as it lies in the checkpoint.
func (t *tensor) streamed() func() ([]byte, error) {
	return t.each(int((t.size+piece-1)/piece), func(f io.ReaderAt, b *scratch, i int) ([]byte, error) {
		from := int64(i) * piece
		if err := t.read(f, b, 1, min(piece, t.size-from), func(int) int64 { return from }); err != nil {
			return nil, err
		}
		return t.encode(b)
	})
}

// rows reads the tensor's rows in another order, as many at a time as make a piece.
func (t *tensor) rows() func() ([]byte, error) {
	count := int(t.shape[0])
	row := t.size / int64(count)
	step := int(max(1, piece/row))
	return t.each((count+step-1)/step, func(f io.ReaderAt, b *scratch, i int) ([]byte, error) {
		from := i * step
		if err := t.read(f, b, min(step, count-from), row, func(n int) int64 { return int64(t.order(from+n)) * row }); err != nil {
			return nil, err
		}
		return t.encode(b)
	})
}

// whole reads all of the tensor and repacks it.
func (t *tensor) whole() func() ([]byte, error) {
	return t.each(1, func(f io.ReaderAt, b *scratch, _ int) ([]byte, error) {
		if err := t.read(f, b, 1, t.size, func(int) int64 { return 0 }); err != nil {
			return nil, err
		}
		values, err := t.repack(t.name, floats(nil, b.raw, t.dtype), t.shape)
		if err != nil {
			return nil, t.fail(err)
		}
		if want, _ := product(t.shape); uint64(len(values)) != want {
			return nil, t.fail(fmt.Errorf("%d numbers came of %d", len(values), want))
		}
		out, err := bytesOf(nil, values, t.kind())
		return out, t.fail(err)
	})
}

// encode turns what was read into data of the GGUF file.
func (t *tensor) encode(b *scratch) (_ []byte, err error) {
	to := t.kind()
	if t.dtype == to.String() {
		return b.raw, nil
	}
	b.values = floats(b.values[:0], b.raw, t.dtype)
	b.out, err = bytesOf(b.out[:0], b.values, to)
	return b.out, t.fail(err)
}

func (t *tensor) fail(err error) error {
	if err == nil {
		return nil
	}
	return puna.Errorf(puna.Invalid, "%s: tensor %q: %w", t.file, t.source.name, err)
}

// floats appends the numbers of a convertible dtype.
func floats(values []float32, b []byte, dtype string) []float32 {
	le, width := binary.LittleEndian, widths[dtype]
	values = slices.Grow(values, len(b)/width)
	for at := 0; at+width <= len(b); at += width {
		var v float32
		switch dtype {
		case "F64":
			v = float32(math.Float64frombits(le.Uint64(b[at:])))
		case "F32":
			v = math.Float32frombits(le.Uint32(b[at:]))
		case "F16":
			v = float16.Frombits(le.Uint16(b[at:])).Float32()
		default: // BF16
			v = math.Float32frombits(uint32(le.Uint16(b[at:])) << 16)
		}
		values = append(values, v)
	}
	return values
}

// bytesOf appends numbers in a type of GGUF.
func bytesOf(b []byte, values []float32, to gguf.TensorType) ([]byte, error) {
	le := binary.LittleEndian
	b = slices.Grow(b, int(to.BlockBytes())*len(values))
	for _, v := range values {
		switch to {
		case gguf.F32:
			b = le.AppendUint32(b, math.Float32bits(v))
		case gguf.BF16: // to the nearest, or to the even one
			bits := math.Float32bits(v)
			b = le.AppendUint16(b, uint16((bits+0x7fff+bits>>16&1)>>16))
		default:
			h := float16.Fromfloat32(v)
			if h.IsInf(0) && !math.IsInf(float64(v), 0) {
				return b, fmt.Errorf("%g is beyond what F16 holds: save the checkpoint in bfloat16", v)
			}
			b = le.AppendUint16(b, h.Bits())
		}
	}
	return b, nil
}

// stack is several tensors of one shape as one of a dimension more: the experts of a
// layer.
type stack []*tensor

func (s stack) reader() io.Reader {
	var all []io.Reader
	for _, t := range s {
		all = append(all, t.reader())
	}
	return io.MultiReader(all...)
}
