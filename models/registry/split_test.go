package registry

import (
	"bytes"
	"context"
	"maps"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/puna-ai/puna"
	"github.com/puna-ai/puna/internal/testmodel"
	"github.com/puna-ai/puna/models/gguf"
)

// splitFiles returns a model of a seed as the files of a repository, and as one.
func splitFiles(t testing.TB, n int, seed uint64, arch string) (files map[string]string, whole string) {
	t.Helper()
	shape := small
	shape.Seed = seed
	path := testmodel.PathOf(t, shape)
	f, err := gguf.Open(path)
	require.NoError(t, err)
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	kvs := append([]gguf.KV{}, f.KV...)
	kvs[0].Value = arch
	write := func(kvs []gguf.KV, tensors []gguf.Tensor) string {
		var out bytes.Buffer
		var all []gguf.TensorData
		for _, t := range tensors {
			all = append(all, gguf.TensorData{Tensor: t, Data: bytes.NewReader(data[t.Offset : t.Offset+t.Bytes()])})
		}
		require.NoError(t, gguf.Write(&out, kvs, all))
		return out.String()
	}
	files = map[string]string{}
	for i := range n {
		own := []gguf.KV{{Key: "split.no", Value: uint16(i)}, {Key: "split.count", Value: uint16(n)}, {Key: "split.tensors.count", Value: int32(len(f.Tensors))}}
		if i == 0 {
			own = append(kvs[:len(kvs):len(kvs)], own...)
		}
		files[gguf.SplitPath("m-F16", i, n)] = write(own, f.Tensors[i*len(f.Tensors)/n:(i+1)*len(f.Tensors)/n])
	}
	return files, write(kvs, f.Tensors)
}

func hubClient(t *testing.T, files map[string]string) *Client {
	t.Helper()
	c := newClient(t, openStore(t, t.TempDir()))
	c.HFEndpoint = serve(t, newHub(t, files)).URL
	return c
}

// TestSplit: the parts of a model become one file.
func TestSplit(t *testing.T) {
	files, whole := splitFiles(t, 3, 60, "llama")
	c := hubClient(t, files)
	ctx, cancel := context.WithCancel(t.Context())
	for p, err := range c.Pull(ctx, Request{Model: "hf.co/user/repo:F16"}) {
		if strings.HasPrefix(p.Status, "verifying") { // all parts are here; joining them waits to be read of
			cancel()
		}
		if err != nil {
			require.Equal(t, puna.Canceled, puna.KindOf(err), err)
		}
	}
	cancel()
	checkBlobs(t, c.Store)
	require.Len(t, partials(t, c.Store), 2*len(files), "the parts stay")

	for p, err := range c.Pull(t.Context(), Request{Model: "hf.co/user/repo:F16"}) {
		require.NoError(t, err)
		if p.Digest != "" {
			require.Equal(t, p.Total, p.Completed, "nothing comes again")
		}
	}
	m, err := c.Store.Resolve("hf.co/user/repo:F16")
	require.NoError(t, err)
	data, err := os.ReadFile(m.Path)
	require.NoError(t, err)
	require.Equal(t, whole, string(data))
	require.Equal(t, "F16", m.Config.FileType)
	checkBlobs(t, c.Store)
	require.Empty(t, partials(t, c.Store))
}

// TestSplitRefused: what isn't a model leaves nothing behind.
func TestSplitRefused(t *testing.T) {
	foreign, _ := splitFiles(t, 3, 61, "gptoss")
	mixed, _ := splitFiles(t, 3, 61, "llama")
	twins := maps.Clone(mixed)
	const second, third = "m-F16-00002-of-00003.gguf", "m-F16-00003-of-00003.gguf"
	twins[third] = twins[second]
	other, _ := splitFiles(t, 3, 62, "llama")
	mixed[third] = other[second]
	for _, x := range []struct {
		files map[string]string
		kind  puna.Kind
		text  string
	}{
		{foreign, puna.Unsupported, "gptoss"},
		{mixed, puna.Invalid, "are both part 2 of 3"},
		{twins, puna.Invalid, "are the same file"},
	} {
		if x.kind == puna.Unsupported && !knowsArchs(t) {
			continue
		}
		c := hubClient(t, x.files)
		statuses, err := pullOnce(t, c, Request{Model: "hf.co/user/repo:F16"})
		require.Equal(t, x.kind, puna.KindOf(err), err)
		require.ErrorContains(t, err, x.text)
		require.ErrorContains(t, err, "hf.co/user/repo")
		checkBlobs(t, c.Store)
		if x.kind == puna.Unsupported {
			require.NotContains(t, statuses, "verifying sha256 digest", "the first part tells")
			continue
		}
		require.Empty(t, partials(t, c.Store))
	}
}
