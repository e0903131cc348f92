package local

import (
	"cmp"
	"slices"

	"github.com/puna-ai/puna/engine/fit"
)

// bounds limit what may be in memory at once.
type bounds struct {
	memory fit.Memory // a zero kind is not bounded
	models int        // 0: not bounded
}

// tenant is what a decision needs to know of a model that takes memory.
type tenant struct {
	need    fit.Memory
	busy    bool   // loading or in use: it can't go yet
	leaving bool   // on its way out: its memory comes back by itself
	shut    bool   // takes no new users, because an earlier decision waits for it
	used    uint64 // logical time of its last use
}

// hold reports whether a load fits beside tenants. Alone every load may try: whether
// the machine is too small for it is for the engine to say.
func (b bounds) hold(tenants []tenant, need fit.Memory) bool {
	if len(tenants) == 0 {
		return true
	}
	for _, t := range tenants {
		need = need.Add(t.need)
	}
	return need.Within(b.memory) && (b.models == 0 || len(tenants) < b.models)
}

// makeRoom decides what the load that waits longest does: it starts (fits), or it waits
// for the victims to go, and for those who are leaving already. Victims are the tenants
// used least recently, idle ones first, and never more than must go. Where one is busy,
// the load waits for it; nobody new may use a victim meanwhile, or the load might wait
// for ever. So busy ones that are shut go before others: a choice once made lasts.
func (b bounds) makeRoom(tenants []tenant, need fit.Memory) (fits bool, victims []int) {
	if b.hold(tenants, need) {
		return true, nil
	}
	var candidates []int
	for i, t := range tenants {
		if !t.leaving {
			candidates = append(candidates, i)
		}
	}
	slices.SortFunc(candidates, func(i, j int) int {
		a, b := tenants[i], tenants[j]
		if c := first(b.busy, a.busy); c != 0 {
			return c
		}
		if c := first(a.shut, b.shut); a.busy && c != 0 {
			return c
		}
		return cmp.Compare(a.used, b.used)
	})
	victim := make([]bool, len(tenants))
	enough := func() bool {
		var left []tenant
		for i, t := range tenants {
			if !t.leaving && !victim[i] {
				left = append(left, t)
			}
		}
		return b.hold(left, need)
	}
	for _, i := range candidates {
		if enough() {
			break
		}
		victim[i] = true
		victims = append(victims, i)
	}
	for _, i := range slices.Backward(victims) { // a small victim isn't needed where a later one is large
		victim[i] = false
		victim[i] = !enough()
	}
	return false, slices.DeleteFunc(victims, func(i int) bool { return !victim[i] })
}

// first orders a before b where only a is true.
func first(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return -1
	}
	return 1
}
