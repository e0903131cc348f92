package gguf

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/puna-ai/puna"
)

func TestRoundTrip(t *testing.T) {
	kvs := []KV{
		{Key: "general.architecture", Value: "llama"},
		{Key: "a.u8", Value: uint8(200)}, {Key: "a.i8", Value: int8(-3)},
		{Key: "a.u16", Value: uint16(60000)}, {Key: "a.i16", Value: int16(-300)},
		{Key: "a.u32", Value: uint32(4e9)}, {Key: "a.i32", Value: int32(-7)},
		{Key: "a.u64", Value: uint64(math.MaxUint64)}, {Key: "a.i64", Value: int64(math.MinInt64)},
		{Key: "a.f32", Value: float32(1.5)}, {Key: "a.f64", Value: 2.5}, {Key: "a.bool", Value: true}, {Key: "a.str", Value: "ünï\x00"},
		{Key: "b.strs", Value: []string{"x", "", "yz"}}, {Key: "b.i32s", Value: []int32{-1, 2}}, {Key: "b.f32s", Value: []float32{0.5}},
		{Key: "b.u8s", Value: []uint8{1, 2, 3}}, {Key: "b.bools", Value: []bool{true, false}}, {Key: "b.none", Value: []uint64{}},
		{Key: "general.alignment", Value: uint32(64)},
	}
	tensors := []TensorData{tensor("one", F32, 3), tensor("second", Q4_K, 256, 2, 3), tensor("third.weight", BF16, 5, 7)}
	data := encode(t, kvs, tensors)
	f, err := decode(data)
	require.NoError(t, err)
	assert.Equal(t, uint32(3), f.Version)
	assert.Equal(t, int64(64), f.Alignment)
	require.Len(t, f.KV, len(kvs))
	for i, kv := range f.KV {
		assert.Equal(t, kvs[i].Key, kv.Key)
		if a, ok := kv.Value.(*Array); ok {
			assert.Equal(t, kvs[i].Value, a.Items(), kv.Key)
		} else {
			assert.Equal(t, kvs[i].Value, kv.Value, kv.Key)
		}
	}
	require.Len(t, f.Tensors, 3)
	for i, got := range f.Tensors {
		want := tensors[i]
		assert.Equal(t, want.Name, got.Name)
		assert.Equal(t, want.Type, got.Type)
		assert.Equal(t, want.Shape, got.Shape)
		assert.Zero(t, got.Offset%64)
		assert.Equal(t, bytes.Repeat([]byte{byte(len(want.Name))}, int(want.Bytes())), data[got.Offset:got.Offset+got.Bytes()])
	}
	again := make([]TensorData, len(f.Tensors))
	for i, t := range f.Tensors {
		again[i] = TensorData{Tensor: t, Data: bytes.NewReader(data[t.Offset : t.Offset+t.Bytes()])}
	}
	assert.Equal(t, data, encode(t, f.KV, again), "what was read is written alike")
}

func TestGetters(t *testing.T) {
	f, err := decode(encode(t, llamaKV(), llamaTensors()))
	require.NoError(t, err)
	assert.Equal(t, "llama", f.Arch())
	assert.Equal(t, "tiny", f.Name())
	assert.Equal(t, 128, f.ContextLength())
	assert.Equal(t, 8, f.EmbeddingLength())
	assert.Equal(t, 2, f.BlockCount())
	assert.Equal(t, 6, f.VocabSize())
	assert.Equal(t, "{{ messages }}", f.ChatTemplate(""))
	assert.Empty(t, f.ChatTemplate("tool_use"))
	assert.Equal(t, "F16", f.FileType().String())
	assert.Equal(t, uint64(48+8+2*(16+64+64+32+32+3*128)), f.ParameterCount())
	n, ok := f.Uint(".attention.head_count")
	assert.Equal(t, uint64(4), n)
	assert.True(t, ok)
	v, ok := f.Float("llama.attention.layer_norm_rms_epsilon")
	assert.InDelta(t, 1e-5, v, 1e-9)
	assert.True(t, ok)
	_, ok = f.Bool("general.name")
	assert.False(t, ok)
	assert.Equal(t, []uint64{4}, f.Uints(".attention.head_count"))
	assert.Nil(t, f.Array("general.name"))
	assert.Nil(t, f.Array("none").Strings())
	assert.False(t, f.Recurrent())
	assert.Equal(t, Model, f.Kind())
	assert.NoError(t, f.Validate())
}

