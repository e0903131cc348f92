package create

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/puna-ai/puna"
	"github.com/puna-ai/puna/cgo/llama"
	"github.com/puna-ai/puna/internal/testmodel"
	"github.com/puna-ai/puna/models/gguf"
	"github.com/puna-ai/puna/models/info"
	"github.com/puna-ai/puna/models/store"
)

func newCreator(t testing.TB) *Creator {
	log := slog.New(slog.DiscardHandler)
	s, err := store.Open(t.TempDir(), store.Options{Log: log})
	require.NoError(t, err)
	return &Creator{Store: s, Log: log}
}

func digestOf(t testing.TB, path string) string {
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	return fmt.Sprintf("sha256:%x", sha256.Sum256(data))
}

// upload puts a file into the store and returns its digest.
func upload(t testing.TB, c *Creator, path string) string {
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	digest := digestOf(t, path)
	require.NoError(t, c.Store.PutBlob(t.Context(), digest, strings.NewReader(string(data))))
	return digest
}

// run creates and returns the distinct status lines.
func run(ctx context.Context, c *Creator, req *puna.CreateRequest) (lines []string, err error) {
	for p, err := range c.Create(ctx, req) {
		if err != nil {
			return lines, err
		}
		if len(lines) == 0 || lines[len(lines)-1] != p.Status {
			lines = append(lines, p.Status)
		}
	}
	return lines, nil
}

func must(t testing.TB, c *Creator, req *puna.CreateRequest) []string {
	lines, err := run(t.Context(), c, req)
	require.NoError(t, err)
	return lines
}

