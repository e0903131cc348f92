package engine

import (
	"cmp"
	"slices"

	"github.com/puna-ai/puna"
	"github.com/puna-ai/puna/cgo/ggml"
	"github.com/puna-ai/puna/cgo/llama"
	"github.com/puna-ai/puna/engine/fit"
	"github.com/puna-ai/puna/models/gguf"
)

// DefaultParallel is how many requests of a model run at once where
// [LoadOptions.NumParallel] is 0 and cells suffice.
const DefaultParallel = maxRunning

// Estimate says what memory a load with these options will take: the weights and one
// context, and those of a draft model. Only headers of files are read. Errors are those of reading them.
//
// Weights count in full, mapped or not. The pages of a mapped file can be reclaimed, so
// a load that doesn't fit wouldn't fail, but every token reads nearly all of them: a
// model that shares its pages' memory with another would run at the speed of the disk.
func (e *Engine) Estimate(o LoadOptions) (fit.Memory, error) {
	if err := o.check(); err != nil {
		return fit.Memory{}, err
	}
	file, err := gguf.OpenWith(o.Path, gguf.Options{MaxArray: 1 << 12}) // layers have values in arrays, vocabularies only their length
	if err != nil {
		return fit.Memory{}, err
	}
	model := measure(file)
	for _, a := range o.Adapters {
		model.Weights += a.bytes()
	}
	first := e.firstContext(o, file)
	draft, err := e.estimateDraft(o, first)
	if err != nil {
		return fit.Memory{}, err
	}
	return fit.Of(model, first).Split(e.deviceShare(o.Options, file.BlockCount())).Add(draft), nil
}

// measure reads what a model's memory depends on.
func measure(file *gguf.File) fit.Model {
	number := func(key string, most uint64) int64 { n, _ := file.Uint(key); return int64(min(n, most)) }
	m := fit.Model{
		Embedding:  int64(file.EmbeddingLength()),
		Vocabulary: int64(file.VocabSize()),
		Cell:       cellElements(file),
	}
	for i := range file.Tensors {
		m.Weights += file.Tensors[i].Bytes()
	}
	m.FeedForward = max(largest(file.Uints(".feed_forward_length")),
		number(".expert_feed_forward_length", maxNumber)*max(1, number(".expert_used_count", maxLayers)))
	m.Heads = largest(file.Uints(".attention.head_count")) * number(".attention.key_length", maxNumber)
	m.Heads = max(m.Heads, m.Embedding)
	m.State = stateElements(file, number) * layers(file)
	return m
}

// stateElements counts the recurrent state of a layer, llama_hparams::n_embd_r and
// n_embd_s. All layers count: files don't say which have one.
func stateElements(file *gguf.File, number func(key string, most uint64) int64) int64 {
	width := int64(file.EmbeddingLength())
	if head := number(".wkv.head_size", maxNumber); head > 0 {
		return (head + 2) * width // and up to two shifted tokens
	}
	if kernel := number(".shortconv.l_cache", maxLayers); kernel > 0 {
		return (kernel - 1) * width
	}
	inner, states := number(".ssm.inner_size", maxNumber), number(".ssm.state_size", maxNumber)
	kernel, groups := number(".ssm.conv_kernel", maxLayers), number(".ssm.group_count", maxLayers)
	return max(0, kernel-1)*(inner+2*groups*states) + inner*states
}

// cellElements counts the keys and values of a cell. Models whose tokens see those
// after them have no cache.
func cellElements(file *gguf.File) int64 {
	if causal, ok := file.Bool(".attention.causal"); ok && !causal {
		return 0
	}
	q, kv := file.Uints(".attention.head_count"), file.Uints(".attention.head_count_kv")
	if len(q) == 0 {
		return 0
	}
	if len(kv) == 0 {
		kv = q
	}
	head := uint64(file.EmbeddingLength()) / max(1, slices.Max(q))
	key, value := head, head
	if n, ok := file.Uint(".attention.key_length"); ok {
		key = n
	}
	if n, ok := file.Uint(".attention.value_length"); ok {
		value = n
	}
	var sum uint64
	for layer := range int(layers(file)) {
		sum += min(kv[min(layer, len(kv)-1)], maxNumber) * min(key+value, maxNumber)
	}
	return int64(sum)
}

// Larger numbers than any model has are broken, which the load reports: here they must
// only not overflow.
const (
	maxNumber = 1 << 20
	maxLayers = 1 << 10
)

func layers(file *gguf.File) int64 { return int64(min(file.BlockCount(), maxLayers)) }

func largest(all []uint64) int64 {
	if len(all) == 0 {
		return 0
	}
	return int64(min(slices.Max(all), maxNumber))
}

// firstContext describes the context that a load makes; see [Model.schedule].
func (e *Engine) firstContext(o LoadOptions, file *gguf.File) fit.Context {
	m := &Model{engine: e, opts: o}
	limit := puna.Or(o.Options.NumCtx, e.defaultContext())
	if train := file.ContextLength(); train > 0 {
		limit = min(limit, train)
	}
	sequences := cmp.Or(o.NumParallel, maxRunning) + cachedIDs
	if window, _ := file.Uint(".attention.sliding_window"); file.Recurrent() || window > 0 {
		sequences = cmp.Or(o.NumParallel, otherRunning)
	}
	return fit.Context{
		Cells: int64(m.poolFor(limit)), Batch: int64(batch(o.Options)), Sequences: int64(min(sequences, maxIDs)),
		CellType: cellType(o.kvType(o.Options)),
	}
}

func cellType(t ggml.Type) fit.Type { return fit.Type{Elements: t.BlockSize(), Bytes: int64(t.Size())} }

// contextBytes estimates what a context takes beside the weights: llama.cpp tells the sizes
// of its buffers to nobody but its log.
func (m *Model) contextBytes(c *llama.Context, kv ggml.Type) int64 {
	return m.bytesOf(c.NCtx(), c.NUbatch(), c.NSeqMax(), kv, c.HasMemory())
}

// bytesOf is contextBytes before there is a context. An encoder has no memory: no cells,
// and no logits.
func (m *Model) bytesOf(cells, ubatch, sequences int, kv ggml.Type, memory bool) int64 {
	model := m.measured
	if !memory {
		model.Cell, model.Vocabulary = 0, 0
	}
	e := fit.Of(model, fit.Context{
		Cells: int64(cells), Batch: int64(ubatch), Sequences: int64(sequences), CellType: cellType(kv),
	})
	return e.Cache + e.Compute
}

// deviceShare is the share of layers that dedicated GPUs hold. llama.cpp counts the
// output as one layer more.
func (e *Engine) deviceShare(o puna.Options, layers int) float64 {
	if !slices.ContainsFunc(ggml.Devices(), func(d ggml.Device) bool { return d.Type() == ggml.GPU }) {
		return 0
	}
	n := puna.Or(o.NumGPU, -1)
	if n < 0 || n > layers {
		return 1
	}
	return float64(n) / float64(layers+1)
}

// Capacity is the memory that all models of this process together may take, their own
// at present included: what is free, and what this process has outside Go's heap, which
// is models. Mapped weights are free memory to the kernel, so they are in it too. A
// zero kind is unknown.
func (e *Engine) Capacity() fit.Memory {
	var c fit.Memory
	if free := freeMemory(); free > 0 {
		c.Host = free + ownMemory()
	}
	for _, d := range e.report.Devices { // as free as when the kernels were loaded
		if d.Type == ggml.GPU {
			c.Device += int64(d.MemoryFree)
		}
	}
	return c
}
