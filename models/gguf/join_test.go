package gguf

import (
	"bytes"
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/puna-ai/puna"
)

// splitInto encodes a model as n parts, metadata in the first.
func splitInto(t testing.TB, n int, kvs []KV, tensors []TensorData) []Part {
	parts := make([]Part, n)
	for i := range parts {
		var own []KV
		if i == 0 {
			own = kvs
		}
		own = append(own[:len(own):len(own)], KV{Key: "split.no", Value: uint16(i)}, KV{Key: "split.count", Value: uint16(n)},
			KV{Key: "split.tensors.count", Value: int32(len(tensors))})
		data := encode(t, own, tensors[i*len(tensors)/n:(i+1)*len(tensors)/n])
		parts[i] = Part{ReaderAt: bytes.NewReader(data), Size: int64(len(data)), Name: fmt.Sprintf("part%d", i)}
	}
	return parts
}

func TestJoin(t *testing.T) {
	kvs := with(llamaKV(), "general.alignment", uint32(128)) // the others have the default
	parts := splitInto(t, 3, kvs, llamaTensors())
	var out bytes.Buffer
	require.NoError(t, Join(t.Context(), &out, []Part{parts[2], parts[0], parts[1]}))
	assert.Equal(t, encode(t, kvs, llamaTensors()), out.Bytes())
	f, err := decode(out.Bytes())
	require.NoError(t, err)
	assert.NoError(t, f.Validate())
}

// FuzzJoin joins two parts: what comes of it is a file that can be read.
func FuzzJoin(f *testing.F) {
	parts := splitInto(f, 2, adapterKV(), []TensorData{tensor("a", F32, 8, 2), tensor("b", Q4_0, 32, 2)})
	var texts [2][]byte
	for i, p := range parts {
		texts[i] = make([]byte, p.Size)
		_, err := p.ReadAt(texts[i], 0)
		require.NoError(f, err)
	}
	f.Add(texts[0], texts[1])
	f.Fuzz(func(t *testing.T, a, b []byte) {
		var out bytes.Buffer
		err := Join(t.Context(), &out, []Part{{bytes.NewReader(a), int64(len(a)), "a"}, {bytes.NewReader(b), int64(len(b)), "b"}})
		if err != nil {
			require.Equal(t, puna.Invalid, puna.KindOf(err), err)
			return
		}
		_, err = decode(out.Bytes())
		require.NoError(t, err)
	})
}

func TestJoinErrors(t *testing.T) {
	parts := splitInto(t, 3, llamaKV(), llamaTensors())
	twin := splitInto(t, 3, llamaKV(), llamaTensors()[:12])
	fewer := splitInto(t, 3, llamaKV(), llamaTensors()[6:12])
	whole := encode(t, llamaKV(), llamaTensors())
	for text, given := range map[string][]Part{
		"no parts":                          nil,
		"2 files are given":                 parts[:2],
		"part0 and part0 are both part 1":   {parts[0], parts[0], parts[1]},
		"split.tensors.count":               {parts[0], fewer[1], parts[2]},
		"in an earlier part too":            {parts[0], parts[1], twin[2]},
		"split.count is missing: 1 files":   {{bytes.NewReader(whole), int64(len(whole)), "whole"}},
		"part1 is not a GGUF file":          {parts[0], {bytes.NewReader(make([]byte, 100)), 100, "part1"}, parts[2]},
		"part2: at byte 16: 3 pieces of me": {parts[0], parts[1], {parts[2], 30, "part2"}},
	} {
		var out bytes.Buffer
		err := Join(t.Context(), &out, given)
		assert.ErrorContains(t, err, text)
		assert.Equal(t, puna.Invalid, puna.KindOf(err))
		assert.Zero(t, out.Len(), "nothing is written")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	assert.ErrorIs(t, Join(ctx, &bytes.Buffer{}, parts), context.Canceled)
}
