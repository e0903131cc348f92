package llama

import (
	"fmt"
	"maps"
	"sync/atomic"
)

// kind numbers the types of handles that own C memory.
type kind int

const (
	kindModel kind = iota
	kindContext
	kindAdapter
	kindSampler
	kindBatch
	kindCandidates
	kindCount
)

var kindNames = [kindCount]string{"Model", "Context", "AdapterLora", "Sampler", "Batch", "Candidates"}

var live [kindCount]atomic.Int64

// Live returns how many handles of each type are open, without the types that have
// none. Tests use it to find leaks; with the build tag puna_debug, [Leaks] tells who
// opened them.
func Live() map[string]int64 {
	m := make(map[string]int64, kindCount)
	for k := range kindCount {
		m[kindNames[k]] = live[k].Load()
	}
	maps.DeleteFunc(m, func(_ string, n int64) bool { return n == 0 })
	return m
}

// handle owns one C pointer of type P. It isn't safe for concurrent use with close.
type handle[P comparable] struct {
	p      P
	kind   kind
	opener opener
}

// open takes ownership of p.
func (h *handle[P]) open(k kind, p P) {
	live[k].Add(1)
	h.p, h.kind, h.opener = p, k, newOpener(k)
}

// ptr returns the pointer, and panics once the handle is closed.
func (h *handle[P]) ptr() P {
	var none P
	if h.p == none {
		panic(fmt.Sprintf("llama: use of a closed %s", kindNames[h.kind]))
	}
	return h.p
}

// close gives the pointer up; ok is false when it was closed before.
func (h *handle[P]) close() (p P, ok bool) {
	var none P
	if h.p == none {
		return none, false
	}
	p, h.p = h.p, none
	live[h.kind].Add(-1)
	h.opener.closed()
	return p, true
}
