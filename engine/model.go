package engine

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/puna-ai/puna"
	"github.com/puna-ai/puna/cgo/ggml"
	"github.com/puna-ai/puna/cgo/llama"
	"github.com/puna-ai/puna/engine/embedding"
	"github.com/puna-ai/puna/engine/fit"
	"github.com/puna-ai/puna/engine/loop"
	"github.com/puna-ai/puna/models/template"
)

// Model is a loaded model. It is safe for concurrent use.
type Model struct {
	engine   *Engine
	opts     LoadOptions
	llama    *llama.Model
	vocab    *llama.Vocab
	adapters []adapter
	draft    *drafting              // nil: none
	eog      []llama.Token          // end tokens
	plain    bool                   // attention over one KV cache: prefixes can be shared
	measured fit.Model              // by the file's metadata
	grow     func(size int64) error // [LoadOptions.Grow], once loaded
	source   template.Source
	template *template.Template

	life    context.Context // done when running requests are to be canceled
	end     context.CancelFunc
	closing sync.WaitGroup // contexts that are being closed
	users   sync.WaitGroup // calls that use the vocabulary

	mu       sync.Mutex // of what follows
	loops    map[shape]*runner
	leaving  map[*runner]struct{} // contexts that take no more requests
	embedder *embedder            // nil until something was embedded
	now      uint64
	past     loop.Stats      // of contexts that were closed
	embedded embedding.Stats // of embedding contexts that were closed
	closed   bool
}

// Info describes a loaded model.
type Info struct {
	Name          string
	Path          string
	Architecture  string // "llama"
	Description   string // "llama 1B Q4_K - Medium"
	Parameters    int64
	Size          int64 // bytes of weights, those of adapters and a draft model too, and of all contexts about: KV caches, states, copies of prefixes and compute buffers, those for embeddings included
	SizeVRAM      int64 // of these, bytes in the memory of GPUs, by the share of layers there
	Layers        int
	GPULayers     int
	TrainContext  int // tokens that the model was trained for
	ContextLength int // tokens that a request may have in the largest context there is now, or in the first
	Vocabulary    int // tokens
	Embedding     int // width
	Capabilities  []puna.Capability
	Variant       string // the CPU kernels: "sapphirerapids"
	Threads       int
	Reuse         bool // whether prompts reuse computed prefixes
}

// Info describes the model.
func (m *Model) Info() Info {
	if !m.use() {
		return Info{Name: m.opts.Name, Path: m.opts.Path}
	}
	defer m.users.Done()
	arch, _ := m.llama.MetaValStr("general.architecture")
	i := Info{
		Name: m.opts.Name, Path: m.opts.Path, Architecture: arch, Description: m.llama.Desc(),
		Parameters: int64(m.llama.NParams()),
		Layers:     m.llama.NLayer(), TrainContext: m.llama.NCtxTrain(), Vocabulary: m.vocab.NTokens(),
		Embedding: m.llama.NEmbd(), Capabilities: m.capabilities(), Variant: m.engine.report.Variant,
		Threads: threads(m.opts.Options), Reuse: m.plain && !m.opts.NoReuse || m.cacheRAM() > 0,
	}
	m.mu.Lock()
	i.Size = m.size()
	for _, r := range m.loops {
		i.ContextLength = max(i.ContextLength, min(r.cells, i.TrainContext))
	}
	if i.ContextLength == 0 { // one for embeddings grows with its inputs
		i.ContextLength = m.limit(m.opts.Options)
	}
	m.mu.Unlock()
	if m.engine.hasGPU() {
		i.GPULayers = i.Layers
		if n := puna.Or(m.opts.Options.NumGPU, -1); n >= 0 {
			i.GPULayers = min(n, i.Layers)
		}
		i.SizeVRAM = i.Size * int64(i.GPULayers) / int64(max(1, i.Layers))
	}
	return i
}

// size is [Info.Size]; m.mu is held.
func (m *Model) size() int64 {
	n := int64(m.llama.Size())
	if m.draft != nil {
		n += int64(m.draft.llama.Size())
	}
	for _, a := range m.adapters {
		n += a.bytes
	}
	for _, r := range m.loops {
		n += r.bytes + r.Stats().Stored
	}
	for r := range m.leaving {
		n += r.bytes
	}
	if m.embedder != nil {
		n += m.embedder.bytes
	}
	return n
}

// cellBytes is the size of a cell of the KV cache: keys and values of all layers that
// have some. Where layers have only a window of cells it is more than a cell takes.
func (m *Model) cellBytes(kv ggml.Type) int64 {
	return m.measured.Cell / kv.BlockSize() * int64(kv.Size())
}

// stateBytes is the size of a sequence's recurrent state, or somewhat more; at least 1.
func (m *Model) stateBytes() int64 { return max(1, 4*m.measured.State) }

func (e *Engine) hasGPU() bool {
	for _, d := range e.report.Devices {
		if d.Type == ggml.GPU || d.Type == ggml.IGPU {
			return true
		}
	}
	return false
}

func (m *Model) capabilities() []puna.Capability {
	if !m.generates() {
		return []puna.Capability{puna.CanEmbed}
	}
	all := []puna.Capability{puna.CanComplete}
	for _, c := range []puna.Capability{puna.CanTools, puna.CanThink} {
		if m.template.Supports(c) {
			all = append(all, c)
		}
	}
	if m.template.Supports(puna.CanInsert) || m.canFIM() {
		all = append(all, puna.CanInsert)
	}
	if m.pools() {
		all = append(all, puna.CanEmbed)
	}
	return all
}

