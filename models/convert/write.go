package convert

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"io"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/puna-ai/puna"
	"github.com/puna-ai/puna/models/gguf"
)

// output is a tensor of the GGUF file, in GGUF's order of dimensions.
type output struct {
	name  string
	kind  gguf.TensorType
	shape []uint64
	data  interface{ reader() io.Reader }
}

func (c computed) reader() io.Reader { return bytes.NewReader(c) }

// origin returns the name in the checkpoint.
func (o *output) origin() string {
	if t, ok := o.data.(*tensor); ok {
		return t.source.name
	}
	return o.name
}

// block returns the layer, -1 for what belongs to none.
func (o *output) block() int {
	rest, ok := strings.CutPrefix(o.name, "blk.")
	digits, _, _ := strings.Cut(rest, ".")
	if n, err := strconv.Atoi(digits); ok && err == nil {
		return n
	}
	return -1
}

// target is a GGUF file to write.
type target struct {
	kvs     []gguf.KV
	outputs []output
}

// newTarget puts metadata and tensors into an order that is always the same.
func newTarget(kv map[string]any, outputs []output) *target {
	t := &target{outputs: outputs}
	for _, key := range slices.Sorted(maps.Keys(kv)) {
		t.kvs = append(t.kvs, gguf.KV{Key: key, Value: kv[key]})
	}
	slices.SortFunc(t.outputs, func(a, b output) int {
		return cmp.Or(cmp.Compare(a.block(), b.block()), cmp.Compare(a.name, b.name))
	})
	return t
}

// fileType returns what GGUF calls a file with most weights in these types.
func fileType(outputs []output) uint32 {
	count := map[gguf.TensorType]int{}
	for _, o := range outputs {
		count[o.kind]++
	}
	name := "F16"
	if count[gguf.BF16] > count[gguf.F16] {
		name = "BF16"
	}
	t, _ := gguf.ParseFileType(name)
	return uint32(t)
}

// tensors returns what [gguf.Write] takes; open says where data comes from.
func (t *target) tensors(open func(*output) io.Reader) []gguf.TensorData {
	all := make([]gguf.TensorData, len(t.outputs))
	for i := range t.outputs {
		o := &t.outputs[i]
		all[i] = gguf.TensorData{Tensor: gguf.Tensor{Name: o.name, Type: o.kind, Shape: o.shape}, Data: open(o)}
	}
	return all
}

// errHeader ends a write after the header.
var errHeader = errors.New("the header is written")

type noData struct{}

func (noData) Read([]byte) (int, error) { return 0, errHeader }

// header returns the header of the file as [gguf.Read] sees it, so that a file that
// couldn't be used is refused before its gigabytes are written.
func (t *target) header() (*gguf.File, error) {
	var buf bytes.Buffer
	w := bufio.NewWriterSize(&buf, 1<<16) // gguf.Write writes to it and adds none of its own
	tensors := t.tensors(func(*output) io.Reader { return noData{} })
	if err := gguf.Write(w, t.kvs, tensors); !errors.Is(err, errHeader) {
		return nil, err
	}
	if err := w.Flush(); err != nil {
		return nil, err
	}
	size := int64(buf.Len())
	for i := range tensors {
		size += (tensors[i].Bytes() + 31) &^ 31
	}
	return gguf.Read(headerOnly(buf.Bytes()), size, "the converted model", gguf.Options{})
}

// headerOnly is a file whose data isn't there yet; readers look ahead into it.
type headerOnly []byte

func (h headerOnly) ReadAt(b []byte, off int64) (int, error) {
	clear(b)
	if off < int64(len(h)) {
		copy(b, h[off:])
	}
	return len(b), nil
}

// write writes the file to out, which is empty again if that fails.
func (t *target) write(ctx context.Context, out *os.File, o Options) (err error) {
	header, err := t.header()
	if err != nil {
		return err
	}
	w := &progressWriter{ctx: ctx, w: out, total: header.Size, report: o.Progress}
	err = guard(func() error {
		return gguf.Write(w, t.kvs, t.tensors(func(o *output) io.Reader { return lazy(o.data.reader) }))
	})
	if err == nil {
		return nil
	}
	if _, seek := out.Seek(0, io.SeekStart); seek == nil {
		err = errors.Join(err, out.Truncate(0))
	}
	if ctx.Err() != nil {
		return puna.Errorf(puna.Canceled, "%w", context.Cause(ctx))
	}
	return err
}

// lazy opens a reader when it is first read, so that one tensor is in memory at a time.
func lazy(open func() io.Reader) io.Reader { return &lazyReader{open: open} }

type lazyReader struct {
	open func() io.Reader
	r    io.Reader
}

func (l *lazyReader) Read(b []byte) (int, error) {
	if l.r == nil {
		l.r = l.open()
	}
	return l.r.Read(b)
}

// progressWriter counts what is written, and stops when the context ends.
type progressWriter struct {
	ctx         context.Context
	w           io.Writer
	done, total int64
	report      func(done, total int64)
}

func (p *progressWriter) Write(b []byte) (int, error) {
	if err := p.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := p.w.Write(b)
	p.done += int64(n)
	if p.report != nil {
		p.report(p.done, max(p.done, p.total))
	}
	return n, err
}
