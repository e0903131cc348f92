package local

import (
	"context"
	"slices"

	"github.com/puna-ai/puna"
	"github.com/puna-ai/puna/engine/fit"
)

// modelsUnmeasured is how many models may be loaded where neither the options nor the
// system say how much there is room for: Ollama's default for each device.
const modelsUnmeasured = 3

// claim is a place in the queue of loads, shared by all who want the same model. All
// but turn is guarded by residents.mu; resident and err are fixed once turn is closed.
type claim struct {
	spec     *spec
	need     fit.Memory
	measured bool // need is known
	logged   bool // that it waits
	waiters  int
	turn     chan struct{}
	resident *resident // counts the waiters as users
	err      error
}

// errBusy has the words of Ollama's ErrMaxQueue (server/sched.go).
func errBusy() error {
	return puna.Errorf(puna.Busy, "server busy, please try again.  maximum pending requests exceeded")
}

// full reports whether as many requests wait as may: for a load, or for others of the
// same model to end.
func (rs *residents) full() bool {
	n := 0
	for _, c := range rs.queue {
		n += c.waiters
	}
	for _, r := range rs.tenants {
		if r.loading() {
			n += r.users
		} else {
			n += max(0, r.users-rs.parallel)
		}
	}
	return n >= rs.maxQueue
}

// claim gives the caller a place in the queue.
func (rs *residents) claim(s *spec) *claim {
	i := slices.IndexFunc(rs.queue, func(c *claim) bool { return c.spec.key == s.key })
	if i >= 0 {
		rs.queue[i].waiters++
		return rs.queue[i]
	}
	c := &claim{spec: s, waiters: 1, turn: make(chan struct{})}
	rs.queue = append(rs.queue, c)
	if r := rs.byKey[s.key]; r != nil { // loaded, but another load waits for its memory
		c.need, c.measured = r.estimate, true
	} else {
		rs.wg.Go(func() { rs.measure(c) })
	}
	return c
}

// measure finds out what a claim needs. A file that can't be read needs nothing: its
// load will say what is wrong.
func (rs *residents) measure(c *claim) {
	need, err := rs.estimate(c.spec)
	if err != nil {
		need = fit.Memory{}
	}
	rs.mu.Lock()
	defer rs.mu.Unlock()
	c.need, c.measured = need, true
	rs.advance()
}

// await waits for the turn of a claim that counts the caller.
func (rs *residents) await(ctx context.Context, c *claim) (*resident, error) {
	select {
	case <-c.turn:
		return c.resident, c.err
	case <-ctx.Done():
	}
	rs.mu.Lock()
	defer rs.mu.Unlock()
	switch {
	case c.resident != nil:
		rs.leave(c.resident)
	case c.err == nil:
		if c.waiters--; c.waiters == 0 {
			rs.queue = slices.DeleteFunc(rs.queue, func(q *claim) bool { return q == c })
			rs.advance()
		}
	}
	return nil, puna.Errorf(puna.Canceled, "waiting to load %q: %w", c.spec.load.Name, context.Cause(ctx))
}

// advance gives their turn to all claims that can have it, in the order of their
// arrival: one that has to wait keeps the later ones waiting, or it might never find
// room. It must be called after every change of what it looks at.
func (rs *residents) advance() {
	var victims []int
	b := rs.bounds()
	for len(rs.queue) > 0 {
		c := rs.queue[0]
		r := rs.byKey[c.spec.key]
		if r == nil {
			if !c.measured {
				break
			}
			fits, v := b.makeRoom(rs.standing(), c.need)
			if !fits {
				victims = v
				break
			}
			r = rs.start(c.spec, c.need)
		}
		rs.queue = rs.queue[1:]
		rs.enter(r, c.waiters)
		c.resident = r
		close(c.turn)
	}
	rs.settle(victims)
}

// bounds are those of now.
func (rs *residents) bounds() bounds {
	if len(rs.queue) == 0 {
		return bounds{}
	}
	b := rs.limits()
	if b == (bounds{}) {
		b.models = modelsUnmeasured
	}
	return b
}

func (rs *residents) limits() bounds {
	b := bounds{memory: rs.capacity(), models: rs.maxModels}
	b.memory.Host -= b.memory.Host / 16 // for what estimates miss
	b.memory.Device -= b.memory.Device / 16
	if rs.memory > 0 && (b.memory.Host == 0 || rs.memory < b.memory.Host) {
		b.memory.Host = rs.memory
	}
	return b
}

// standing describes the residents for a decision, in the order of tenants.
func (rs *residents) standing() []tenant {
	var list []tenant
	for _, r := range rs.tenants {
		list = append(list, tenant{need: r.need, busy: r.users > 0, leaving: r.leaving, shut: r.shut, used: r.used})
	}
	return list
}

// settle shuts the victims of a decision and opens all others. Once no victim is in
// use, all go at once: until then the load may still be given up, and then they stay.
func (rs *residents) settle(victims []int) {
	for _, r := range rs.tenants {
		r.shut = false
	}
	busy := false
	for _, i := range victims {
		rs.tenants[i].shut = true
		busy = busy || rs.tenants[i].users > 0
	}
	if len(victims) == 0 {
		return
	}
	c := rs.queue[0]
	if busy {
		if !c.logged {
			c.logged = true
			rs.log.Info("a model waits until others that are in use leave it room", "model", c.spec.load.Name, "others", len(victims))
		}
		return
	}
	for _, i := range victims {
		r := rs.tenants[i]
		rs.log.Info("unloading the model that was used least recently, for another", "model", r.spec.load.Name, "other", c.spec.load.Name)
		rs.drop(r)
		rs.unload(r)
	}
}
