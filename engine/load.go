package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"time"

	"github.com/puna-ai/puna"
	"github.com/puna-ai/puna/cgo/ggml"
	"github.com/puna-ai/puna/cgo/llama"
	"github.com/puna-ai/puna/models/gguf"
	"github.com/puna-ai/puna/models/template"
)

// LoadOptions describe a model: the file, and what a Modelfile says about it.
//
// It has more than 15 fields because it is what a Modelfile and a load can say.
type LoadOptions struct {
	Path     string    // the GGUF file, of a split model the first
	Name     string    // what errors and templates call the model; "": the file's base name
	Digest   string    // of what is loaded, adapters included: prefixes on disk, and what a [Prover] found, are kept under it; "": nothing is
	Proven   bool      // it needs no [Prover]
	Adapters []Adapter // in effect for every request that names none
	Draft    Draft     // a smaller model of the same vocabulary that drafts tokens, where that pays

	Options  puna.Options   // the model's own; requests go over them
	Template string         // Go template syntax; goes before Renderer and the GGUF's own
	Renderer string         // a name that Ollama's renderers know
	Parser   string         // a name that Ollama's parsers know
	System   string         // the system message of requests without one
	Messages []puna.Message // go before the messages of every chat

	// Progress is called with the loaded share, 0 to 1, from the loading goroutine.
	Progress func(fraction float64)

	// Grow is asked before a request adds a context, with the [Info.Size] that the model
	// will then have; an error, [puna.NoMemory], refuses it. It must not call the model.
	// nil: nothing is refused.
	Grow func(size int64) error

	Repack      Repack
	KVType      string        // of the KV cache where options name none, one of [puna.KVCacheTypes]; "": "f16"
	PoolTokens  int           // cells of the KV cache that all requests share; 0: num_ctx, and at least 8192
	NumParallel int           // requests that run at once, others wait; 0: as many as fit, at most 32
	MaxGap      time.Duration // the longest gap between two tokens of a stream that a long prompt beside it may cause; 0: 250 ms
	NoReuse     bool          // compute every prompt from its start
	CacheRAM    int64         // bytes, for each context, of prefixes that left its cells; 0: an eighth of the free memory, at most 2 GiB, or 512 MiB where that is unknown; negative: none
}

// Adapter is a LoRA adapter file. A request may name those that it wants, and other
// scales ([puna.Options.Adapters]).
type Adapter struct {
	Path  string
	Name  string  // "": general.name of the file
	Scale float64 // where a request says nothing; 0: 1
}

// Repack says whether weights are copied into the layout that this CPU multiplies
// fastest (AMX, interleaved rows). The copy is private memory of up to the size of
// the file, and takes about a second for each gigabyte; without it the pages of
// the mapped file are shared by every process that runs the model.
type Repack int

// The choices. Auto repacks wherever the kernels in use have a layout for the
// weights, since prompts and batches are then several times as fast.
const (
	RepackAuto Repack = iota
	RepackOn
	RepackOff
)

// kvType is the type of the KV cache for a request with options o, which are valid.
func (l *LoadOptions) kvType(o puna.Options) ggml.Type {
	t, _ := ggml.TypeOf(cmp.Or(o.KVCacheType, l.KVType, puna.KVCacheTypes()[0]))
	return t
}

// Load reads a model's weights and makes its first context. Canceling ctx stops it.
// Errors: [puna.NotFound] no such file; [puna.Invalid] not a GGUF, or broken, or it
// died when it was tried (see [Prover]); [puna.Unsupported] an architecture that the
// llama.cpp inside doesn't know (a [gguf.ArchError] inside); [puna.NoMemory].
func (e *Engine) Load(ctx context.Context, o LoadOptions) (*Model, error) {
	if err := e.begin(); err != nil {
		return nil, err
	}
	defer e.loads.Done()
	if o.Name == "" {
		o.Name = filepath.Base(o.Path)
	}
	if err := o.check(); err != nil {
		return nil, err
	}
	file, err := gguf.Open(o.Path)
	if err != nil {
		return nil, err
	}
	if err := file.Validate(); err != nil {
		return nil, err
	}
	if err := e.prove(ctx, o); err != nil {
		return nil, err
	}
	m := newModel(e, o, file)
	if err := m.open(ctx, file); err != nil {
		m.free()
		return nil, err
	}
	m.grow = o.Grow
	if err := e.enter(m); err != nil {
		m.free()
		return nil, err
	}
	return m, nil
}

// newModel is a model of which nothing is loaded yet.
func newModel(e *Engine, o LoadOptions, file *gguf.File) *Model {
	m := &Model{engine: e, opts: o, measured: measure(file), loops: map[shape]*runner{}, leaving: map[*runner]struct{}{}}
	m.life, m.end = context.WithCancel(context.Background())
	return m
}

