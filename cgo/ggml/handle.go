package ggml

import (
	"fmt"
	"sync/atomic"
	"unsafe"
)

// kind numbers the types of handles that own C memory.
type kind int

const (
	kindThreadpool kind = iota
	kindBuffer
	kindBackend
	kindContext
	kindCount
)

var (
	kindNames = [kindCount]string{"Threadpool", "Buffer", "Backend", "Context"}
	live      [kindCount]atomic.Int64
)

// Live returns how many handles of each type are open. Tests use it to find leaks.
func Live() map[string]int64 {
	m := make(map[string]int64, kindCount)
	for k := range kindCount {
		m[kindNames[k]] = live[k].Load()
	}
	return m
}

// handle owns one C pointer. Its owner calls close once; it isn't safe for
// concurrent use with close.
type handle struct {
	c    unsafe.Pointer
	kind kind
}

func newHandle(k kind, c unsafe.Pointer) handle {
	live[k].Add(1)
	return handle{c: c, kind: k}
}

// ptr returns the pointer, and panics once it is closed.
func (h *handle) ptr() unsafe.Pointer {
	if h.c == nil {
		panic(fmt.Sprintf("ggml: use of a closed %s", kindNames[h.kind]))
	}
	return h.c
}

// close calls free unless the handle is closed already.
func (h *handle) close(free func(unsafe.Pointer)) {
	if h.c == nil {
		return
	}
	c := h.c
	h.c = nil
	live[h.kind].Add(-1)
	free(c)
}