func blobs(t testing.TB, c *Creator) []string {
	entries, err := os.ReadDir(filepath.Join(c.Store.Dir(), "blobs"))
	if !errors.Is(err, os.ErrNotExist) {
		require.NoError(t, err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func TestCreateFromFile(t *testing.T) {
	c := newCreator(t)
	digest := upload(t, c, testmodel.Path(t))
	lines := must(t, c, &puna.CreateRequest{
		Model: "tiny", Files: map[string]string{"tiny.gguf": digest},
		Template: "{{ if .Tools }}{{ .Tools }}{{ end }}{{ .Prompt }}", System: "Be brief.", License: []string{"MIT", "BSD"},
		Parameters: map[string]any{"temperature": 0.25, "stop": []any{"<a>", "b"}},
		Messages:   []puna.Message{{Role: puna.User, Content: "hi"}, {Role: puna.Assistant, Content: "<yo>"}},
	})
	require.Len(t, lines, 10)
	assert.Equal(t, "parsing GGUF", lines[0])
	assert.Equal(t, "using existing layer "+digest, lines[1])
	for _, line := range lines[2:8] {
		assert.Regexp(t, `^creating new layer sha256:[0-9a-f]{64}$`, line)
	}
	assert.Equal(t, []string{"writing manifest", "success"}, lines[8:])

	m, err := c.Store.Resolve("tiny")
	require.NoError(t, err)
	assert.Equal(t, "Be brief.", m.System)
	assert.Equal(t, []string{"MIT", "BSD"}, m.Licenses)
	assert.Equal(t, puna.Options{Temperature: new(0.25), Stop: []string{"<a>", "b"}}, m.Options)
	assert.Equal(t, []puna.Message{{Role: puna.User, Content: "hi"}, {Role: puna.Assistant, Content: "<yo>"}}, m.Messages)
	assert.Equal(t, "gguf", m.Config.ModelFormat)
	assert.Equal(t, "llama", m.Config.ModelFamily)
	assert.Equal(t, "F16", m.Config.FileType)
	assert.Len(t, m.Config.RootFS.DiffIDs, 7)
	assert.Equal(t, []puna.Capability{puna.CanComplete, puna.CanTools}, m.Config.Summary.Capabilities)
	assert.Equal(t, testmodel.Tiny.Ctx, m.Config.Summary.ContextLength)
}

func TestCreateFromModel(t *testing.T) {
	c := newCreator(t)
	digest := upload(t, c, testmodel.Path(t))
	must(t, c, &puna.CreateRequest{Model: "base", Files: map[string]string{"tiny.gguf": digest}, Template: "{{ .Prompt }}", System: "old",
		License: []string{"MIT"}, Parameters: map[string]any{"temperature": 0.25, "num_ctx": 512.0}, Messages: []puna.Message{{Role: puna.User, Content: "hi"}}})
	lines := must(t, c, &puna.CreateRequest{Model: "child", From: "base", System: "new", Parameters: map[string]any{"temperature": 1.0}})
	assert.Contains(t, lines, "using existing layer "+digest)
	assert.NotContains(t, lines, "parsing GGUF")
	m, err := c.Store.Resolve("child")
	require.NoError(t, err)
	assert.Equal(t, "base:latest", m.Parent)
	assert.Equal(t, "new", m.System)
	assert.Equal(t, "{{ .Prompt }}", m.Template)
	assert.Equal(t, []string{"MIT"}, m.Licenses)
	assert.Equal(t, puna.Options{Temperature: new(1.0), NumCtx: new(512)}, m.Options)
	assert.Len(t, m.Messages, 1)
	_, err = run(t.Context(), c, &puna.CreateRequest{Model: "twice", From: "base", Files: map[string]string{"tiny.gguf": digest}})
	assert.ErrorContains(t, err, "tiny.gguf is a second model")
	// A model may be made of itself.
	must(t, c, &puna.CreateRequest{Model: "child", From: "child", Messages: []puna.Message{{Role: puna.User, Content: "a"}, {Role: puna.Assistant, Content: "b"}}})
	m, err = c.Store.Resolve("child")
	require.NoError(t, err)
	assert.Len(t, m.Messages, 2)
	assert.Equal(t, "new", m.System)
}

func TestCreateFromPath(t *testing.T) {
	c := newCreator(t)
	path := testmodel.Path(t)
	_, err := run(t.Context(), c, &puna.CreateRequest{Model: "m", From: path})
	assert.Equal(t, puna.Invalid, puna.KindOf(err), "paths are for trusted callers")
	c.AllowPaths = true
	lines := must(t, c, &puna.CreateRequest{Model: "m", From: path})
	assert.Equal(t, "copying "+filepath.Base(path), lines[0])
	_, err = c.Store.Resolve("m")
	require.NoError(t, err)
	_, err = run(t.Context(), c, &puna.CreateRequest{Model: "n", From: "./none.gguf"})
	assert.Equal(t, puna.NotFound, puna.KindOf(err))
}

func TestQuantize(t *testing.T) {
	c := newCreator(t)
	digest := upload(t, c, testmodel.Path(t))
	var last, hashed puna.Progress
	for p, err := range c.Create(t.Context(), &puna.CreateRequest{Model: "q", Files: map[string]string{"tiny.gguf": digest}, Quantize: "q4_k_m"}) {
		require.NoError(t, err)
		if strings.HasPrefix(p.Status, "quantizing") {
			assert.Equal(t, "quantizing F16 model to Q4_K_M", p.Status)
			assert.GreaterOrEqual(t, p.Completed, last.Completed)
			last = p
		}
		if p.Status == "verifying conversion" {
			assert.Equal(t, last.Total, last.Completed, "all is written")
			assert.GreaterOrEqual(t, p.Completed, hashed.Completed)
			hashed = p
		}
	}
	assert.Positive(t, last.Total)
	assert.Equal(t, last.Total, last.Completed)
	m, err := c.Store.Resolve("q")
	require.NoError(t, err)
	info, err := os.Stat(m.Path)
	require.NoError(t, err)
	assert.Equal(t, puna.Progress{Status: "verifying conversion", Total: info.Size(), Completed: info.Size()}, hashed)
	assert.Equal(t, "Q4_K_M", m.Config.FileType)
	f, err := gguf.Open(m.Path)
	require.NoError(t, err)
	require.NoError(t, f.Validate())
	assert.Equal(t, "Q4_K_M", f.FileType().String())
	assert.Equal(t, gguf.Q4_K, f.Tensor("blk.0.attn_q.weight").Type)
	model, err := llama.LoadModelFromFile(m.Path, llama.ModelDefaultParams())
	require.NoError(t, err, "llama.cpp takes what Puna has made")
	model.Close()

	_, err = run(t.Context(), c, &puna.CreateRequest{Model: "qq", From: "q", Quantize: "Q8_0"})
	assert.ErrorContains(t, err, "quantization is only supported for F16, BF16 and F32 models, this one is Q4_K_M")
	must(t, c, &puna.CreateRequest{Model: "same", From: "q", Quantize: "Q4_K"})
}

// TestQuantizingLeavesNoSource: only the quantized weights stay, unless another model
// has the source.
func TestQuantizingLeavesNoSource(t *testing.T) {
	source := testmodel.Path(t)
	cases := map[string]struct {
		req   func(t *testing.T, c *Creator) puna.CreateRequest
		stays bool
	}{
		"uploaded": {func(t *testing.T, c *Creator) puna.CreateRequest {
			return puna.CreateRequest{Files: map[string]string{"tiny.gguf": upload(t, c, source)}}
		}, false},
		"a file of this machine": {func(*testing.T, *Creator) puna.CreateRequest {
			return puna.CreateRequest{From: source}
		}, false},
		"the model itself": {func(t *testing.T, c *Creator) puna.CreateRequest {
			must(t, c, &puna.CreateRequest{Model: "q", From: source})
			return puna.CreateRequest{From: "q"}
		}, false},
		"another model": {func(t *testing.T, c *Creator) puna.CreateRequest {
			must(t, c, &puna.CreateRequest{Model: "base", From: source})
			return puna.CreateRequest{From: "base"}
		}, true},
	}
	for about, tc := range cases {
		t.Run(about, func(t *testing.T) {
			c := newCreator(t)
			c.AllowPaths = true
			c.Quantize = relabel
			req := tc.req(t, c)
			req.Model, req.Quantize = "q", "Q8_0"
			must(t, c, &req)
			has, err := c.Store.HasBlob(digestOf(t, source))
			require.NoError(t, err)
			assert.Equal(t, tc.stays, has)
			m, err := c.Store.Resolve("q")
			require.NoError(t, err)
			assert.Equal(t, "Q8_0", m.Config.FileType)
		})
	}
}

// relabel is a [Quantizer] that changes no weight.
func relabel(_ context.Context, in, out string, to gguf.FileType) error {
	f, err := gguf.Open(in)
	if err != nil {
		return err
	}
	data, err := os.ReadFile(in)
	if err != nil {
		return err
	}
	m := whole(f, data)
	for i, kv := range m.kvs {
		if kv.Key == "general.file_type" {
			m.kvs[i].Value = uint32(to)
		}
	}
	var b bytes.Buffer
	if err := gguf.Write(&b, m.kvs, m.tensors); err != nil {
		return err
	}
	return os.WriteFile(out, b.Bytes(), 0o644)
}

func TestQuantizationNames(t *testing.T) {
	for text, want := range map[string]string{"q8_0": "Q8_0", "Q4_K": "Q4_K_M", "bf16": "BF16", "iq4_xs": "IQ4_XS", "Q3_K": "Q3_K_M"} {
		ft, err := ParseQuantization(text)
		require.NoError(t, err)
		assert.Equal(t, want, ft.String())
		assert.Equal(t, want, llama.FType(ft).String())
	}
	for _, text := range []string{"Q9", "", "IQ3", "unknown"} {
		_, err := ParseQuantization(text)
		assert.ErrorContains(t, err, fmt.Sprintf("unsupported quantization type %q: supported types are F32, F16, Q4_0", text))
	}
	assert.Equal(t, gguf.Q4_K, tensorTypeOf(15))
	assert.Equal(t, gguf.Q8_0, tensorTypeOf(7))
	assert.Equal(t, "IQ2_S", tensorTypeOf(28).String())
}

func TestRequestsThatAreWrong(t *testing.T) {
	c := newCreator(t)
	digest := upload(t, c, testmodel.Path(t))
	files := map[string]string{"tiny.gguf": digest}
	junk := fmt.Sprintf("sha256:%x", sha256.Sum256([]byte("junk")))
	require.NoError(t, c.Store.PutBlob(t.Context(), junk, strings.NewReader("junk")))
	before := blobs(t, c)
	cases := []struct {
		req  puna.CreateRequest
		text string
		kind puna.Kind
	}{
		{puna.CreateRequest{Model: "a b", Files: files}, "invalid model name", puna.Invalid},
		{puna.CreateRequest{Model: "m"}, "neither 'from' or 'files'", puna.Invalid},
		{puna.CreateRequest{Model: "m", From: "none"}, "model 'none:latest' not found", puna.NotFound},
		{puna.CreateRequest{Model: "m", Files: files, Quantize: "Q9"}, "supported types are", puna.Invalid},
		{puna.CreateRequest{Model: "m", Files: files, Template: "{{ .Prompt"}, "TEMPLATE", puna.Invalid},
		{puna.CreateRequest{Model: "m", Files: files, Renderer: "no-such"}, "no-such", puna.Invalid},
		{puna.CreateRequest{Model: "m", Files: files, Parameters: map[string]any{"top_p": 7.0}}, `option "top_p"`, puna.Invalid},
		{puna.CreateRequest{Model: "m", Files: files, Parameters: map[string]any{"colour": 7.0}}, `unknown parameter "colour"`, puna.Invalid},
		{puna.CreateRequest{Model: "m", Files: files, Messages: []puna.Message{{Role: "alien"}}}, `the role "alien"`, puna.Invalid},
		{puna.CreateRequest{Model: "m", Files: map[string]string{"x.gguf": junk}}, "x.gguf is not a GGUF file", puna.Invalid},
		{puna.CreateRequest{Model: "m", Files: map[string]string{"x.gguf": "sha256:" + strings.Repeat("0", 64)}}, "not found", puna.NotFound},
		{puna.CreateRequest{Model: "m", Files: map[string]string{"model.safetensors": junk}}, "only GGUF files", puna.Unsupported},
		{puna.CreateRequest{Model: "m", Files: map[string]string{"a.gguf": digest, "b.gguf": digest}}, "b.gguf is a second model", puna.Invalid},
		{puna.CreateRequest{Model: "m", Files: files, Adapters: files}, "is no adapter", puna.Invalid},
	}
	for _, tc := range cases {
		lines, err := run(t.Context(), c, &tc.req)
		assert.ErrorContains(t, err, tc.text)
		assert.Equal(t, tc.kind, puna.KindOf(err), tc.text)
		assert.NotContains(t, lines, "success")
	}
	assert.Equal(t, before, blobs(t, c), "nothing is left behind")
	list, err := c.Store.List()
	require.NoError(t, err)
	assert.Empty(t, list)
}

// TestLeavingAtEveryStep leaves the loop after each event in turn.
func TestLeavingAtEveryStep(t *testing.T) {
	c := newCreator(t)
	req := &puna.CreateRequest{Model: "m", Files: map[string]string{"tiny.gguf": upload(t, c, testmodel.Path(t))}, System: "s", Quantize: "Q8_0"}
	before := blobs(t, c)
	for steps := 0; ; steps++ {
		n, done := 0, false
		for p, err := range c.Create(t.Context(), req) {
			require.NoError(t, err)
			if done = p.Status == "success"; done || n == steps {
				break
			}
			n++
		}
		if done {
			break
		}
		_, err := c.Store.Resolve("m")
		require.Equal(t, puna.NotFound, puna.KindOf(err), steps)
		// llama.cpp, which can't be interrupted, may still be about to open its file.
		require.Eventually(t, func() bool { return slices.Equal(before, blobs(t, c)) }, time.Minute, time.Millisecond, steps)
	}
	_, err := c.Store.Resolve("m")
	require.NoError(t, err)
}

func TestCanceling(t *testing.T) {
	c := newCreator(t)
	digest := upload(t, c, testmodel.Path(t))
	before := blobs(t, c)
	ctx, cancel := context.WithCancel(t.Context())
	c.Quantize = func(ctx context.Context, in, out string, _ gguf.FileType) error {
		if err := os.WriteFile(out, []byte("half"), 0o644); err != nil {
			return err
		}
		cancel()
		<-ctx.Done()
		return ctx.Err()
	}
	_, err := run(ctx, c, &puna.CreateRequest{Model: "m", Files: map[string]string{"tiny.gguf": digest}, Quantize: "Q8_0"})
	assert.Equal(t, puna.Canceled, puna.KindOf(err))
	assert.Equal(t, before, blobs(t, c))
}

func TestQuantizerThatFails(t *testing.T) {
	c := newCreator(t)
	req := &puna.CreateRequest{Model: "m", Files: map[string]string{"tiny.gguf": upload(t, c, testmodel.Path(t))}, Quantize: "Q8_0"}
	c.Quantize = func(context.Context, string, string, gguf.FileType) error { return io.ErrShortWrite }
	_, err := run(t.Context(), c, req)
	assert.ErrorIs(t, err, io.ErrShortWrite)
	c.Quantize = func(_ context.Context, _, out string, _ gguf.FileType) error {
		return os.WriteFile(out, []byte("GGUF"), 0o644)
	}
	_, err = run(t.Context(), c, req)
	assert.ErrorContains(t, err, "the quantized file is broken")
	_, err = c.Store.Resolve("m")
	assert.Equal(t, puna.NotFound, puna.KindOf(err))
}

func TestRendererAndOllamaConfig(t *testing.T) {
	c := newCreator(t)
	digest := upload(t, c, testmodel.Path(t))
	must(t, c, &puna.CreateRequest{Model: "r", Files: map[string]string{"t.gguf": digest}, Renderer: "qwen3-coder", Parser: "qwen3-coder", Requires: "0.14.0"})
	must(t, c, &puna.CreateRequest{Model: "child", From: "r"})
	m, err := c.Store.Resolve("child")
	require.NoError(t, err)
	assert.Equal(t, "qwen3-coder", m.Config.Renderer)
	assert.Equal(t, "0.14.0", m.Config.Requires)
	text, err := json.Marshal(m.Config)
	require.NoError(t, err)
	var ollama store.ConfigV2
	require.NoError(t, json.Unmarshal(text, &ollama))
	assert.Equal(t, "llama", ollama.ModelFamily)
	assert.Empty(t, ollama.Capabilities, "Ollama finds out by itself")
	must(t, c, &puna.CreateRequest{Model: "child", From: "r", Template: "{{ .Prompt }}"})
	m, err = c.Store.Resolve("child")
	require.NoError(t, err)
	assert.Empty(t, m.Config.Renderer, "a template replaces the base's renderer")
}

func TestListOfCreatedModels(t *testing.T) {
	c := newCreator(t)
	must(t, c, &puna.CreateRequest{Model: "m", Files: map[string]string{"t.gguf": upload(t, c, testmodel.Path(t))}})
	list, err := info.NewLister(c.Store, c.Log).List(t.Context())
	require.NoError(t, err)
	require.Len(t, list, 1)
	m, err := c.Store.Resolve("m")
	require.NoError(t, err)
	card, err := info.Card(m, false)
	require.NoError(t, err)
	assert.Equal(t, card.Details, list[0].Details, "the summary says what the file says")
	assert.Equal(t, card.Capabilities, list[0].Capabilities)
	assert.Equal(t, m.Digest, list[0].Digest)
}

func TestAdapters(t *testing.T) {
	c := newCreator(t)
	dir := t.TempDir()
	lora, other := filepath.Join(dir, "lora.gguf"), filepath.Join(dir, "other.gguf")
	require.NoError(t, testmodel.WriteLora(lora, testmodel.Tiny, 4))
	wide := testmodel.Tiny
	wide.Embd *= 2
	require.NoError(t, testmodel.WriteLora(other, wide, 4))
	files := map[string]string{"tiny.gguf": upload(t, c, testmodel.Path(t))}
	must(t, c, &puna.CreateRequest{Model: "m", Files: files, Adapters: map[string]string{"lora.gguf": upload(t, c, lora)}})
	m, err := c.Store.Resolve("m")
	require.NoError(t, err)
	require.Len(t, m.Adapters, 1)
	_, err = run(t.Context(), c, &puna.CreateRequest{Model: "n", Files: files, Adapters: map[string]string{"other.gguf": upload(t, c, other)}})
	assert.ErrorContains(t, err, "the adapter is for another model")
	_, err = run(t.Context(), c, &puna.CreateRequest{Model: "n", Files: map[string]string{"lora.gguf": upload(t, c, lora)}})
	assert.ErrorContains(t, err, "lora.gguf is an adapter: name it with ADAPTER")
	must(t, c, &puna.CreateRequest{Model: "child", From: "m", System: "x"})
	m, err = c.Store.Resolve("child")
	require.NoError(t, err)
	assert.Len(t, m.Adapters, 1, "a model keeps its base's adapters")
}

func TestProjectorBesideAModel(t *testing.T) {
	c := newCreator(t)
	must(t, c, &puna.CreateRequest{Model: "m", Files: map[string]string{"tiny.gguf": upload(t, c, testmodel.Path(t))}})
	var b bytes.Buffer
	require.NoError(t, gguf.Write(&b, []gguf.KV{
		{Key: "general.architecture", Value: "clip"}, {Key: "clip.has_vision_encoder", Value: true},
		{Key: "clip.vision.embedding_length", Value: uint32(8)}, {Key: "clip.vision.block_count", Value: uint32(1)},
		{Key: "clip.vision.attention.head_count", Value: uint32(2)}, {Key: "clip.vision.patch_size", Value: uint32(14)},
		{Key: "clip.vision.image_size", Value: uint32(28)}, {Key: "clip.vision.image_mean", Value: []float32{0, 0, 0}},
		{Key: "clip.vision.image_std", Value: []float32{1, 1, 1}},
	}, []gguf.TensorData{{Tensor: gguf.Tensor{Name: "v.patch_embd.weight", Type: gguf.F16, Shape: []uint64{14, 14, 3}}, Data: zeros{}}}))
	path := filepath.Join(t.TempDir(), "mmproj.gguf")
	require.NoError(t, os.WriteFile(path, b.Bytes(), 0o644))
	mmproj := map[string]string{"mmproj.gguf": upload(t, c, path)}
	must(t, c, &puna.CreateRequest{Model: "seeing", From: "m", Files: mmproj})
	m, err := c.Store.Resolve("seeing")
	require.NoError(t, err)
	require.Len(t, m.Projectors, 1)
	assert.Contains(t, m.Config.Summary.Capabilities, puna.CanVision)
	_, err = run(t.Context(), c, &puna.CreateRequest{Model: "n", Files: mmproj})
	assert.ErrorContains(t, err, "none of the files is a model")
}