func TestFileTypeOfMostTensors(t *testing.T) {
	f, err := decode(encode(t, []KV{{Key: "general.architecture", Value: "llama"}}, []TensorData{tensor("a", F32, 1), tensor("b", Q4_K, 256), tensor("c", Q4_K, 256)}))
	require.NoError(t, err)
	assert.Equal(t, "Q4_K_M", f.FileType().String())
	f, err = decode(encode(t, []KV{{Key: "general.file_type", Value: uint32(30)}}, nil))
	require.NoError(t, err)
	assert.Equal(t, "IQ4_XS", f.FileType().String())
	for _, name := range FileTypes() {
		ft, ok := ParseFileType(name)
		assert.True(t, ok)
		assert.Equal(t, name, ft.String())
	}
	_, ok := ParseFileType("")
	assert.False(t, ok)
	assert.Equal(t, "unknown", FileType(4).String())
}

func TestSkippedArrays(t *testing.T) {
	data := encode(t, llamaKV(), llamaTensors())
	f, err := Read(bytes.NewReader(data), int64(len(data)), "x", Options{MaxArray: 3})
	require.NoError(t, err)
	a := f.Array("tokenizer.ggml.tokens")
	assert.True(t, a.Skipped())
	assert.Equal(t, 6, a.Len)
	assert.Nil(t, a.Items())
	assert.Equal(t, 6, f.VocabSize())
	assert.ErrorContains(t, f.Validate(), "skipped")
	full, err := decode(data)
	require.NoError(t, err)
	assert.Equal(t, full.Tensors, f.Tensors)
}

func TestOpenErrors(t *testing.T) {
	_, err := Open(filepath.Join(t.TempDir(), "none.gguf"))
	assert.Equal(t, puna.NotFound, puna.KindOf(err))
	_, err = Open(t.TempDir())
	assert.Equal(t, puna.Invalid, puna.KindOf(err))
	path := writeFile(t, "text.gguf", []byte("hello, world"))
	_, err = Open(path)
	assert.EqualError(t, err, path+` is not a GGUF file: it doesn't begin with "GGUF"`)
	_, err = Open(writeFile(t, "empty.gguf", nil))
	assert.Equal(t, puna.Invalid, puna.KindOf(err))
}

// patch returns a good file with bytes replaced after the first occurrence of mark.
func patch(t *testing.T, mark string, skip int, with []byte) []byte {
	data := encode(t, llamaKV(), llamaTensors())
	i := bytes.Index(data, []byte(mark))
	require.GreaterOrEqual(t, i, 0)
	copy(data[i+len(mark)+skip:], with)
	return data
}

func TestBrokenHeaders(t *testing.T) {
	u64 := func(n uint64) []byte { return binary.LittleEndian.AppendUint64(nil, n) }
	u32 := func(n uint32) []byte { return binary.LittleEndian.AppendUint32(nil, n) }
	cases := map[string]struct {
		data []byte
		text string
	}{
		"version 1":       {patch(t, "GGUF", 0, u32(1)), "at byte 4: GGUF version 1 is not supported"},
		"big endian":      {patch(t, "GGUF", 0, []byte{0, 0, 0, 3}), "big-endian"},
		"many tensors":    {patch(t, "GGUF", 4, u64(1<<40)), "tensors don't fit"},
		"many pairs":      {patch(t, "GGUF", 12, u64(math.MaxUint64)), "pieces of metadata don't fit"},
		"long key":        {patch(t, "GGUF", 20, u64(1<<62)), "at byte 24: the key of metadata 0 has 4611686018427387904 bytes"},
		"long string":     {patch(t, "general.name", 4, u64(1<<50)), "general.name takes 1125899906842624 bytes"},
		"unknown type":    {patch(t, "general.name", 0, u32(77)), "general.name has the unknown type 77"},
		"nested array":    {patch(t, "tokenizer.ggml.tokens", 4, u32(9)), "array of arr"},
		"long array":      {patch(t, "tokenizer.ggml.tokens", 8, u64(1<<60)), "tokenizer.ggml.tokens claims 1152921504606846976 items"},
		"five dimensions": {patch(t, "token_embd.weight", 0, u32(5)), `tensor "token_embd.weight" has 5 dimensions`},
		"zero dimension":  {patch(t, "token_embd.weight", 4, u64(0)), "dimension 0 is 0"},
		"huge dimension":  {patch(t, "token_embd.weight", 4, u64(1<<62)), "too large"},
		"overflow":        {patch(t, "token_embd.weight", 4, append(u64(1<<40), u64(1<<40)...)), "too large"},
		"tensor type":     {patch(t, "token_embd.weight", 20, u32(4)), "the type 4, which llama.cpp doesn't know"},
		"block size":      {patch(t, "token_embd.weight", 20, u32(uint32(Q4_K))), "Q4_K comes in blocks of 256"},
		"offset":          {patch(t, "output_norm.weight", 16, u64(32)), `tensor "output_norm.weight" has the offset 32, but the data before it ends at 96`},
		"huge offset":     {patch(t, "output_norm.weight", 16, u64(math.MaxUint64)), "beyond any file"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := decode(c.data)
			assert.ErrorContains(t, err, c.text)
			assert.Equal(t, puna.Invalid, puna.KindOf(err))
		})
	}
}

