package engine

import (
	"cmp"
	"math/bits"
	"strconv"
	"time"

	"github.com/puna-ai/puna"
	"github.com/puna-ai/puna/cgo/ggml"
	"github.com/puna-ai/puna/cgo/llama"
	"github.com/puna-ai/puna/engine/embedding"
)

const (
	embedInputs = 64                     // of a batch: a sequence each, and a row of logits where the model has them
	embedGap    = 250 * time.Millisecond // as between the tokens of a stream
)

// embedder is a context that computes embeddings, and the loop that owns it.
type embedder struct {
	*embedding.Loop
	shape   shape
	longest int   // tokens of the longest input that it takes
	bytes   int64 // beside the weights, about
}

// acquireEmbedder returns the model's embedding context, or a new one in its place if
// that is of another shape or too small. Weights are shared with all other contexts.
func (m *Model) acquireEmbedder(o puna.Options, longest int) (*embedder, error) {
	s, err := m.shape(o)
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return nil, m.unloaded()
	}
	if e := m.embedder; e != nil && e.shape == s && e.longest >= longest {
		return e, nil
	}
	size := max(s.batch, min(1<<bits.Len(uint(longest-1)), max(longest, m.limit(o))))
	next, err := m.newEmbedder(s, size)
	for puna.KindOf(err) == puna.NoMemory && m.dropIdle() && !m.closed {
		next, err = m.newEmbedder(s, size)
	}
	if err != nil {
		return nil, err
	}
	m.retireEmbedder()
	m.embedder = next
	return next, nil
}

// retireEmbedder closes the embedding context when its requests have ended; m.mu is held.
func (m *Model) retireEmbedder() {
	e := m.embedder
	if e == nil {
		return
	}
	m.embedder = nil
	m.closing.Go(func() {
		e.Close(m.life)
		m.mu.Lock()
		defer m.mu.Unlock()
		m.embedded = m.embedded.Add(e.Stats())
	})
}

// newEmbedder makes a context for inputs of up to size tokens.
func (m *Model) newEmbedder(s shape, size int) (*embedder, error) {
	p, err := m.engine.pool(s.threads)
	if err != nil {
		return nil, err
	}
	whole := !m.causal() && !m.llama.IsRecurrent() && !m.llama.IsHybrid()
	c, err := m.newEmbedContext(s, size, whole, p)
	if err != nil {
		return nil, err
	}
	if !whole && !c.HasMemory() { // no metadata says which architectures have none
		c.Close()
		whole = true
		if c, err = m.newEmbedContext(s, size, whole, p); err != nil {
			return nil, err
		}
	}
	batch, err := llama.NewBatch(c.NBatch(), 0, 1)
	if err != nil {
		c.Close()
		return nil, puna.Errorf(puna.NoMemory, "%w", err)
	}
	e := &embedder{shape: s, longest: size, bytes: m.contextBytes(c, s.kv)}
	core := embedCore{c: c, batch: batch, turn: background{m.engine.turn}, pooling: m.pooling()}
	var b embedding.Backend = &causalBackend{core}
	if whole {
		b = &wholeBackend{core}
	}
	e.Loop = embedding.New(b, embedding.Config{
		Tokens: s.batch, Inputs: c.NSeqMax(), MaxGap: cmp.Or(m.opts.MaxGap, embedGap), Waited: m.engine.turn.waited(),
	})
	return e, nil
}

// newEmbedContext makes the context. Whole says that an input must be in one ubatch:
// its tokens attend to those after them, and llama.cpp pools within a graph. Else
// inputs are computed in steps and pooled here, and only the rows that pooling needs
// have outputs: a decoder's output layer may cost as much as all others.
func (m *Model) newEmbedContext(s shape, size int, whole bool, p *ggml.Threadpool) (*llama.Context, error) {
	if err := m.checkEmbedMemory(s, size, whole); err != nil {
		return nil, err
	}
	params := llama.ContextDefaultParams()
	params.NCtx, params.NBatch = uint32(size), uint32(s.batch)
	params.PoolingType = llama.PoolingNone
	if whole {
		params.NBatch = uint32(size)
	}
	if whole || m.pooling() == llama.PoolingRank {
		params.PoolingType = m.pooling()
	}
	params.NUbatch = params.NBatch
	params.NSeqMax = uint32(min(embedInputs, s.batch))
	if m.llama.IsRecurrent() || m.llama.IsHybrid() {
		params.NSeqMax = 1 // each has a state, and ubatches take only inputs of one length
	}
	params.NThreads, params.NThreadsBatch = int32(s.threads), int32(s.threads)
	params.TypeK, params.TypeV = s.kv, s.kv
	params.Embeddings, params.KVUnified, params.NoPerf = true, true, true
	if err := m.mayGrow(m.bytesOf(size, int(params.NUbatch), int(params.NSeqMax), s.kv, !whole)); err != nil {
		return nil, err
	}
	c, err := m.llama.InitFromModel(params)
	if err != nil {
		return nil, puna.Errorf(puna.NoMemory, "a context for embeddings of %d tokens with %q: %w", size, m.opts.Name, err)
	}
	c.AttachThreadpool(p, nil)
	if err := m.adapt(c, s); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// checkEmbedMemory refuses a context that this machine has no memory for, about: the
// KV cache, the rows of a graph between two layers, and outputs.
func (m *Model) checkEmbedMemory(s shape, size int, whole bool) error {
	rows, outputs := s.batch, min(embedInputs, s.batch)
	if whole {
		rows, outputs = size, 0 // encoders have no logits
	}
	width := int64(m.llama.NEmbd())
	need := int64(size)*m.cellBytes(s.kv) + int64(rows)*(24*4*width+6*int64(size)) + int64(outputs)*4*(int64(m.vocab.NTokens())+width)
	if free := freeMemory(); free > 0 && need > free && !m.engine.hasGPU() {
		return puna.Errorf(puna.NoMemory, "embedding inputs of %d tokens with %q needs about %.1f GiB, and %.1f GiB of memory are free: lower num_ctx or num_batch",
			size, m.opts.Name, float64(need)/(1<<30), float64(free)/(1<<30))
	}
	return nil
}

// pools reports whether the file says how vectors are pooled: by Ollama's rule it is a
// model for embeddings.
func (m *Model) pools() bool {
	_, ok := m.llama.MetaValStr(m.arch() + ".pooling_type")
	return ok
}

// pooling is what the file says, or the last token's vector; see Embed.
func (m *Model) pooling() llama.PoolingType {
	value, _ := m.llama.MetaValStr(m.arch() + ".pooling_type")
	n, err := strconv.Atoi(value)
	if p := llama.PoolingType(n); err == nil && p > llama.PoolingNone && p <= llama.PoolingRank {
		return p
	}
	return llama.PoolingLast
}

// arch is the file's general.architecture.
func (m *Model) arch() string {
	arch, _ := m.llama.MetaValStr("general.architecture")
	return arch
}
