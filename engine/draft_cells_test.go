package engine

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/puna-ai/puna"
	"github.com/puna-ai/puna/cgo/ggml"
	"github.com/puna-ai/puna/cgo/llama"
	"github.com/puna-ai/puna/engine/ahead"
	"github.com/puna-ai/puna/engine/loop"
	"github.com/puna-ai/puna/engine/sched"
	"github.com/puna-ai/puna/internal/testmodel"
)

// emptied is a context that finds, before it is closed, that its cells are free.
type emptied struct {
	*backend
	t *testing.T
}

func (e emptied) Close() {
	for id := range llama.SeqID(aheadIDs) {
		assert.EqualValues(e.t, -1, e.c.MemorySeqPosMax(id), "sequence %d", id)
	}
	e.backend.Close()
}

// twins loads a model that drafts for itself, and a runner of it.
func twins(t *testing.T) (*Model, *backend, *ahead.Runner) {
	e, err := Open(Options{})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, e.Close()) })
	path := testmodel.Path(t)
	m, err := e.Load(t.Context(), LoadOptions{Path: path, Draft: Draft{Path: path, Cost: 0.1}, Options: puna.Options{NumThread: new(1)}})
	require.NoError(t, err)
	p, err := e.pool(1)
	require.NoError(t, err)
	cfg := sched.Config{Cells: 512, IDs: aheadIDs, Batch: aheadBatch, Plain: true}
	b, err := m.draft.newBackend(shape{batch: aheadBatch, threads: 1, kv: ggml.F16}, cfg, p)
	require.NoError(t, err)
	r := ahead.New(emptied{b, t}, ahead.Config{Sched: cfg, Limit: 512, Step: 0.1, Tokens: m.draft.tokens, Turn: m.engine.turn})
	t.Cleanup(r.Close)
	return m, b, r
}

func TestCellsOfDraftsAreFreed(t *testing.T) {
	_, b, r := twins(t)
	var wishes []loop.Wish
	for n := range 4 {
		d := r.Drafter(make([]ahead.Token, 10+50*n), 4)
		d.Add(ahead.Token(n))
		wishes = append(wishes, loop.Wish{Drafter: d, Most: 4})
	}
	for range 4 {
		r.Prepare(wishes, 1)
	}
	for _, w := range wishes {
		assert.NotEmpty(t, w.Drafter.Draft(1, 4))
		w.Drafter.Add(7) // all are wrong
		w.Drafter.Close()
	}
	assert.GreaterOrEqual(t, b.c.MemorySeqPosMax(0), llama.Pos(9), "prefixes stay until the end")
}

// A model that drafts for itself foretells its own greedy answer, also behind tokens that
// it didn't foresee.
func TestDraftsAreTheModelsOwnAnswers(t *testing.T) {
	m, _, r := twins(t)
	right, wrong := 0, 0
	for n := range 4 {
		text := make([]int, 5+80*n)
		for i := range text {
			text[i] = 300 + (i*i+7*n)%1500
		}
		text = append(text, 'x')
		d := r.Drafter(tokens32(text), 8)
		for range 4 {
			for _, want := range m.greedily(t, text, 4) {
				for range 3 { // the prompt goes in chunks
					r.Prepare([]loop.Wish{{Drafter: d, Most: 8}}, 1)
				}
				if draft := d.Draft(1, 8); len(draft) > 0 && int(draft[0]) == want {
					right++
				} else if len(draft) > 0 {
					wrong++
				}
				d.Add(ahead.Token(want))
				text = append(text, want)
			}
			d.Add('x') // a surprise
			text = append(text, 'x')
		}
		d.Close()
	}
	assert.Greater(t, right, 40)
	assert.LessOrEqual(t, wrong, 4, "what repeats is drafted by lookup, which is wrong at times")
}

func tokens32(tokens []int) []ahead.Token {
	all := make([]ahead.Token, len(tokens))
	for i, t := range tokens {
		all[i] = ahead.Token(t)
	}
	return all
}

// greedily is what m answers to tokens that end with an x, without drafts.
func (m *Model) greedily(t *testing.T, prompt []int, n int) []int {
	last := len(prompt) - 1
	req := &puna.Request{Context: prompt[:last], Prompt: "x", Template: "{{ .Prompt }}", Options: puna.Options{
		Temperature: new(0.0), NumPredict: &n, IgnoreEOS: new(true), DraftNumPredict: new(0)}}
	for ev, err := range m.Generate(t.Context(), req) {
		require.NoError(t, err)
		if ev.Done != nil {
			return ev.Done.Context[len(prompt):]
		}
	}
	return nil
}