func TestDuplicates(t *testing.T) {
	_, err := decode(encode(t, append(llamaKV(), KV{Key: "general.name", Value: "x"}), nil))
	assert.ErrorContains(t, err, `the key "general.name" is there twice, first at byte 69`)
	_, err = decode(encode(t, llamaKV(), []TensorData{tensor("a", F32, 1), tensor("a", F32, 1)}))
	assert.ErrorContains(t, err, `the tensor "a" is there twice`)
	_, err = decode(encode(t, []KV{{Key: "", Value: "x"}}, nil))
	assert.ErrorContains(t, err, "empty or holds a NUL")
	_, err = decode(encode(t, nil, []TensorData{tensor(strings.Repeat("n", 64), F32, 1)}))
	assert.ErrorContains(t, err, "64 bytes, more than 63")
}

func TestAlignmentThatLlamaWouldAssert(t *testing.T) {
	data := encode(t, []KV{{Key: "general.alignment", Value: uint32(64)}}, nil)
	for _, a := range []uint32{0, 8, 16, 33, 1 << 21} {
		binary.LittleEndian.PutUint32(data[len(data)-pad64(data):], a)
		_, err := decode(data)
		assert.ErrorContains(t, err, fmt.Sprintf("general.alignment is %d", a))
	}
	_, err := decode(encode(t, []KV{{Key: "general.alignment2", Value: uint32(1)}}, nil))
	require.NoError(t, err)
	assert.ErrorContains(t, Write(&bytes.Buffer{}, []KV{{Key: "general.alignment", Value: uint32(8)}}, nil), "general.alignment is 8")
}

// pad64 returns how far from the end the only value of a file begins.
func pad64(data []byte) int {
	i := bytes.Index(data, []byte("general.alignment"))
	return len(data) - i - len("general.alignment") - 4
}

// TestEveryCut cuts a file at every length: an error, never a panic.
func TestEveryCut(t *testing.T) {
	data := encode(t, llamaKV(), llamaTensors())
	whole, err := decode(data)
	require.NoError(t, err)
	last := whole.Tensors[len(whole.Tensors)-1]
	for n := range data {
		f, err := decode(data[:n])
		if int64(n) < last.Offset+last.Bytes() {
			require.Error(t, err, n)
			require.Equal(t, puna.Invalid, puna.KindOf(err))
		} else {
			require.NoError(t, err)
			require.NoError(t, f.Validate())
		}
	}
}

// TestBentBytes changes random bytes of the header: an error or a file that can
// be used, never a panic, and memory that the file's size bounds.
func TestBentBytes(t *testing.T) {
	good := encode(t, llamaKV(), llamaTensors())
	f, err := decode(good)
	require.NoError(t, err)
	rng := rand.New(rand.NewPCG(1, 2))
	accepted := 0
	for range 20000 {
		data := bytes.Clone(good)
		for range 1 + rng.IntN(4) {
			i := rng.Int64N(f.DataOffset)
			data[i] = [...]byte{0, 1, 0x7f, 0x80, 0xff, byte(rng.Uint32())}[rng.IntN(6)]
		}
		if exercise(t, data) {
			accepted++
		}
	}
	assert.Positive(t, accepted)
	assert.Less(t, accepted, 20000)
}

