package registry

import (
	"io"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/puna-ai/puna"
	"github.com/puna-ai/puna/models/registry/registrytest"
)

// fullAfter is a disk that takes so many bytes.
type fullAfter struct {
	io.WriterAt
	left *atomic.Int64
}

func (w fullAfter) WriteAt(p []byte, at int64) (int, error) {
	if w.left.Add(-int64(len(p))) < 0 {
		return 0, syscall.ENOSPC
	}
	return w.WriterAt.WriteAt(p, at)
}

// TestDiskFull: neither a disk that is full from the start nor one that fills up
// meanwhile loses what has come.
func TestDiskFull(t *testing.T) {
	registry := registrytest.New(t)
	want := publish(t, registry, 20)
	f := registrytest.NewFaults(t, registry, 1, 0, "")
	model := host(t, serve(t, f)) + "/library/m"
	c := newClient(t, openStore(t, t.TempDir()))

	known := freeSpace
	freeSpace = func(string) (int64, error) { return 1000, nil }
	_, err := pullOnce(t, c, Request{Model: model, Insecure: true})
	freeSpace = known
	require.Equal(t, puna.Unavailable, puna.KindOf(err))
	require.ErrorIs(t, err, syscall.ENOSPC)
	require.ErrorContains(t, err, "the disk is full")
	require.ErrorContains(t, err, "1 KB left")

	var left atomic.Int64
	left.Store(40 << 10)
	whole := wrapData
	wrapData = func(w io.WriterAt) io.WriterAt { return fullAfter{w, &left} }
	_, err = pullOnce(t, c, Request{Model: model, Insecure: true})
	wrapData = whole
	require.Equal(t, puna.Unavailable, puna.KindOf(err))
	require.ErrorContains(t, err, "the disk is full")
	checkBlobs(t, c.Store)

	recorded := recordedBytes(t, c)
	require.Positive(t, recorded)
	f.Served.Store(0)
	_, err = pullOnce(t, c, Request{Model: model, Insecure: true})
	require.NoError(t, err)
	checkModel(t, c.Store, model, want)
}
