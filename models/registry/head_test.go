package registry

import (
	"bytes"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/puna-ai/puna"
	"github.com/puna-ai/puna/models/gguf"
	"github.com/puna-ai/puna/models/registry/registrytest"
	"github.com/puna-ai/puna/models/store"
)

// TestRefusedEarly: of a model that only Ollama's engine runs, the header comes and
// little more.
func TestRefusedEarly(t *testing.T) {
	const size = 4 << 20
	weights := gguf.TensorData{Tensor: gguf.Tensor{Name: "blk.0.ffn_up.weight", Type: gguf.F32, Shape: []uint64{size / 4}}}
	weights.Data = bytes.NewReader(make([]byte, size))
	var file bytes.Buffer
	require.NoError(t, gguf.Write(&file, []gguf.KV{{Key: "general.architecture", Value: "gptoss"}}, []gguf.TensorData{weights}))

	registry := registrytest.New(t)
	s := openStore(t, t.TempDir())
	f := registrytest.NewFaults(t, registry, 1, 0, "")
	model := host(t, serve(t, f)) + "/library/m"
	m := addLayers(t, s, model, mapOf(store.MediaModel, file.String()))
	_, err := collect(newClient(t, s).Push(t.Context(), Request{Model: model, Insecure: true}))
	require.NoError(t, err)

	f.Served.Store(0)
	c := newClient(t, openStore(t, t.TempDir()))
	_, err = pullOnce(t, c, Request{Model: model, Insecure: true})
	require.ErrorContains(t, err, model)
	if knowsArchs(t) {
		require.Equal(t, puna.Unsupported, puna.KindOf(err), err)
		require.ErrorAs(t, err, new(*gguf.ArchError))
	}
	require.Less(t, f.Served.Load(), int64(size/4))
	for _, path := range partials(t, c.Store) {
		require.NotContains(t, path, m.Layers[0].Digest[7:])
	}
}

// knowsArchs reports whether architectures are refused by name: of another llama.cpp than
// the pinned one nobody knows which it runs.
func knowsArchs(t *testing.T) bool {
	var b bytes.Buffer
	require.NoError(t, gguf.Write(&b, []gguf.KV{{Key: "general.architecture", Value: "gptoss"}}, nil))
	f, err := gguf.Read(bytes.NewReader(b.Bytes()), int64(b.Len()), "x", gguf.Options{})
	require.NoError(t, err)
	return f.CheckArch() != nil
}

// damaging changes the first answer with some byte of a blob.
func damaging(next http.Handler, digest string) http.Handler {
	var done atomic.Bool
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, digest) && !done.Swap(true) {
			w = damagedWriter{w}
		}
		next.ServeHTTP(w, r)
	})
}

type damagedWriter struct{ http.ResponseWriter }

func (w damagedWriter) Write(p []byte) (int, error) {
	changed := bytes.Clone(p)
	changed[0] ^= 0x20
	return w.ResponseWriter.Write(changed)
}

// TestDamagedHead: a header that came damaged is no reason to refuse the model.
func TestDamagedHead(t *testing.T) {
	registry := registrytest.New(t)
	want := publish(t, registry, 50)
	model := host(t, serve(t, damaging(registry, want.Layers[0].Digest))) + "/library/m"
	c := newClient(t, openStore(t, t.TempDir()))
	_, err := pullOnce(t, c, Request{Model: model, Insecure: true})
	require.NoError(t, err)
	checkModel(t, c.Store, model, want)
}

// TestVerifyingIsSaidOnce even where the last blob came damaged and comes again.
func TestVerifyingIsSaidOnce(t *testing.T) {
	registry := registrytest.New(t)
	want := publish(t, registry, 51)
	model := host(t, serve(t, damaging(registry, want.Config.Digest))) + "/library/m"
	c := newClient(t, openStore(t, t.TempDir()))
	c.Transfer.Connections = 1 // the config comes last
	said := 0
	for p, err := range c.Pull(t.Context(), Request{Model: model, Insecure: true}) {
		require.NoError(t, err)
		if p.Status == "verifying sha256 digest" {
			said++
		}
	}
	require.Equal(t, 1, said)
	checkModel(t, c.Store, model, want)
}
