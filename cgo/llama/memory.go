package llama

// #include "shim.h"
import "C"

import (
	"errors"
	"fmt"
	"runtime"
)

var errNoMemory = errors.New("llama: the model has no memory (KV cache)")

// checkSeq refuses what llama.cpp aborts on.
func (c *Context) checkSeq(id SeqID) error {
	if id < 0 || int(id) >= c.shape.nSeqMax {
		return fmt.Errorf("llama: sequence id %d: need 0 to %d", id, c.shape.nSeqMax-1)
	}
	if c.mem == nil {
		return errNoMemory
	}
	return nil
}

// callError takes the error of the last guarded call, nil for none.
func (c *Context) callError(what string) error {
	text := c.cells.err
	if text == nil {
		return nil
	}
	c.cells.err = nil
	return failed(what, text)
}

// MemoryClear wraps llama_memory_clear: forgets all sequences; data zeroes the cells too.
func (c *Context) MemoryClear(data bool) error {
	defer runtime.KeepAlive(c)
	c.use()
	if c.mem == nil {
		return nil
	}
	C.puna_memory_clear(c.mem, C.bool(data), &c.cells.err)
	return c.callError("clear the memory")
}

// MemorySeqRm wraps llama_memory_seq_rm: forgets positions [p0, p1) of a sequence;
// below zero p0 means the start, p1 the end, and id all sequences. ok is false when
// the memory cannot forget a part (recurrent state), and then is unchanged; a whole
// sequence can always go.
func (c *Context) MemorySeqRm(id SeqID, p0, p1 Pos) (ok bool, err error) {
	defer runtime.KeepAlive(c)
	c.use()
	if id >= 0 {
		if err := c.checkSeq(id); err != nil {
			return false, err
		}
	}
	done := C.puna_memory_seq_rm(c.mem, C.llama_seq_id(max(id, -1)), C.llama_pos(p0), C.llama_pos(p1), &c.cells.err)
	return done == 1, c.callError("remove positions")
}

// MemorySeqCp wraps llama_memory_seq_cp: gives sequence dst the cells of [p0, p1) of
// src too; no data is copied in a unified memory. A memory that isn't unified copies
// whole sequences only: p0 and p1 must be below zero. Recurrent memory ignores the range.
func (c *Context) MemorySeqCp(src, dst SeqID, p0, p1 Pos) error {
	defer runtime.KeepAlive(c)
	c.use()
	if err := errors.Join(c.checkSeq(src), c.checkSeq(dst)); err != nil {
		return err
	}
	if !c.shape.unified && (p0 > 0 || p1 >= 0) {
		return fmt.Errorf("llama: copy [%d, %d) of sequence %d: a memory that isn't unified copies whole sequences only", p0, p1, src)
	}
	C.puna_memory_seq_cp(c.mem, C.llama_seq_id(src), C.llama_seq_id(dst), C.llama_pos(p0), C.llama_pos(p1), &c.cells.err)
	return c.callError("copy a sequence")
}

// MemorySeqKeep wraps llama_memory_seq_keep: forgets all other sequences.
func (c *Context) MemorySeqKeep(id SeqID) error {
	defer runtime.KeepAlive(c)
	c.use()
	if err := c.checkSeq(id); err != nil {
		return err
	}
	C.llama_memory_seq_keep(c.mem, C.llama_seq_id(id))
	return nil
}

// checkShift refuses a shift that llama.cpp aborts on.
func (c *Context) checkShift(id SeqID) error {
	if err := c.checkSeq(id); err != nil {
		return err
	}
	if c.shape.multiPos || !bool(C.llama_memory_can_shift(c.mem)) {
		return errors.New("llama: positions of this model can't be shifted")
	}
	return nil
}

// MemorySeqAdd wraps llama_memory_seq_add: adds delta to positions [p0, p1). The
// cells are rotated by the next Decode. Models with M-RoPE can't.
func (c *Context) MemorySeqAdd(id SeqID, p0, p1, delta Pos) error {
	defer runtime.KeepAlive(c)
	c.use()
	if err := c.checkShift(id); err != nil {
		return err
	}
	C.llama_memory_seq_add(c.mem, C.llama_seq_id(id), C.llama_pos(p0), C.llama_pos(p1), C.llama_pos(delta))
	return nil
}

// MemorySeqDiv wraps llama_memory_seq_div: divides positions [p0, p1) by d >= 1.
func (c *Context) MemorySeqDiv(id SeqID, p0, p1 Pos, d int) error {
	defer runtime.KeepAlive(c)
	c.use()
	if d < 1 {
		return fmt.Errorf("llama: divide positions by %d: need at least 1", d)
	}
	if err := c.checkShift(id); err != nil {
		return err
	}
	C.llama_memory_seq_div(c.mem, C.llama_seq_id(id), C.llama_pos(p0), C.llama_pos(p1), C.int(d))
	return nil
}

// MemorySeqPosMin wraps llama_memory_seq_pos_min: the first position held, -1 for an
// empty or unknown sequence. It is above zero only for sliding windows and recurrent
// state.
func (c *Context) MemorySeqPosMin(id SeqID) Pos {
	defer runtime.KeepAlive(c)
	c.use()
	if c.checkSeq(id) != nil {
		return -1
	}
	return Pos(C.llama_memory_seq_pos_min(c.mem, C.llama_seq_id(id)))
}

// MemorySeqPosMax wraps llama_memory_seq_pos_max: the last position held, -1 for an
// empty or unknown sequence.
func (c *Context) MemorySeqPosMax(id SeqID) Pos {
	defer runtime.KeepAlive(c)
	c.use()
	if c.checkSeq(id) != nil {
		return -1
	}
	return Pos(C.llama_memory_seq_pos_max(c.mem, C.llama_seq_id(id)))
}

// MemoryCanShift wraps llama_memory_can_shift.
func (c *Context) MemoryCanShift() bool {
	defer runtime.KeepAlive(c)
	c.use()
	return bool(C.llama_memory_can_shift(c.mem))
}
