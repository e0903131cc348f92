package ggml

import (
	"fmt"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func bytesOf(f []float32) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(&f[0])), 4*len(f))
}

func TestMatMul(t *testing.T) {
	dev, ok := DeviceByType(CPU)
	require.True(t, ok)
	before := Live()
	backend, err := dev.NewBackend()
	require.NoError(t, err)
	assert.True(t, backend.SetThreads(dev.Reg(), 2))

	ctx := NewContext(3)
	a := ctx.NewTensor2D(F32, 3, 2) // rows (1 2 3), (4 5 6)
	b := ctx.NewTensor2D(F32, 3, 1) // row (1 10 100)
	c := ctx.MulMat(a, b)
	buf, err := ctx.Alloc(dev.BufferType())
	require.NoError(t, err)
	require.True(t, dev.SupportsOp(c))
	a.Set(bytesOf([]float32{1, 2, 3, 4, 5, 6}))
	b.Set(bytesOf([]float32{1, 10, 100}))
	require.NoError(t, backend.Compute(ctx.NewGraph(c)))
	got := make([]float32, 2)
	c.Get(bytesOf(got))
	assert.Equal(t, []float32{321, 654}, got)
	assert.Panics(t, func() { a.Set(make([]byte, 7)) })

	buf.Close()
	ctx.Close()
	backend.Close()
	assert.Equal(t, before, Live())
	assert.Panics(t, func() { ctx.MulMat(a, b) })
}

// Operations on one row, against the numbers of their definitions.
func TestOperations(t *testing.T) {
	dev, _ := DeviceByType(CPU)
	backend, err := dev.NewBackend()
	require.NoError(t, err)
	defer backend.Close()
	for name, tt := range map[string]struct {
		op   func(x *Context, a Tensor) Tensor
		want []float32
	}{
		"rms_norm": {func(x *Context, a Tensor) Tensor { return x.RMSNorm(a, 0) }, []float32{-0.8165, 0, 0.8165, 1.6330}},
		"silu":     {(*Context).Silu, []float32{-0.2689, 0, 0.7311, 1.7616}},
		"gelu":     {(*Context).Gelu, []float32{-0.1588, 0, 0.8412, 1.9546}},
		"soft_max": {(*Context).SoftMax, []float32{0.0321, 0.0871, 0.2369, 0.6439}},
		"attention": { // of one row with itself
			func(x *Context, a Tensor) Tensor { return x.FlashAttn(a, a, a, 1) }, []float32{-1, 0, 1, 2},
		},
	} {
		t.Run(name, func(t *testing.T) {
			ctx := NewContext(2)
			defer ctx.Close()
			a := ctx.NewTensor2D(F32, 4, 1)
			y := tt.op(ctx, a)
			buf, err := ctx.Alloc(dev.BufferType())
			require.NoError(t, err)
			defer buf.Close()
			a.Set(bytesOf([]float32{-1, 0, 1, 2}))
			require.NoError(t, backend.Compute(ctx.NewGraph(y)))
			got := make([]float32, 4)
			y.Get(bytesOf(got))
			for i := range got {
				assert.InDelta(t, tt.want[i], got[i], 1e-3)
			}
		})
	}
}

func TestTypeOf(t *testing.T) {
	for typ := range typeCount {
		got, ok := TypeOf(typ.String())
		assert.Equal(t, typ.Valid(), ok, typ)
		if ok {
			assert.Equal(t, typ, got)
		}
	}
	_, ok := TypeOf("")
	assert.False(t, ok)
}

func TestQuantize(t *testing.T) {
	src := make([]float32, 2*256)
	for i := range src {
		src[i] = float32(i%17) - 8
	}
	for typ := range typeCount {
		if !typ.Valid() {
			assert.Equal(t, fmt.Sprintf("Type(%d)", int(typ)), typ.String())
			continue
		}
		if typ == IQ1S || typ == IQ1M || typ == IQ2S || typ == IQ2XS {
			continue // seconds to set up, and no other code of ours
		}
		dst, err := Quantize(typ, src, 256)
		if !quantizable(typ) {
			assert.ErrorContains(t, err, "nothing is quantized to "+typ.String())
			continue
		}
		require.NoError(t, err, typ)
		assert.Len(t, dst, int(2*typ.RowSize(256)))
		assert.Equal(t, typ.RowSize(256), uint64(256/typ.BlockSize())*typ.Size())
	}
	_, err := Quantize(Q4K, src[:300], 300)
	assert.ErrorContains(t, err, "whole blocks of 256")
	_, err = Quantize(Type(4), src, 256)
	assert.Error(t, err)
	assert.Panics(t, func() { Q4K.RowSize(100) })
	assert.True(t, Q4K.Quantized())
	assert.False(t, F16.Quantized())
	assert.Equal(t, "q4_K", Q4K.String())
}

func TestFeaturesAndBufferTypes(t *testing.T) {
	dev, _ := DeviceByType(CPU)
	bt := dev.BufferType()
	require.True(t, bt.Valid())
	assert.Equal(t, "CPU", bt.Name())
	assert.True(t, bt.IsHost())
	assert.Positive(t, bt.Alignment())
	assert.Greater(t, bt.MaxSize(), uint64(1<<40))
	assert.False(t, dev.HostBufferType().Valid())
	for _, extra := range dev.ExtraBufferTypes() {
		assert.False(t, extra.IsHost())
	}
	for _, f := range dev.Reg().Features() {
		assert.NotEmpty(t, f.Name)
		assert.NotEmpty(t, f.Value)
	}
	assert.Equal(t, dev, DeviceFrom(dev.Pointer()))
	assert.Equal(t, bt, BufferTypeFrom(bt.Pointer()))
	assert.Equal(t, dev.Reg(), RegFrom(dev.Reg().Pointer()))
}

func TestThreadpoolParams(t *testing.T) {
	dev, _ := DeviceByType(CPU)
	for _, tt := range []struct {
		p    ThreadpoolParams
		want string
	}{
		{ThreadpoolParams{}, "0 threads"},
		{ThreadpoolParams{Threads: 513}, "513 threads"},
		{ThreadpoolParams{Threads: 1, Poll: 101}, "poll 101"},
		{ThreadpoolParams{Threads: 1, Priority: 9}, "priority 9"},
		{ThreadpoolParams{Threads: 1, CPUs: []int{0, 512}}, "CPU 512"},
	} {
		_, err := NewThreadpool(dev.Reg(), tt.p)
		assert.ErrorContains(t, err, tt.want)
	}
	p := ThreadpoolParams{Threads: 2, CPUs: []int{1}, Poll: 7, Strict: true, Paused: true}
	c := p.c()
	assert.EqualValues(t, 2, c.n_threads)
	assert.True(t, bool(c.cpumask[1]))
	assert.False(t, bool(c.cpumask[0]))
	assert.EqualValues(t, 7, c.poll)
	assert.True(t, bool(c.strict_cpu))
}