// exercise reads data and uses what comes of it.
func exercise(t testing.TB, data []byte) bool {
	f, err := decode(data)
	if err != nil {
		require.NotEqual(t, puna.Internal, puna.KindOf(err), err)
		return false
	}
	for _, tensor := range f.Tensors {
		require.LessOrEqual(t, tensor.Offset+tensor.Bytes(), int64(len(data)))
		require.Positive(t, tensor.Bytes())
	}
	for _, kv := range f.KV {
		if a, ok := kv.Value.(*Array); ok {
			n := 0
			for range a.All() {
				n++
			}
			require.Equal(t, a.Len, n)
		}
	}
	f.ParameterCount()
	f.FileType()
	described := f.Inspect()
	require.NoError(t, described.Write(io.Discard, true))
	_, err = json.Marshal(described)
	require.NoError(t, err)
	err = f.Validate()
	if err != nil {
		kind := puna.KindOf(err)
		require.True(t, kind == puna.Invalid || kind == puna.Unsupported, err)
	}
	return err == nil
}

func TestMemoryIsBounded(t *testing.T) {
	for _, mark := range []string{"tokenizer.ggml.tokens", "tokenizer.ggml.scores"} {
		data := patch(t, mark, 8, binary.LittleEndian.AppendUint64(nil, 200)) // as many as may follow
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := decode(data)
		runtime.ReadMemStats(&after)
		assert.Error(t, err)
		assert.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(10*len(data)))
	}
}

func FuzzOpen(f *testing.F) {
	f.Add(encode(f, llamaKV(), llamaTensors()))
	f.Add(encode(f, adapterKV(), []TensorData{tensor("blk.0.attn_q.weight.lora_a", F32, 8, 2), tensor("blk.0.attn_q.weight.lora_b", F32, 2, 8)}))
	f.Add(encode(f, projectorKV(), []TensorData{tensor("v.patch_embd.weight", F16, 14, 14, 3)}))
	f.Add([]byte("GGUF\x03\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, data []byte) { exercise(t, data) })
}

func TestSplit(t *testing.T) {
	dir := t.TempDir()
	all := llamaTensors()
	part := func(no int, kvs []KV, tensors []TensorData) string {
		kvs = append(kvs, KV{Key: "split.no", Value: uint16(no)}, KV{Key: "split.count", Value: uint16(3)},
			KV{Key: "split.tensors.count", Value: int32(len(all))})
		path := SplitPath(filepath.Join(dir, "m"), no, 3)
		require.NoError(t, os.WriteFile(path, encode(t, kvs, tensors), 0o644))
		return path
	}
	first := part(0, llamaKV(), nil)
	part(1, nil, all[:5])
	third := part(2, nil, all[5:])
	assert.Equal(t, filepath.Join(dir, "m-00001-of-00003.gguf"), first)
	f, err := Open(first)
	require.NoError(t, err)
	require.Len(t, f.Parts, 3)
	require.Len(t, f.Tensors, len(all))
	assert.Equal(t, 2, f.Tensor("blk.1.ffn_down.weight").Part)
	assert.NoError(t, f.Validate())

	_, err = Open(third)
	assert.ErrorContains(t, err, "open the first")
	part(2, nil, llamaTensors()[6:])
	_, err = Open(first)
	assert.ErrorContains(t, err, "split.tensors.count")
	require.NoError(t, os.Remove(third))
	_, err = Open(first)
	assert.Equal(t, puna.NotFound, puna.KindOf(err))
	renamed := filepath.Join(dir, "other.gguf")
	require.NoError(t, os.Rename(first, renamed))
	_, err = Open(renamed)
	assert.ErrorContains(t, err, "its name must end in")
}

func TestWriteErrors(t *testing.T) {
	short := TensorData{Tensor: Tensor{Name: "short", Type: F32, Shape: []uint64{4}}, Data: strings.NewReader("123")}
	assert.ErrorContains(t, Write(&bytes.Buffer{}, nil, []TensorData{short}), `tensor "short", after 3 of 16 bytes`)
	assert.ErrorContains(t, Write(&bytes.Buffer{}, []KV{{Key: "x", Value: struct{}{}}}, nil), "can't hold a struct {}")
	assert.ErrorContains(t, Write(&bytes.Buffer{}, nil, []TensorData{{Tensor: Tensor{Name: "q", Type: Q4_K, Shape: []uint64{8}}}}), "can't have the shape [8]")
}
