package engine

import (
	"cmp"
	"context"
	"runtime"
	"time"

	"github.com/puna-ai/puna"
	"github.com/puna-ai/puna/cgo/ggml"
	"github.com/puna-ai/puna/cgo/llama"
	"github.com/puna-ai/puna/engine/ahead"
	"github.com/puna-ai/puna/engine/loop"
	"github.com/puna-ai/puna/engine/sample"
	"github.com/puna-ai/puna/engine/sched"
)

const (
	maxIDs       = 256  // llama_max_parallel_sequences
	maxRunning   = 32   // by default
	cachedIDs    = 32   // for prefixes beside running sequences, where they can be reused
	minPool      = 8192 // cells, by default
	maxContexts  = 3    // of one model; one more closes the one used least recently
	otherRunning = 8    // by default, where each sequence has a state or window of its own
	cellAlign    = 256  // of n_ctx, in llama.cpp
	maxFiles     = 4096 // with prefixes, that a context keeps in view
	draftRows    = 16   // of a batch with drafts

	keepAfter = 2 * time.Second // without requests, until prefixes are saved on disk
)

// shape is what contexts of a model differ in, beside their size.
type shape struct {
	batch, threads int
	kv             ggml.Type
	scales         string // of the adapters
}

// runner is a context and the loop that owns it.
type runner struct {
	*loop.Loop
	cells   int
	bytes   int64  // beside the weights, about
	used    uint64 // logical time of the last request
	scratch []*sample.Scratch
	ahead   *ahead.Runner // nil: no draft model
}

// limit is how many tokens a request may have: num_ctx, no more than the model was
// trained for.
func (m *Model) limit(o puna.Options) int {
	n := puna.Or(o.NumCtx, m.engine.defaultContext())
	if train := m.llama.NCtxTrain(); train > 0 && n > train {
		n = train
	}
	return n
}

// defaultContext is Ollama's default of num_ctx, by the memory of all GPUs.
func (e *Engine) defaultContext() int {
	const gib = 1 << 30
	var total uint64
	for _, d := range e.report.Devices {
		if d.Type == ggml.GPU {
			total += d.MemoryTotal
		}
	}
	switch {
	case total < 23*gib:
		return 4096
	case total < 47*gib:
		return 32768
	}
	return 262144
}

func batch(o puna.Options) int { return puna.Or(o.NumBatch, 512) }

func threads(o puna.Options) int {
	n := min(puna.Or(o.NumThread, 0), runtime.NumCPU()) // more would only wait for each other
	return cmp.Or(n, Threads())
}

func (m *Model) shape(o puna.Options) (shape, error) {
	scales, err := m.scales(o.Adapters)
	if err != nil {
		return shape{}, err
	}
	return shape{batch(o), threads(o), m.opts.kvType(o), scales}, nil
}

// acquire returns a context that a request with options o fits in: one there is, or
// a new one, which replaces a smaller one.
func (m *Model) acquire(o puna.Options) (*runner, error) {
	s, err := m.shape(o)
	if err != nil {
		return nil, err
	}
	limit := m.limit(o)
	m.mu.Lock()
	defer m.mu.Unlock()
	for !m.closed {
		if r := m.loops[s]; r != nil && r.cells >= limit {
			m.now++
			r.used = m.now
			return r, nil
		}
		switch r, err := m.newRunner(s, m.poolFor(limit)); {
		case err == nil:
			m.retire(s)
			m.loops[s] = r
			m.makeRoom(s)
		case puna.KindOf(err) != puna.NoMemory || !m.dropIdle():
			return nil, err
		}
	}
	return nil, m.unloaded()
}

// poolFor is the number of cells for requests of up to limit tokens.
func (m *Model) poolFor(limit int) int {
	n := m.opts.PoolTokens
	if n == 0 {
		n = minPool
	}
	n = max(n, limit)
	return (n + cellAlign - 1) / cellAlign * cellAlign
}

// retire closes a context when its requests have ended.
func (m *Model) retire(s shape) {
	r := m.loops[s]
	if r == nil {
		return
	}
	delete(m.loops, s)
	m.leaving[r] = struct{}{}
	m.closing.Go(func() { m.closeRunner(r) })
}

// makeRoom retires the context that wasn't used for longest, if there are too many.
func (m *Model) makeRoom(except shape) {
	if len(m.loops) <= maxContexts {
		return
	}
	var oldest shape
	var found *runner
	for s, r := range m.loops {
		if s != except && (found == nil || r.used < found.used) {
			oldest, found = s, r
		}
	}
	m.retire(oldest)
}

// dropIdle closes the contexts that have no requests, and reports whether there were
// any; m.mu is held, but not while they close.
func (m *Model) dropIdle() bool {
	var idle []interface{ Close(context.Context) }
	for s, r := range m.loops {
		if r.EndIdle() {
			idle = append(idle, r)
			m.retire(s)
		}
	}
	if e := m.embedder; e != nil && e.EndIdle() {
		idle = append(idle, e)
		m.retireEmbedder()
	}
	m.mu.Unlock()
	defer m.mu.Lock()
	for _, c := range idle {
		c.Close(m.life)
	}
	return len(idle) > 0
}

// closeRunner closes a context that is leaving.
func (m *Model) closeRunner(r *runner) {
	r.Close(m.life)
	r.free()
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.leaving, r)
	m.past = add(m.past, r.Stats())
}

