package ggml

/*
#include <stdlib.h>
#include <ggml-cpu.h>
#include "shim.h"
*/
import "C"

import (
	"fmt"
	"runtime"
	"unsafe"
)

// Priority mirrors enum ggml_sched_priority.
type Priority int

const (
	PriorityLow      Priority = C.GGML_SCHED_PRIO_LOW
	PriorityNormal   Priority = C.GGML_SCHED_PRIO_NORMAL
	PriorityMedium   Priority = C.GGML_SCHED_PRIO_MEDIUM
	PriorityHigh     Priority = C.GGML_SCHED_PRIO_HIGH
	PriorityRealtime Priority = C.GGML_SCHED_PRIO_REALTIME
)

// MaxThreads is GGML_MAX_N_THREADS, the most threads and CPUs a pool can name.
const MaxThreads = C.GGML_MAX_N_THREADS

// ThreadpoolParams mirrors struct ggml_threadpool_params.
type ThreadpoolParams struct {
	Threads  int      // 1 to MaxThreads
	CPUs     []int    // CPUs to run on, each below MaxThreads; nil: the process's own set
	Priority Priority // above Normal needs privileges
	// Poll is how long idle workers spin before they sleep, 0 (sleep at once) to
	// 100. ggml's own default is 50.
	Poll   int
	Strict bool // pin each worker to one CPU of CPUs
	Paused bool // start paused; the first graph resumes it
}

// Threadpool is a set of ggml worker threads. Its kernels are those of the backend
// that made it. It may serve several contexts, one graph at a time: only the
// goroutine that computes a graph may use it, and Close must not run meanwhile.
type Threadpool struct {
	handle
	fns C.struct_puna_ggml_threadpool_fns
}

// NewThreadpool wraps ggml_threadpool_new of the CPU backend r (found by
// ggml_backend_reg_get_proc_address): a pool made by another copy of ggml would run
// that copy's kernels. The caller closes it, after every context that it is
// attached to.
func NewThreadpool(r Reg, p ThreadpoolParams) (*Threadpool, error) {
	if err := p.check(); err != nil {
		return nil, err
	}
	t := &Threadpool{}
	if !C.puna_ggml_threadpool_find(r.c, &t.fns) {
		return nil, fmt.Errorf("ggml: the backend %s makes no thread pools: use a CPU backend", r.Name())
	}
	cp := p.c()
	c := C.puna_ggml_threadpool_new(&t.fns, &cp)
	if c == nil {
		return nil, fmt.Errorf("ggml: cannot start a pool of %d threads", p.Threads)
	}
	t.handle = newHandle(kindThreadpool, unsafe.Pointer(c))
	return t, nil
}

func (p *ThreadpoolParams) check() error {
	if p.Threads < 1 || p.Threads > MaxThreads {
		return fmt.Errorf("ggml: thread pool of %d threads: need 1 to %d", p.Threads, MaxThreads)
	}
	if p.Poll < 0 || p.Poll > 100 {
		return fmt.Errorf("ggml: thread pool poll %d: need 0 to 100", p.Poll)
	}
	if p.Priority < PriorityLow || p.Priority > PriorityRealtime {
		return fmt.Errorf("ggml: thread pool priority %d: need %d to %d", p.Priority, PriorityLow, PriorityRealtime)
	}
	for _, cpu := range p.CPUs {
		if cpu < 0 || cpu >= MaxThreads {
			return fmt.Errorf("ggml: thread pool on CPU %d: need 0 to %d", cpu, MaxThreads-1)
		}
	}
	return nil
}

func (p *ThreadpoolParams) c() C.struct_ggml_threadpool_params {
	var c C.struct_ggml_threadpool_params
	C.ggml_threadpool_params_init(&c, C.int(p.Threads))
	for _, cpu := range p.CPUs {
		c.cpumask[cpu] = true
	}
	c.prio = C.enum_ggml_sched_priority(p.Priority)
	c.poll = C.uint32_t(p.Poll)
	c.strict_cpu = C.bool(p.Strict)
	c.paused = C.bool(p.Paused)
	return c
}

// Pointer returns the ggml_threadpool_t.
func (t *Threadpool) Pointer() unsafe.Pointer { return t.ptr() }

// Pause wraps ggml_threadpool_pause: idle workers sleep until Resume or the next
// graph. It reports false where the backend doesn't offer it.
func (t *Threadpool) Pause() bool {
	defer runtime.KeepAlive(t)
	return bool(C.puna_ggml_threadpool_pause(&t.fns, (*C.struct_ggml_threadpool)(t.ptr())))
}

// Resume wraps ggml_threadpool_resume. It reports false where the backend doesn't
// offer it.
func (t *Threadpool) Resume() bool {
	defer runtime.KeepAlive(t)
	return bool(C.puna_ggml_threadpool_resume(&t.fns, (*C.struct_ggml_threadpool)(t.ptr())))
}

// Close wraps ggml_threadpool_free: it joins the workers. Idempotent.
func (t *Threadpool) Close() {
	t.close(func(c unsafe.Pointer) {
		C.puna_ggml_threadpool_free(&t.fns, (*C.struct_ggml_threadpool)(c))
	})
}
