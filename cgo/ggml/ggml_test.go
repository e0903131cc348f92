package ggml

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestCPUDevice(t *testing.T) {
	dev, ok := DeviceByType(CPU)
	require.True(t, ok)
	p := dev.Props()
	assert.Equal(t, "CPU", p.Name)
	assert.NotEmpty(t, p.Description)
	assert.Equal(t, CPU, p.Type)
	assert.Greater(t, p.MemoryTotal, uint64(1<<28))
	assert.True(t, p.Caps.BufferFromHostPtr)
	free, total := dev.Memory()
	assert.Equal(t, p.MemoryTotal, total)
	assert.LessOrEqual(t, free, total)
	assert.Equal(t, "CPU", dev.Reg().Name())
	assert.Contains(t, Devices(), dev)
	assert.Contains(t, Regs(), dev.Reg())
	assert.Contains(t, dev.Reg().Devices(), dev)
	byName, ok := DeviceByName("cpu")
	require.True(t, ok)
	assert.Equal(t, dev, byName)
	_, ok = DeviceByName("no such device")
	assert.False(t, ok)
}

func TestThreadpool(t *testing.T) {
	dev, _ := DeviceByType(CPU)
	before := Live()["Threadpool"]
	tp, err := NewThreadpool(dev.Reg(), ThreadpoolParams{Threads: 2, Poll: 50})
	require.NoError(t, err)
	assert.NotNil(t, tp.Pointer())
	assert.Equal(t, before+1, Live()["Threadpool"])
	assert.True(t, tp.Pause())
	assert.True(t, tp.Resume())
	tp.Close()
	tp.Close()
	assert.Equal(t, before, Live()["Threadpool"])
	assert.PanicsWithValue(t, "ggml: use of a closed Threadpool", func() { tp.Pointer() })
}
