package gguf

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/puna-ai/puna"
)

// Limits on what a header may hold. Real ones stay far below: the largest
// vocabularies make headers of some 30 MB, the largest models have a few thousand
// tensors. llama.cpp compares every two names, so more would take it minutes.
const (
	MaxHeader  = 256 << 20 // bytes before the tensor data
	maxKV      = 1 << 14
	maxTensors = 1 << 16
	maxKey     = 1<<16 - 1
	maxName    = 63 // ggml.h, GGML_MAX_NAME less its final NUL
	window     = 256 << 10
)

// reader reads a header from its start, through a window of the file.
type reader struct {
	r    io.ReaderAt
	name string // of the file, in errors
	size int64  // of the file

	pos int64  // of the next byte
	buf []byte // bytes of the file from bufPos
	off int64  // of buf
}

// failf is an [puna.Invalid] error about the byte at pos.
func (r *reader) failf(pos int64, format string, args ...any) error {
	return puna.Errorf(puna.Invalid, "%s: at byte %d: %w", r.name, pos, fmt.Errorf(format, args...))
}

// left returns how many bytes of header may follow.
func (r *reader) left() uint64 {
	return uint64(min(r.size, MaxHeader) - r.pos)
}

// next returns the next n bytes, valid until the following call. What names them
// in errors.
func (r *reader) next(n uint64, what string) ([]byte, error) {
	if n > r.left() {
		if r.size > MaxHeader {
			return nil, r.failf(r.pos, "%s takes %d bytes, which goes beyond the %d that a header may have", what, n, int64(MaxHeader))
		}
		return nil, r.failf(r.pos, "%s takes %d bytes, but the file ends after %d: it is cut short or broken", what, n, r.left())
	}
	if have := r.off + int64(len(r.buf)) - r.pos; int64(n) > have {
		if err := r.fill(int64(n)); err != nil {
			return nil, err
		}
	}
	i := r.pos - r.off
	r.pos += int64(n)
	return r.buf[i : i+int64(n)], nil
}

// fill moves the window to pos and makes it at least n bytes long.
func (r *reader) fill(n int64) error {
	n = min(max(n, window), r.size-r.pos)
	if int64(cap(r.buf)) < n {
		r.buf = make([]byte, n)
	}
	r.buf, r.off = r.buf[:n], r.pos
	if got, err := r.r.ReadAt(r.buf, r.pos); got < len(r.buf) {
		if errors.Is(err, io.EOF) {
			return r.failf(r.pos, "the file became shorter while it was read")
		}
		return puna.Errorf(puna.Internal, "%s: reading at byte %d: %w", r.name, r.pos, err)
	}
	return nil
}

func (r *reader) u32(what string) (uint32, error) {
	b, err := r.next(4, what)
	if err != nil {
		return 0, err
	}
	return binary.LittleEndian.Uint32(b), nil
}

func (r *reader) u64(what string) (uint64, error) {
	b, err := r.next(8, what)
	if err != nil {
		return 0, err
	}
	return binary.LittleEndian.Uint64(b), nil
}

// str reads a string of at most limit bytes.
func (r *reader) str(limit uint64, what string) (string, error) {
	start := r.pos
	n, err := r.u64("the length of " + what)
	if err != nil {
		return "", err
	}
	if n > limit {
		return "", r.failf(start, "%s has %d bytes, more than %d", what, n, limit)
	}
	b, err := r.next(n, what)
	return string(b), err
}

// scalar decodes a value that isn't a string or an array.
func scalar(t ValueType, b []byte) any {
	switch t {
	case Uint8:
		return b[0]
	case Int8:
		return int8(b[0])
	case Bool:
		return b[0] != 0
	case Uint16:
		return binary.LittleEndian.Uint16(b)
	case Int16:
		return int16(binary.LittleEndian.Uint16(b))
	case Uint32:
		return binary.LittleEndian.Uint32(b)
	case Int32:
		return int32(binary.LittleEndian.Uint32(b))
	case Float32:
		return math.Float32frombits(binary.LittleEndian.Uint32(b))
	case Uint64:
		return binary.LittleEndian.Uint64(b)
	case Int64:
		return int64(binary.LittleEndian.Uint64(b))
	default: // Float64
		return math.Float64frombits(binary.LittleEndian.Uint64(b))
	}
}
