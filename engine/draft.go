package engine

import (
	"context"
	"path/filepath"
	"strings"

	"github.com/puna-ai/puna/cgo/ggml"
	"github.com/puna-ai/puna/engine/ahead"
	"github.com/puna-ai/puna/engine/fit"
	"github.com/puna-ai/puna/engine/sched"
	"github.com/puna-ai/puna/models/gguf"
)

const (
	aheadBatch = 128 // rows: what a prompt takes of the draft model before one step
	aheadIDs   = draftRows
)

// Draft is a smaller model that drafts for a model.
type Draft struct {
	Path string  // of its GGUF file; "": none
	Cost float64 // of a token, where one of the model costs 1; 0: by the bytes of weights that either reads for it
}

// drafting is a draft model with its weights.
type drafting struct {
	*Model
	step   float64 // time of a step, where one of the model takes 1
	tokens int     // that both vocabularies have
}

// loadDraft loads the draft model, where there is one that the model can use.
func (m *Model) loadDraft(ctx context.Context, file *gguf.File) error {
	d := m.opts.Draft
	if d.Path == "" {
		return nil
	}
	if !m.plain || !m.generates() {
		m.refuseDraft("the model has recurrent states or sliding windows, or writes no text")
		return nil
	}
	small, err := openDraft(d, file)
	if err != nil {
		return err
	}
	o := m.opts
	model := newModel(m.engine, LoadOptions{
		Path: d.Path, Name: filepath.Base(d.Path), Options: o.Options, Repack: o.Repack, NoReuse: true,
	}, small)
	if err := model.openWeights(ctx, small); err != nil {
		return err
	}
	if !model.plain || !model.generates() {
		m.refuseDraft("it has recurrent states or sliding windows, or writes no text")
		model.free()
		return nil
	}
	m.draft = &drafting{Model: model, step: d.Cost, tokens: min(model.vocab.NTokens(), m.vocab.NTokens())}
	if d.Cost == 0 {
		m.draft.step = float64(readBytes(small)) / float64(max(1, readBytes(file)))
	}
	return nil
}

func (m *Model) refuseDraft(why string) {
	m.engine.log.Warn("a draft model is not used: drafts are taken back cell by cell, as only plain attention can",
		"model", m.opts.Name, "draft", m.opts.Draft.Path, "why", why)
}

// openDraft reads a draft model's file and checks it against the model's.
func openDraft(d Draft, model *gguf.File) (*gguf.File, error) {
	file, err := gguf.Open(d.Path)
	if err != nil {
		return nil, err
	}
	if err := file.Validate(); err != nil {
		return nil, err
	}
	return file, file.ValidateDraft(model)
}

// readBytes is how many bytes of weights a token needs: of the experts those in use, and
// of the embeddings, where the output has weights of its own, a row.
func readBytes(file *gguf.File) (sum int64) {
	experts, _ := file.Uint(".expert_count")
	used, _ := file.Uint(".expert_used_count")
	for i := range file.Tensors {
		t := &file.Tensors[i]
		n := t.Bytes()
		switch {
		case t.Name == "token_embd.weight" && file.Tensor("output.weight") != nil:
			n = 0
		case strings.Contains(t.Name, "_exps.") && experts > used:
			n = int64(float64(n) * float64(used) / float64(experts))
		}
		sum += n
	}
	return sum
}

// addAhead gives a runner a context of the draft model, of as many cells.
func (m *Model) addAhead(r *runner, s shape, p *ggml.Threadpool) error {
	d := m.draft
	cfg := sched.Config{Cells: r.cells, IDs: aheadIDs, Batch: aheadBatch, Plain: true}
	b, err := d.newBackend(shape{batch: aheadBatch, threads: s.threads, kv: s.kv}, cfg, p)
	if err != nil {
		return err
	}
	limit := r.cells
	if train := d.llama.NCtxTrain(); train > 0 {
		limit = min(limit, train)
	}
	r.bytes += d.contextBytes(b.c, s.kv)
	r.ahead = ahead.New(b, ahead.Config{
		Sched: cfg, Limit: limit, Step: d.step, Tokens: d.tokens, Ends: m.eog, Turn: m.engine.turn, Log: m.engine.log,
	})
	return nil
}

// estimateDraft says what a draft model adds to the memory of a load.
func (e *Engine) estimateDraft(o LoadOptions, context fit.Context) (fit.Memory, error) {
	if o.Draft.Path == "" {
		return fit.Memory{}, nil
	}
	file, err := gguf.OpenWith(o.Draft.Path, gguf.Options{MaxArray: 1 << 12})
	if err != nil {
		return fit.Memory{}, err
	}
	context.Batch, context.Sequences = aheadBatch, aheadIDs
	return fit.Of(measure(file), context).Split(e.deviceShare(o.Options, file.BlockCount())), nil
}

// cellBytesDrafted is the size of a cell, and of the draft model's beside it.
func (m *Model) cellBytesDrafted(kv ggml.Type) int64 {
	if m.draft == nil {
		return m.cellBytes(kv)
	}
	return m.cellBytes(kv) + m.draft.cellBytes(kv)
}
