package llama

// #include "shim.h"
import "C"

import (
	"fmt"
	"runtime"
	"unsafe"
)

// StateSeqFlags mirrors llama_state_seq_flags.
type StateSeqFlags uint32

const (
	// StateSeqPartialOnly takes only what cannot be rebuilt from a prefix: recurrent
	// state and sliding-window cells.
	StateSeqPartialOnly StateSeqFlags = C.LLAMA_STATE_SEQ_FLAGS_PARTIAL_ONLY
	// StateSeqSWAOnly is the older name of StateSeqPartialOnly.
	StateSeqSWAOnly StateSeqFlags = C.LLAMA_STATE_SEQ_FLAGS_SWA_ONLY
)

func bytes(b []byte) *C.uint8_t { return (*C.uint8_t)(unsafe.SliceData(b)) }

func tokens(t []Token) *C.llama_token { return (*C.llama_token)(unsafe.SliceData(t)) }

// stateResult maps a size of zero to the error that came with it.
func (c *Context) stateResult(what string, n C.size_t) (int, error) {
	if err := c.callError(what); err != nil {
		return 0, err
	}
	return int(n), nil
}

// StateGetSize wraps llama_state_get_size: bytes that StateGetData writes now.
func (c *Context) StateGetSize() (int, error) {
	defer runtime.KeepAlive(c)
	return c.stateResult("state size", C.puna_state_get_size(c.use(), &c.cells.err))
}

// StateGetData wraps llama_state_get_data: copies the whole state (outputs and
// memory) to dst and returns how many bytes it took. dst must have StateGetSize bytes.
func (c *Context) StateGetData(dst []byte) (int, error) {
	defer runtime.KeepAlive(c)
	return c.stateResult("get the state", C.puna_state_get_data(c.use(), bytes(dst), C.size_t(len(dst)), &c.cells.err))
}

// StateSetData wraps llama_state_set_data: restores what StateGetData wrote, in a
// context of the same model and parameters, and returns how many bytes it read. The
// bytes must be what was written: verify a checksum of what was stored, since a
// damaged count makes llama.cpp allocate until the system kills the process. A
// truncated state is an error. After an error clear the memory. Outputs of earlier
// batches are gone.
func (c *Context) StateSetData(src []byte) (int, error) {
	defer runtime.KeepAlive(c)
	c.out.none()
	return c.stateResult("set the state", C.puna_state_set_data(c.use(), bytes(src), C.size_t(len(src)), &c.cells.err))
}

// StateLoadFile wraps llama_state_load_file: restores what StateSaveFile wrote and
// returns the tokens saved with it, at most maxTokens. See StateSetData.
func (c *Context) StateLoadFile(path string, maxTokens int) ([]Token, error) {
	defer runtime.KeepAlive(c)
	if err := noNUL("path", path); err != nil {
		return nil, err
	}
	cpath, free := cstring(path)
	defer free()
	c.out.none()
	out := make([]Token, max(maxTokens, 0))
	var n C.size_t
	ok := C.puna_state_load_file(c.use(), cpath, tokens(out), C.size_t(len(out)), &n, &c.cells.err)
	if !ok {
		return nil, c.callError("load the state from " + path)
	}
	return out[:n], nil
}

// StateSaveFile wraps llama_state_save_file: writes the whole state, and the tokens
// that made it, to a file. After an error a part of the file may be there.
func (c *Context) StateSaveFile(path string, toks []Token) error {
	defer runtime.KeepAlive(c)
	if err := noNUL("path", path); err != nil {
		return err
	}
	cpath, free := cstring(path)
	defer free()
	C.puna_state_save_file(c.use(), cpath, tokens(toks), C.size_t(len(toks)), &c.cells.err)
	return c.callError("save the state to " + path)
}

// StateSeqGetSize wraps llama_state_seq_get_size_ext: bytes that StateSeqGetData
// writes now.
func (c *Context) StateSeqGetSize(id SeqID, flags StateSeqFlags) (int, error) {
	defer runtime.KeepAlive(c)
	p := c.use()
	if err := c.checkSeq(id); err != nil {
		return 0, err
	}
	return c.stateResult("sequence state size",
		C.puna_state_seq_get_size(p, C.llama_seq_id(id), C.llama_state_seq_flags(flags), &c.cells.err))
}

// StateSeqGetData wraps llama_state_seq_get_data_ext: copies one sequence's memory to
// dst, of StateSeqGetSize bytes, and returns how many it took.
func (c *Context) StateSeqGetData(dst []byte, id SeqID, flags StateSeqFlags) (int, error) {
	defer runtime.KeepAlive(c)
	p := c.use()
	if err := c.checkSeq(id); err != nil {
		return 0, err
	}
	return c.stateResult(fmt.Sprintf("get the state of sequence %d", id),
		C.puna_state_seq_get_data(p, bytes(dst), C.size_t(len(dst)), C.llama_seq_id(id), C.llama_state_seq_flags(flags), &c.cells.err))
}

// StateSeqSetData wraps llama_state_seq_set_data_ext: replaces one sequence's memory
// with what StateSeqGetData wrote with the same flags, in cells of its own, and
// returns how many bytes it read. See StateSetData. After an error the sequence is
// empty, or must be removed.
func (c *Context) StateSeqSetData(src []byte, id SeqID, flags StateSeqFlags) (int, error) {
	defer runtime.KeepAlive(c)
	p := c.use()
	if err := c.checkSeq(id); err != nil {
		return 0, err
	}
	c.out.none()
	return c.stateResult(fmt.Sprintf("set the state of sequence %d", id),
		C.puna_state_seq_set_data(p, bytes(src), C.size_t(len(src)), C.llama_seq_id(id), C.llama_state_seq_flags(flags), &c.cells.err))
}

// StateSeqSaveFile wraps llama_state_seq_save_file: writes one sequence's memory and
// its tokens to a file, and returns its size in bytes. After an error a part of the
// file may be there.
func (c *Context) StateSeqSaveFile(path string, id SeqID, toks []Token) (int, error) {
	defer runtime.KeepAlive(c)
	p := c.use()
	if err := c.checkSeq(id); err != nil {
		return 0, err
	}
	if err := noNUL("path", path); err != nil {
		return 0, err
	}
	cpath, free := cstring(path)
	defer free()
	return c.stateResult("save a sequence to "+path,
		C.puna_state_seq_save_file(p, cpath, C.llama_seq_id(id), tokens(toks), C.size_t(len(toks)), &c.cells.err))
}

// StateSeqLoadFile wraps llama_state_seq_load_file: replaces one sequence's memory
// with what StateSeqSaveFile wrote, and returns its tokens, at most maxTokens. See
// StateSeqSetData.
func (c *Context) StateSeqLoadFile(path string, id SeqID, maxTokens int) ([]Token, error) {
	defer runtime.KeepAlive(c)
	p := c.use()
	if err := c.checkSeq(id); err != nil {
		return nil, err
	}
	if err := noNUL("path", path); err != nil {
		return nil, err
	}
	cpath, free := cstring(path)
	defer free()
	c.out.none()
	out := make([]Token, max(maxTokens, 0))
	var n C.size_t
	read := C.puna_state_seq_load_file(p, cpath, C.llama_seq_id(id), tokens(out), C.size_t(len(out)), &n, &c.cells.err)
	if read == 0 {
		return nil, c.callError("load a sequence from " + path)
	}
	return out[:n], nil
}
