package llama

import (
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/puna-ai/puna/cgo/ggml"
	"github.com/puna-ai/puna/internal/testmodel"
)

// TestMain fails when a test leaves a handle open.
func TestMain(m *testing.M) {
	ggml.SetLogger(slog.New(slog.DiscardHandler))
	code := m.Run()
	if open := Live(); len(open) > 0 && code == 0 {
		fmt.Fprintln(os.Stderr, "handles left open:", open)
		for _, stack := range Leaks() {
			fmt.Fprintln(os.Stderr, stack)
		}
		code = 1
	}
	os.Exit(code)
}

// noLeaks checks, at the test's end, that the test leaves no handle open.
func noLeaks(t *testing.T) {
	t.Helper()
	before := Live()
	t.Cleanup(func() {
		require.True(t, maps.Equal(before, Live()), "handles left open: %v, before: %v\n%v", Live(), before, Leaks())
	})
}

func loadTiny(t testing.TB) *Model {
	t.Helper()
	return loadPath(t, testmodel.Path(t))
}

func loadPath(t testing.TB, path string) *Model {
	t.Helper()
	m, err := LoadModelFromFile(path, ModelDefaultParams())
	require.NoError(t, err)
	t.Cleanup(m.Close)
	return m
}

// contextOf makes a small context of m; change adapts its parameters.
func contextOf(t testing.TB, m *Model, change func(*ContextParams)) *Context {
	t.Helper()
	p := ContextDefaultParams()
	p.NCtx, p.NBatch, p.NUbatch, p.NSeqMax = 512, 128, 64, 4
	p.NThreads, p.NThreadsBatch = 1, 1
	p.KVUnified = true
	if change != nil {
		change(&p)
	}
	c, err := m.InitFromModel(p)
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

func batchOf(t testing.TB, n int) *Batch {
	t.Helper()
	b, err := NewBatch(n, 0, 4)
	require.NoError(t, err)
	t.Cleanup(b.Close)
	return b
}

// feed decodes toks as sequence id from position pos on; the last has an output.
func feed(t testing.TB, c *Context, b *Batch, id SeqID, pos Pos, toks ...Token) {
	t.Helper()
	b.Clear()
	for i, tok := range toks {
		require.NoError(t, b.Add(tok, pos+Pos(i), []SeqID{id}, i == len(toks)-1))
	}
	require.NoError(t, c.Decode(b))
}

// prompt is some tokens of the tiny model's vocabulary.
func prompt(n int) []Token {
	toks := make([]Token, n)
	for i := range toks {
		toks[i] = Token(33 + (i*7)%200)
	}
	return toks
}

// smallShape is quicker than testmodel.Tiny.
var smallShape = testmodel.Shape{Name: "small", Embd: 64, Layers: 2, Heads: 4, KVHeads: 2, FF: 128, Vocab: 512, Ctx: 1024}

func loraPath(t testing.TB, s testmodel.Shape) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "lora.gguf")
	require.NoError(t, testmodel.WriteLora(path, s, 4))
	return path
}
