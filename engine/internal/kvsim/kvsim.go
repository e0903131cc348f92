// Package kvsim simulates the cells of a unified KV cache, for tests of what plans
// batches for one. It knows which sequence ids own a cell, as llama.cpp does, and
// refuses whatever would make llama.cpp compute something else than was meant.
package kvsim

import (
	"fmt"
	"maps"
	"slices"

	"github.com/puna-ai/puna/engine/sched"
)

// KV is a simulated cache.
type KV struct {
	Size   int
	Exact  bool // cells of a sequence can neither be shared nor cut, only removed as a whole
	cells  map[*cell]struct{}
	copies map[uint64]*stored
	fetch  *stored // nil: none is read, or being read
}

type stored struct {
	tokens    []sched.Token
	elsewhere bool
}

type cell struct {
	token  sched.Token
	pos    int32
	owners map[sched.ID]bool
}

// New makes a cache of size cells.
func New(size int) *KV {
	return &KV{Size: size, cells: map[*cell]struct{}{}, copies: map[uint64]*stored{}}
}

// Apply makes changes in order.
func (kv *KV) Apply(ops []sched.Op) error {
	for _, op := range ops {
		if err := kv.apply(op); err != nil {
			return err
		}
	}
	return nil
}

func (kv *KV) apply(op sched.Op) error {
	if kv.Exact && (op.Kind == sched.Share || op.Kind == sched.Remove && op.N > 0) {
		return fmt.Errorf("kvsim: id %d: a state can't be shared or cut at %d", op.Dst, op.N)
	}
	if have := kv.Tokens(op.Dst); len(have) > 0 && (op.Kind == sched.Share || op.Kind == sched.Restore) {
		return fmt.Errorf("kvsim: id %d, to be filled, holds %d tokens", op.Dst, len(have))
	}
	switch op.Kind {
	case sched.Remove:
		kv.remove(op.Dst, op.N)
	case sched.Share:
		return kv.share(op)
	case sched.Save:
		kv.copies[op.Key] = &stored{tokens: kv.Tokens(op.Src)}
		if !slices.Equal(kv.copies[op.Key].tokens, op.Tokens) {
			return fmt.Errorf("kvsim: id %d holds other tokens than those to save", op.Src)
		}
	default:
		return kv.applyCopy(op)
	}
	return nil
}

// applyCopy makes a change that needs a copy.
func (kv *KV) applyCopy(op sched.Op) error {
	c := kv.copies[op.Key]
	if c == nil {
		return fmt.Errorf("kvsim: there is no copy %d", op.Key)
	}
	switch op.Kind {
	case sched.Restore:
		if c.elsewhere && c != kv.fetch {
			return fmt.Errorf("kvsim: the copy %d is elsewhere", op.Key)
		}
		rows := make([]sched.Row, len(c.tokens))
		for i, t := range c.tokens {
			rows[i] = sched.Row{Token: t, Pos: int32(i), ID: op.Dst}
		}
		return kv.Decode(rows)
	case sched.Demote:
		c.elsewhere = true
	case sched.Fetch:
		if !c.elsewhere || kv.fetch != nil {
			return fmt.Errorf("kvsim: the copy %d is in memory, or another is being read", op.Key)
		}
		kv.fetch = c
	case sched.Release:
		if c != kv.fetch {
			return fmt.Errorf("kvsim: the copy %d was not read", op.Key)
		}
		kv.fetch = nil
	case sched.Forget:
		delete(kv.copies, op.Key)
		if c == kv.fetch {
			kv.fetch = nil
		}
	}
	return nil
}

func (kv *KV) share(op sched.Op) error {
	if have := kv.Tokens(op.Src); len(have) < op.N {
		return fmt.Errorf("kvsim: copy of %d tokens of id %d, which holds %d", op.N, op.Src, len(have))
	}
	for c := range kv.cells {
		if c.owners[op.Src] && int(c.pos) < op.N {
			c.owners[op.Dst] = true
		}
	}
	return nil
}

func (kv *KV) remove(id sched.ID, from int) {
	for c := range kv.cells {
		if c.owners[id] && int(c.pos) >= from {
			delete(c.owners, id)
			if len(c.owners) == 0 {
				delete(kv.cells, c)
			}
		}
	}
}

// Decode puts the rows into cells. A row must be at the end of its sequence.
func (kv *KV) Decode(rows []sched.Row) error {
	if len(kv.cells)+len(rows) > kv.Size {
		return fmt.Errorf("kvsim: no room for %d rows: %d of %d cells are in use", len(rows), len(kv.cells), kv.Size)
	}
	ends := map[sched.ID]int{}
	for _, r := range rows {
		if _, ok := ends[r.ID]; !ok {
			ends[r.ID] = len(kv.Tokens(r.ID))
		}
		if int(r.Pos) != ends[r.ID] {
			return fmt.Errorf("kvsim: id %d: a row at %d, the end is at %d", r.ID, r.Pos, ends[r.ID])
		}
		ends[r.ID]++
		kv.cells[&cell{r.Token, r.Pos, map[sched.ID]bool{r.ID: true}}] = struct{}{}
	}
	return nil
}

// Tokens returns what id holds, in order of position.
func (kv *KV) Tokens(id sched.ID) []sched.Token {
	byPos := map[int32]sched.Token{}
	for c := range kv.cells {
		if c.owners[id] {
			byPos[c.pos] = c.token
		}
	}
	tokens := make([]sched.Token, 0, len(byPos))
	for _, pos := range slices.Sorted(maps.Keys(byPos)) {
		tokens = append(tokens, byPos[pos])
	}
	return tokens
}

// Spoil does to an Exact cache what a Decode does that fails on its way: every state may
// be another one.
func (kv *KV) Spoil() {
	for c := range kv.cells {
		c.token = -1
	}
}

// Keep makes a copy as if an earlier run had left it.
func (kv *KV) Keep(key uint64, tokens []sched.Token) { kv.copies[key] = &stored{tokens, true} }

// Lose makes a copy, where there is one yet, unreadable: its tokens are gone when it is
// restored.
func (kv *KV) Lose(key uint64) {
	if c := kv.copies[key]; c != nil {
		c.tokens = nil
	}
}

// Copies is the number of copies beside the cells.
func (kv *KV) Copies() int { return len(kv.copies) }

// Fetched reports whether what was read of a copy, or is being read, is in memory.
func (kv *KV) Fetched() bool { return kv.fetch != nil }

// Used is the number of cells that have an owner.
func (kv *KV) Used() int { return len(kv.cells) }
