package engine

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

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
// in files. They belong to the context's goroutine.
type copies struct {
	place
	c       *llama.Context
	earlier []snapshot.Entry // files of earlier runs, under the keys 0, 1, ...
	byKey   map[uint64]*stateCopy
	writes  sync.WaitGroup
	writing atomic.Bool
}

// stateCopy is a copy; its tokens never change.
type stateCopy struct {
	tokens []sched.Token

	mu        sync.Mutex
	data      []byte         // nil: it isn't in memory
	file      snapshot.Entry // where it is then
	err       error          // why it is nowhere
	writing   bool           // to a file
	forgotten bool
}

func newCopies(c *llama.Context, p place) (*copies, error) {
	cs := &copies{place: p, c: c}
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
	cs.byKey = make(map[uint64]*stateCopy, len(cs.earlier))
	for key, e := range cs.earlier {
		cs.byKey[uint64(key)] = &stateCopy{tokens: e.Tokens, file: e}
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
	s.mu.Lock()
	defer s.mu.Unlock()
	lost := func(err error) error {
		return &loop.Lost{Key: op.Key, Err: fmt.Errorf("a cached prefix of %d tokens: %w", len(s.tokens), err)}
	}
	data := s.data
	if data == nil {
		var err error
		if data, err = cs.read(s); err != nil {
			s.err = err // its file may be good: the next context tries again
			return lost(err)
		}
		defer release(data)
	}
	if _, err := cs.c.StateSeqSetData(data, op.Dst, 0); err != nil { // such as of a context with other settings
		return lost(err)
	}
	return nil
}

// read gets a copy from its file; the caller releases it.
func (cs *copies) read(s *stateCopy) ([]byte, error) {
	if s.err != nil {
		return nil, s.err
	}
	data, err := allocate(int(s.file.Size))
	if err != nil {
		return nil, err
	}
	if err := cs.dir.Read(s.file, data); err != nil {
		release(data)
		return nil, err
	}
	return data, nil
}

// demote has a copy written to a file in the background, unless another is on its way:
// disks are slower than what fills memory.
func (cs *copies) demote(key uint64) {
	s := cs.byKey[key]
	switch {
	case s.err != nil:
	case cs.dir == nil:
		s.leave(cs.dir, snapshot.Entry{}, errors.New("it left memory"))
	case !cs.writing.CompareAndSwap(false, true):
		s.leave(cs.dir, snapshot.Entry{}, errors.New("it left memory while the disk was busy"))
	default:
		s.writing = true
		cs.writes.Go(func() {
			defer cs.writing.Store(false)
			file, err := cs.dir.Write(cs.scope, s.tokens, s.data) // nobody changes or frees it meanwhile
			s.leave(cs.dir, file, err)
		})
	}
}

// leave ends a copy's time in memory.
func (s *stateCopy) leave(dir *snapshot.Dir, file snapshot.Entry, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.file, s.err, s.writing = file, err, false
	s.free()
	if s.forgotten && err == nil {
		dir.Remove(file)
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
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forgotten = true
	switch {
	case s.writing:
	case s.data != nil:
		s.free()
	case s.err == nil:
		cs.dir.Remove(s.file)
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
	cs.writes.Go(func() {
		defer release(data)
		_, err := cs.dir.Write(cs.scope, p.Tokens, data)
		done <- err
	})
	return done
}

// duplicate copies the state of a prefix; the caller releases it.
func (cs *copies) duplicate(p sched.Prefix) ([]byte, error) {
	if !p.Stored {
		return cs.state(p.ID)
	}
	s := cs.byKey[p.Key]
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return nil, s.err
	}
	data, err := allocate(len(s.data))
	copy(data, s.data)
	return data, err
}

// close frees what is in memory. Files stay.
func (cs *copies) close() {
	cs.writes.Wait()
	for _, s := range cs.byKey {
		s.free()
	}
	cs.begin()
}
