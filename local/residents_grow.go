package local

import (
	"cmp"
	"slices"

	"github.com/puna-ai/puna"
	"github.com/puna-ai/puna/engine/fit"
)

// grow is asked before a request gives the model under key another context, with
// which it will take size bytes. Idle models go where that makes room for it. Only the
// limit that options set refuses it: whether the machine has the memory is for the
// engine to say, as with a load.
func (rs *residents) grow(key string, size int64) error {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	r := rs.byKey[key]
	if r == nil { // on its way out, for the last of its requests
		return nil
	}
	need := r.grown(size)
	victims, left := rs.room(r, need)
	if limit := rs.memory; limit > 0 && left.Host > limit {
		return puna.Errorf(puna.NoMemory, "with this context %q takes about %.1f GiB, and what is in use beside it %.1f GiB; models may take %.1f GiB: lower num_ctx, or raise that limit",
			r.spec.load.Name, gib(need.Host), gib(left.Host-need.Host), gib(limit))
	}
	for _, v := range victims {
		rs.log.Info("unloading an idle model for a context of another", "model", v.spec.load.Name, "context of", r.spec.load.Name)
		rs.drop(v)
		rs.unload(v)
	}
	r.need = need
	return nil
}

// room chooses the idle models that go so that r may need so much, those used least
// recently first, and returns what all others take then.
func (rs *residents) room(r *resident, need fit.Memory) (victims []*resident, left fit.Memory) {
	left = need
	var idle []*resident
	for _, t := range rs.tenants {
		if t == r {
			continue
		}
		left = left.Add(t.need)
		if t.users == 0 && !t.leaving {
			idle = append(idle, t)
		}
	}
	slices.SortFunc(idle, func(a, b *resident) int { return cmp.Compare(a.used, b.used) })
	limit := rs.limits().memory
	for _, t := range idle {
		if left.Within(limit) {
			break
		}
		victims = append(victims, t)
		left = left.Add(fit.Memory{Host: -t.need.Host, Device: -t.need.Device})
	}
	return victims, left
}

// grown is what r takes once it has so many bytes: more than the estimate of its load by
// contexts that requests asked for, which are where the first is.
func (r *resident) grown(size int64) fit.Memory {
	more := max(0, size-r.estimate.Host-r.estimate.Device)
	if r.estimate.Device > 0 {
		return r.estimate.Add(fit.Memory{Device: more})
	}
	return r.estimate.Add(fit.Memory{Host: more})
}

func gib(n int64) float64 { return float64(n) / (1 << 30) }