func (o *LoadOptions) check() error {
	for _, options := range []puna.Options{o.Options, {KVCacheType: o.KVType}} {
		if err := options.Validate(); err != nil {
			return err
		}
	}
	if o.PoolTokens < 0 || o.PoolTokens > math.MaxInt32/2 || o.NumParallel < 0 || o.NumParallel > maxIDs {
		return puna.Errorf(puna.Invalid, "%d tokens for %d requests: need up to %d, and up to %d", o.PoolTokens, o.NumParallel, math.MaxInt32/2, maxIDs)
	}
	return nil
}

// open loads the weights, the adapters, the draft model and the template, and makes a
// context.
func (m *Model) open(ctx context.Context, file *gguf.File) (err error) {
	if err := m.openWeights(ctx, file); err != nil {
		return err
	}
	for t := range llama.Token(m.vocab.NTokens()) {
		if m.vocab.IsEOG(t) {
			m.eog = append(m.eog, t)
		}
	}
	if err := m.loadAdapters(file); err != nil {
		return err
	}
	if err := m.loadDraft(ctx, file); err != nil {
		return err
	}
	m.source = template.Source{
		Model: m.opts.Name, Modelfile: m.opts.Template, Renderer: m.opts.Renderer, Parser: m.opts.Parser,
		Jinja: file.ChatTemplate(""), JinjaTool: file.ChatTemplate("tool_use"),
		BOS: m.vocab.GetText(m.vocab.BOS()), EOS: m.vocab.GetText(m.vocab.EOS()),
	}
	if m.template, err = template.New(m.source); err != nil {
		return err
	}
	if m.generates() && !m.pools() { // a model for embeddings gets its context with the first input
		_, err = m.acquire(m.opts.Options)
	}
	return err
}

// openWeights loads the weights and finds out what they are.
func (m *Model) openWeights(ctx context.Context, file *gguf.File) (err error) {
	if m.llama, err = m.loadWeights(ctx); err != nil {
		return err
	}
	m.letGoOfCopied(file)
	m.vocab = m.llama.Vocab()
	m.plain = !m.llama.IsRecurrent() && !m.llama.IsHybrid() && m.llama.NSWA() == 0
	return nil
}

func (m *Model) loadWeights(ctx context.Context) (*llama.Model, error) {
	o := &m.opts
	params := llama.ModelDefaultParams()
	params.UseMmap = puna.Or(o.Options.UseMmap, true)
	params.UseExtraBufts = o.Repack != RepackOff
	params.NGPULayers = int32(puna.Or(o.Options.NumGPU, -1))
	if params.NGPULayers < 0 {
		params.NGPULayers = math.MaxInt16 // more than any model has
	}
	params.MainGPU = int32(puna.Or(o.Options.MainGPU, 0))
	params.Progress = func(fraction float32) bool {
		if o.Progress != nil {
			o.Progress(float64(fraction))
		}
		return ctx.Err() == nil
	}
	model, err := llama.LoadModelFromFile(o.Path, params)
	switch {
	case err == nil:
		return model, nil
	case errors.Is(err, llama.ErrCancelled):
		return nil, puna.Errorf(puna.Canceled, "loading %q: %w", o.Name, context.Cause(ctx))
	case errors.Is(err, llama.ErrUnknownArchitecture):
		return nil, puna.Errorf(puna.Unsupported, "loading %q: %w", o.Name, err)
	}
	return nil, puna.Errorf(puna.Invalid, "loading %q: %w", o.Name, err)
}

// letGoOfCopied drops the pages of a file whose weights may have been copied: the copy
// is used, and what wasn't copied comes back when it is read.
func (m *Model) letGoOfCopied(file *gguf.File) {
	if m.opts.Repack == RepackOff || !m.engine.repacks() {
		return
	}
	paths := file.Parts
	if paths == nil {
		paths = []string{m.opts.Path}
	}
	for _, path := range paths {
		if err := letGo(path); err != nil {
			m.engine.log.Warn("the pages of a model's file stay in memory beside their copy", "path", path, "error", err)
		}
	}
}

// repacks reports whether a CPU device has layouts that weights are copied into.
func (e *Engine) repacks() bool {
	for _, d := range ggml.Devices() {
		if len(d.ExtraBufferTypes()) > 0 {
			return true
		}
	}
	return false
}

// generates reports whether the model writes text.
func (m *Model) generates() bool {
	return m.llama.HasDecoder() && !m.llama.HasEncoder() && !m.llama.IsDiffusion() && m.vocab.NTokens() > 0 &&
		m.vocab.Type() != llama.VocabNone && m.causal()
}

// causal reports whether tokens attend only to those before them; embedding models
// don't.
func (m *Model) causal() bool {
	arch, _ := m.llama.MetaValStr("general.architecture")
	value, _ := m.llama.MetaValStr(fmt.Sprintf("%s.attention.causal", arch))
	return value != "false"
}