// Stats are counters of a model since its load, and gauges of now.
type Stats struct {
	Requests        int64 // canceled and failed ones included
	Running         int   // requests in the batch
	Waiting         int   // requests that wait for room
	Steps           int64 // decodes
	PromptTokens    int64 // computed
	CachedTokens    int64 // of prompts, reused instead
	GeneratedTokens int64
	DraftedTokens   int64
	AcceptedTokens  int64 // of the drafted, generated too
	Preempted       int64 // times a request lost its cells to others and was computed again
	Cells           int   // of the KV caches
	CellsUsed       int   // by running requests and cached prefixes
	CachedPrefixes  int
	StoredPrefixes  int           // copies of prefixes that left the cells
	StoredBytes     int64         // of these
	DecodeTime      time.Duration // inside llama_decode
	StepTime        time.Duration // of all steps, DecodeTime included
	Embedding       embedding.Stats
}

// Stats reads the counters.
func (m *Model) Stats() Stats {
	m.mu.Lock()
	defer m.mu.Unlock()
	sum, embedded, cells := m.past, m.embedded, 0
	if m.embedder != nil {
		embedded = embedded.Add(m.embedder.Stats())
	}
	for _, r := range slices.AppendSeq(slices.Collect(maps.Values(m.loops)), maps.Keys(m.leaving)) {
		now := r.Stats()
		sum = add(sum, now)
		sum.Usage.Cells += now.Usage.Cells
		sum.Running += now.Running
		sum.Waiting += now.Waiting
		sum.Prefixes += now.Prefixes
		sum.Copies += now.Copies
		sum.Stored += now.Stored
		cells += r.cells
	}
	return Stats{
		Requests: sum.Requests, Running: sum.Running, Waiting: sum.Waiting, Steps: sum.Steps,
		PromptTokens: sum.Prompt, CachedTokens: sum.Cached, GeneratedTokens: sum.Generated,
		DraftedTokens: sum.Drafted, AcceptedTokens: sum.Accepted,
		Preempted: sum.Preempts, Cells: cells, CellsUsed: sum.Usage.Cells, CachedPrefixes: sum.Prefixes,
		StoredPrefixes: sum.Copies, StoredBytes: sum.Stored,
		DecodeTime: sum.Decode, StepTime: sum.Step, Embedding: embedded,
	}
}

// add adds b's counters, not its gauges, to a.
func add(a, b loop.Stats) loop.Stats {
	a.Requests += b.Requests
	a.Steps += b.Steps
	a.Prompt += b.Prompt
	a.Cached += b.Cached
	a.Generated += b.Generated
	a.Drafted += b.Drafted
	a.Accepted += b.Accepted
	a.Decode += b.Decode
	a.Step += b.Step
	a.Preempts += b.Preempts
	return a
}

// Tokenize splits text into tokens. Special says whether the texts of control
// tokens become these tokens, and a beginning-of-sequence token is added where the
// model wants one.
func (m *Model) Tokenize(text string, special bool) ([]int, error) {
	if !m.use() {
		return nil, m.unloaded()
	}
	defer m.users.Done()
	tokens, err := m.vocab.Tokenize(text, special, special)
	if err != nil {
		return nil, puna.Errorf(puna.Invalid, "%w", err)
	}
	return ints(tokens), nil
}

// Detokenize is the text of tokens, control tokens included; it may not be valid
// UTF-8 where a character is split over tokens outside the slice.
func (m *Model) Detokenize(tokens []int) (string, error) {
	if !m.use() {
		return "", m.unloaded()
	}
	defer m.users.Done()
	ts, err := m.tokens(tokens)
	if err != nil {
		return "", err
	}
	text, err := m.vocab.Detokenize(ts, false, true)
	if err != nil {
		return "", puna.Errorf(puna.Invalid, "%w", err)
	}
	return text, nil
}

// tokens checks what a caller says are tokens.
func (m *Model) tokens(all []int) ([]llama.Token, error) {
	ts := make([]llama.Token, len(all))
	for i, t := range all {
		if t < 0 || t >= m.vocab.NTokens() {
			return nil, puna.Errorf(puna.Invalid, "token %d at %d: the model has 0 to %d", t, i, m.vocab.NTokens()-1)
		}
		ts[i] = llama.Token(t)
	}
	return ts, nil
}

func ints(tokens []llama.Token) []int {
	all := make([]int, len(tokens))
	for i, t := range tokens {
		all[i] = int(t)
	}
	return all
}

// use counts the caller as a user of the weights and the vocabulary, unless the
// model is closed. The caller calls users.Done.
func (m *Model) use() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.closed {
		m.users.Add(1)
	}
	return !m.closed
}

func (m *Model) unloaded() error {
	return puna.Errorf(puna.Unavailable, "%q was unloaded: try again", m.opts.Name)
}

// Close waits until the running requests end, or until ctx is done and then
// cancels them, and frees the model. Requests that come later fail with
// [puna.Unavailable]. Idempotent.
func (m *Model) Close(ctx context.Context) error {
	defer context.AfterFunc(ctx, m.end)()
	m.mu.Lock()
	first := !m.closed
	m.closed = true
	m.retireAll()
	m.mu.Unlock()
	m.closing.Wait()
	if first {
		m.users.Wait()
		m.free()
		m.engine.leave(m)
	}
	return nil
}

// retireAll retires all contexts; m.mu is held.
func (m *Model) retireAll() {
	for s := range m.loops {
		m.retire(s)
	}
	m.retireEmbedder()
}

// free gives up what open made.
func (m *Model) free() {
	m.mu.Lock()
	m.retireAll()
	m.mu.Unlock()
	m.closing.Wait()
	m.end()
	for _, a := range m.adapters {
		a.Close()
	}
	if m.draft != nil {
		m.draft.free()
	}
	if m.llama != nil {
		m.llama.Close()
	}
	ggml.Trim()
}
