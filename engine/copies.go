package engine

import (
	"fmt"
	"log/slog"
	"slices"
	"sync"

	"github.com/puna-ai/puna/cgo/llama"
	"github.com/puna-ai/puna/engine/loop"
	"github.com/puna-ai/puna/engine/sched"
	"github.com/puna-ai/puna/engine/snapshot"
)

// place is where a model's prefixes go that leave memory.
type place struct {
	dir   *snapshot.Dir // nil: nowhere
	scope snapshot.Scope
}

// place is where prefixes of m go that leave memory. A state fits contexts of the same
// weights, llama.cpp, KV type and scales of adapters.
func (m *Model) place(s shape) place {
	if m.opts.Digest == "" || m.opts.NoReuse {
		return place{}
	}
	return place{m.engine.disk, snapshot.NewScope(m.opts.Digest, m.engine.report.LlamaCommit, s.kv.String(), s.scales)}
}

// copies hold the states of sequences that left their context's cells: in memory
// outside Go's heap, which would keep what was forgotten until its next collection, or
// in files. Their methods are for the context's goroutine; files are read and written by
// others.
type copies struct {
	place
	c       *llama.Context
	most    int // bytes of those that wait to be written, where there are several
	log     *slog.Logger
	earlier []snapshot.Entry // files of earlier runs, under the keys 0, 1, ...
	byKey   map[uint64]*stateCopy
	fetched chan error     // of the last fetch
	others  sync.WaitGroup // goroutines

	mu    sync.Mutex   // of what follows, and of every copy
	queue []*stateCopy // to be written in this order; the first is on its way
}

// stateCopy is a copy; its tokens never change, and neither does its data.
type stateCopy struct {
	tokens []sched.Token

	data      []byte          // nil: it isn't in memory
	file      *snapshot.Entry // nil: it has none
	err       error           // why it can't be in memory, or in a file, any more
	fetched   bool            // data stays until it is released
	forgotten bool            // while it was written
	kept      chan<- error    // not nil: it is only to be written, which this is told
}

func newCopies(c *llama.Context, p place, most int64, log *slog.Logger) (*copies, error) {
	cs := &copies{place: p, c: c, most: int(most), log: log}
	if p.dir != nil {
		var err error
		if cs.earlier, err = p.dir.List(p.scope); err != nil {
			return nil, err
		}
	}
	cs.begin()
	return cs, nil
}

// begin knows the files of earlier runs and nothing else.
func (cs *copies) begin() {
	cs.fetched = make(chan error, 1)
	cs.byKey = make(map[uint64]*stateCopy, len(cs.earlier))
	for key, e := range cs.earlier {
		cs.byKey[uint64(key)] = &stateCopy{tokens: e.Tokens, file: &e}
	}
}

// kept are the tokens of the copies there are from the start, by key.
func (cs *copies) kept() [][]sched.Token {
	list := make([][]sched.Token, len(cs.earlier))
	for i, e := range cs.earlier {
		list[i] = e.Tokens
	}
	return list
}

// save keeps the state of a sequence. Where it can't, the copy is one that can't be
// restored.
func (cs *copies) save(op sched.Op) {
	data, err := cs.state(op.Src)
	cs.byKey[op.Key] = &stateCopy{tokens: op.Tokens, data: data, err: err}
}

// state copies what the cells hold of a sequence; the caller releases it.
func (cs *copies) state(id llama.SeqID) ([]byte, error) {
	n, err := cs.c.StateSeqGetSize(id, 0)
	if err != nil {
		return nil, err
	}
	data, err := allocate(n)
	if err != nil {
		return nil, fmt.Errorf("no memory for a copy of %d bytes: %w", n, err)
	}
	if _, err := cs.c.StateSeqGetData(data, id, 0); err != nil {
		release(data)
		return nil, err
	}
	return data, nil
}

// restore gives a sequence, which is empty, the state under a key. After an error it
// has a part of it at most.
func (cs *copies) restore(op sched.Op) error {
	s := cs.byKey[op.Key]
	data, err := cs.inMemory(s)
	if err == nil {
		_, err = cs.c.StateSeqSetData(data, op.Dst, 0) // fails for that of a context with other settings
	}
	if err != nil {
		return &loop.Lost{Key: op.Key, Err: s.lost(err)}
	}
	return nil
}

func (s *stateCopy) lost(err error) error {
	return fmt.Errorf("a cached prefix of %d tokens: %w", len(s.tokens), err)
}

// inMemory is the state of a copy that the scheduler has in memory, or fetched.
func (cs *copies) inMemory(s *stateCopy) ([]byte, error) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if s.data == nil {
		return nil, s.err
	}
	return s.data, nil
}

// fetch has a copy read by another goroutine, unless it is in memory still, waiting to be
// written.
func (cs *copies) fetch(key uint64) {
	s := cs.byKey[key]
	cs.mu.Lock()
	defer cs.mu.Unlock()
	switch {
	case s.data != nil:
		s.fetched = true
		cs.fetched <- nil
	case s.err != nil:
		cs.fetched <- s.lost(s.err)
	default:
		cs.others.Go(func() { cs.fetched <- cs.read(s) })
	}
}