// free gives up what the loop used.
func (r *runner) free() {
	if r.ahead != nil {
		r.ahead.Close()
	}
	for _, x := range r.scratch {
		x.Close()
	}
}

// newRunner makes a context of so many cells.
func (m *Model) newRunner(s shape, cells int) (*runner, error) {
	need, free := int64(cells)*m.cellBytesDrafted(s.kv), freeMemory()
	if free > 0 && need > free && !m.engine.hasGPU() {
		return nil, puna.Errorf(puna.NoMemory, "a context of %d tokens for %q needs %.1f GiB, and %.1f GiB of memory are free: lower num_ctx",
			cells, m.opts.Name, float64(need)/(1<<30), float64(free)/(1<<30))
	}
	cfg := m.schedule(s, cells)
	grown := m.bytesOf(cells, s.batch, cfg.IDs, s.kv, true)
	if r := m.loops[s]; r != nil {
		grown -= r.bytes // the new one takes its place
	}
	if err := m.mayGrow(grown); err != nil {
		return nil, err
	}
	p, err := m.engine.pool(s.threads)
	if err != nil {
		return nil, err
	}
	b, err := m.newBackend(s, cfg, p)
	if err != nil {
		return nil, err
	}
	r := &runner{cells: cells, bytes: m.contextBytes(b.c, s.kv)}
	workers := min(s.threads, 4)
	if err := m.equip(r, workers, s, p); err != nil {
		r.free()
		b.Close()
		return nil, err
	}
	lc := loop.Config{Sched: cfg, Workers: workers, Kept: b.copies.kept(), Turn: m.engine.turn, Log: m.engine.log}
	if r.ahead != nil {
		lc.Prepare = r.ahead.Prepare
	}
	if m.place(s).dir != nil {
		lc.Quiet = keepAfter
	}
	r.Loop = loop.New(b, lc)
	return r, nil
}

// mayGrow asks whether the model's contexts may take so many bytes more; m.mu is held.
func (m *Model) mayGrow(bytes int64) error {
	if m.grow == nil || bytes <= 0 {
		return nil
	}
	return m.grow(m.size() + bytes)
}

// equip makes what the loop uses beside the context.
func (m *Model) equip(r *runner, workers int, s shape, p *ggml.Threadpool) (err error) {
	for range workers {
		x, err := sample.NewScratch(m.vocab.NTokens())
		if err != nil {
			return puna.Errorf(puna.NoMemory, "%w", err)
		}
		r.scratch = append(r.scratch, x)
	}
	if m.draft != nil {
		err = m.addAhead(r, s, p)
	}
	return err
}

// schedule sets the budgets of a context.
func (m *Model) schedule(s shape, cells int) sched.Config {
	running := m.opts.NumParallel
	cfg := sched.Config{Cells: cells, Batch: s.batch, MaxGap: m.opts.MaxGap, Plain: m.plain && !m.opts.NoReuse}
	cfg.Store, cfg.CellBytes, cfg.SeqBytes = m.cacheRAM(), m.cellBytes(s.kv), m.stateBytes()
	if m.place(s).dir != nil {
		cfg.Elsewhere = maxFiles
	}
	switch {
	case m.plain:
		if running == 0 {
			running = maxRunning
		}
		cfg.IDs, cfg.DraftRows = min(running+cachedIDs, maxIDs), draftRows
		cfg.Tidy = !m.engine.hasGPU()
	default:
		if running == 0 {
			running = otherRunning
		}
		cfg.IDs = running
	}
	cfg.Running = min(running, s.batch)
	return cfg
}

// cacheRAM is the size of a context's copies of prefixes, in bytes.
func (m *Model) cacheRAM() int64 {
	switch {
	case m.opts.CacheRAM < 0 || m.opts.NoReuse:
		return 0
	case m.opts.CacheRAM > 0:
		return m.opts.CacheRAM
	}
	free := freeMemory()
	if free == 0 {
		free = 4 << 30 // unknown
	}
	return min(free/8, 2<<30)
}

func (m *Model) newBackend(s shape, cfg sched.Config, p *ggml.Threadpool) (*backend, error) {
	params := llama.ContextDefaultParams()
	params.NCtx = uint32(cfg.Cells)
	params.NBatch, params.NUbatch = uint32(s.batch), uint32(s.batch)
	params.NSeqMax = uint32(cfg.IDs)
	params.NThreads, params.NThreadsBatch = int32(s.threads), int32(s.threads)
	params.TypeK, params.TypeV = s.kv, s.kv
	params.KVUnified, params.NoPerf = true, true
	params.SWAFull = true // so that a copy always finds as many cells as it has tokens
	c, err := m.llama.InitFromModel(params)
	if err != nil {
		return nil, puna.Errorf(puna.NoMemory, "a context of %d tokens for %q: %w", cfg.Cells, m.opts.Name, err)
	}
	c.AttachThreadpool(p, nil)
	if err := m.adapt(c, s); err != nil {
		c.Close()
		return nil, err
	}
	rows, err := llama.NewBatch(s.batch, 0, 1)
	if err != nil {
		c.Close()
		return nil, puna.Errorf(puna.NoMemory, "%w", err)
	}
	b := &backend{c: c, batch: rows}
	if b.copies, err = newCopies(c, m.place(s), cfg.Store, m.engine.log); err != nil {
		c.Close()
		rows.Close()
		return nil, puna.Errorf(puna.Internal, "reading the prefixes on disk: %w", err)
	}
	return b, nil
}