// read gets a copy from its file.
func (cs *copies) read(s *stateCopy) error {
	data, err := cs.load(*s.file)
	cs.mu.Lock()
	defer cs.mu.Unlock()
	s.data, s.fetched = data, err == nil
	if err != nil {
		s.file, s.err = nil, err // it may be good: the next context tries again
		return s.lost(err)
	}
	return nil
}

// load reads a file; the caller releases the state.
func (cs *copies) load(file snapshot.Entry) ([]byte, error) {
	data, err := allocate(int(file.Size))
	if err != nil {
		return nil, fmt.Errorf("no memory for a copy of %d bytes: %w", file.Size, err)
	}
	if err := cs.dir.Read(file, data); err != nil {
		release(data)
		return nil, err
	}
	return data, nil
}

// release lets go of what fetch got.
func (cs *copies) release(key uint64) {
	s := cs.byKey[key]
	cs.mu.Lock()
	defer cs.mu.Unlock()
	s.fetched = false
	if !slices.Contains(cs.queue, s) {
		s.free()
	}
}

// demote has a copy written to a file in the background, after those before it. Disks are
// slower than what fills memory, so there may be no room for it to wait: it is lost then.
func (cs *copies) demote(key uint64) {
	s := cs.byKey[key]
	cs.mu.Lock()
	defer cs.mu.Unlock()
	waiting := 0
	for _, w := range cs.queue {
		waiting += len(w.data)
	}
	switch {
	case s.err != nil:
	case waiting > 0 && waiting+len(s.data) > cs.most:
		s.notWritten(cs.log, fmt.Errorf("the disk is too slow: %d bytes wait to be written already", waiting))
		s.free()
	default:
		cs.enqueue(s)
	}
}

// enqueue has a copy written after those before it; mu is held.
func (cs *copies) enqueue(s *stateCopy) {
	if cs.queue = append(cs.queue, s); len(cs.queue) == 1 {
		cs.others.Go(cs.writeQueue)
	}
}

func (s *stateCopy) notWritten(log *slog.Logger, err error) {
	s.err = err
	log.Warn("a cached prefix could not be kept on disk", "tokens", len(s.tokens), "error", err)
}

// writeQueue writes copies until none waits.
func (cs *copies) writeQueue() {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	for len(cs.queue) > 0 {
		s := cs.queue[0]
		cs.mu.Unlock()
		file, err := cs.dir.Write(cs.scope, s.tokens, s.data)
		cs.mu.Lock()
		cs.queue = slices.Delete(cs.queue, 0, 1)
		cs.written(s, file, err)
	}
}

// written ends a copy's time in the queue.
func (cs *copies) written(s *stateCopy, file snapshot.Entry, err error) {
	if s.kept != nil {
		s.free()
		s.kept <- err
		return
	}
	if err != nil {
		s.notWritten(cs.log, err)
	} else {
		s.file = &file
	}
	switch {
	case s.forgotten:
		cs.drop(s)
	case !s.fetched:
		s.free()
	}
}

func (s *stateCopy) free() {
	if s.data != nil {
		release(s.data)
		s.data = nil
	}
}

// forget drops a copy; one that is being written goes when it is.
func (cs *copies) forget(key uint64) {
	s := cs.byKey[key]
	delete(cs.byKey, key)
	cs.mu.Lock()
	defer cs.mu.Unlock()
	at := slices.Index(cs.queue, s)
	if at == 0 {
		s.forgotten = true
		return
	}
	if at > 0 {
		cs.queue = slices.Delete(cs.queue, at, at+1)
	}
	cs.drop(s)
}

// drop ends a copy that nobody reads or writes.
func (cs *copies) drop(s *stateCopy) {
	s.free()
	if s.file != nil {
		cs.dir.Remove(*s.file)
	}
}

// keep writes a prefix to a file that outlives the context, in the background; one that
// has a file already is marked as used.
func (cs *copies) keep(p sched.Prefix) <-chan error {
	done := make(chan error, 1)
	if cs.dir == nil || cs.dir.Touch(cs.scope, p.Tokens) {
		done <- nil
		return done
	}
	data, err := cs.duplicate(p)
	if err != nil {
		done <- err
		return done
	}
	cs.mu.Lock()
	defer cs.mu.Unlock()
	cs.enqueue(&stateCopy{tokens: p.Tokens, data: data, kept: done})
	return done
}

// duplicate copies the state of a prefix; the caller releases it.
func (cs *copies) duplicate(p sched.Prefix) ([]byte, error) {
	if !p.Stored {
		return cs.state(p.ID)
	}
	data, err := cs.inMemory(cs.byKey[p.Key])
	if err != nil {
		return nil, err
	}
	own, err := allocate(len(data))
	copy(own, data)
	return own, err
}

// close frees what is in memory, when what is being read is here and all is written that
// waits for it. Files stay.
func (cs *copies) close() {
	cs.others.Wait()
	for _, s := range cs.byKey {
		s.free()
	}
	cs.begin()
}
