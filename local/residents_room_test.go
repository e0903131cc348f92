package local

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/puna-ai/puna/engine/fit"
)

func host(n int64) fit.Memory { return fit.Memory{Host: n} }

func TestMakeRoom(t *testing.T) {
	idle := func(need int64, used uint64) tenant { return tenant{need: host(need), used: used} }
	busy := func(need int64, used uint64) tenant { return tenant{need: host(need), used: used, busy: true} }
	leaving := func(need int64) tenant { return tenant{need: host(need), leaving: true} }
	shut := func(t tenant) tenant { t.shut = true; return t }
	ten := bounds{memory: host(10)}
	for name, c := range map[string]struct {
		bounds  bounds
		tenants []tenant
		need    int64
		fits    bool
		victims []int
	}{
		"an empty machine":                       {ten, nil, 5, true, nil},
		"alone, whatever its size":               {ten, nil, 50, true, nil},
		"beside another":                         {ten, []tenant{busy(5, 1)}, 5, true, nil},
		"unbounded":                              {bounds{}, []tenant{busy(5, 1)}, 500, true, nil},
		"the least recently used goes":           {ten, []tenant{idle(5, 2), idle(5, 1)}, 5, false, []int{1}},
		"as many as must":                        {ten, []tenant{idle(3, 3), idle(3, 1), idle(3, 2)}, 7, false, []int{1, 2}},
		"a small one needn't go":                 {ten, []tenant{idle(1, 1), idle(8, 2)}, 9, false, []int{1}},
		"idle before busy":                       {ten, []tenant{busy(5, 1), idle(5, 2)}, 5, false, []int{1}},
		"busy where idle don't do":               {ten, []tenant{busy(8, 1), idle(2, 2)}, 10, false, []int{1, 0}},
		"shut before other busy ones":            {ten, []tenant{busy(5, 1), shut(busy(5, 2))}, 5, false, []int{1}},
		"who leaves already does":                {ten, []tenant{leaving(6), idle(4, 1)}, 5, false, nil},
		"who leaves already counts":              {ten, []tenant{leaving(6)}, 5, false, nil},
		"too large waits for all":                {ten, []tenant{idle(1, 2), busy(1, 1)}, 50, false, []int{0, 1}},
		"a number of models":                     {bounds{models: 2}, []tenant{idle(1, 2), idle(1, 1)}, 1, false, []int{1}},
		"a number of models, and there is place": {bounds{models: 3}, []tenant{idle(1, 2), idle(1, 1)}, 1, true, nil},
	} {
		t.Run(name, func(t *testing.T) {
			fits, victims := c.bounds.makeRoom(c.tenants, host(c.need))
			assert.Equal(t, c.fits, fits)
			assert.ElementsMatch(t, c.victims, victims)
		})
	}
	_, victims := bounds{memory: fit.Memory{Host: 100, Device: 10}}.makeRoom(
		[]tenant{{need: fit.Memory{Host: 50}, used: 1}, {need: fit.Memory{Device: 8}, used: 2}}, fit.Memory{Device: 5})
	assert.Equal(t, []int{1}, victims, "memory of the kind that is short")
}

// TestMakeRoomAlways checks what must hold of every decision.
func TestMakeRoomAlways(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 20_000 {
		b := bounds{memory: host(r.Int64N(40)), models: r.IntN(5)}
		tenants := make([]tenant, r.IntN(7))
		for i := range tenants {
			tenants[i] = tenant{need: host(r.Int64N(20)), busy: r.IntN(2) == 0, leaving: r.IntN(4) == 0, shut: r.IntN(4) == 0, used: uint64(i)}
		}
		r.Shuffle(len(tenants), func(i, j int) { tenants[i], tenants[j] = tenants[j], tenants[i] })
		need := host(1 + r.Int64N(25))
		fits, victims := b.makeRoom(tenants, need)
		checkDecision(t, b, tenants, need, fits, victims)
	}
}

func checkDecision(t *testing.T, b bounds, tenants []tenant, need fit.Memory, fits bool, victims []int) {
	t.Helper()
	without := func(spared int) (left []tenant) {
		for i, x := range tenants {
			if !x.leaving && (i == spared || !slices.Contains(victims, i)) {
				left = append(left, x)
			}
		}
		return left
	}
	require.Equal(t, b.hold(tenants, need), fits, "it starts where it fits, alone it always does")
	if fits {
		require.Empty(t, victims)
		return
	}
	require.True(t, b.hold(without(-1), need), "the victims, and who leaves, are enough: the load will start")
	var busy []tenant
	for _, x := range tenants {
		if x.busy && !x.leaving {
			busy = append(busy, x)
		}
	}
	for _, v := range victims {
		require.False(t, tenants[v].leaving)
		require.False(t, b.hold(without(v), need), "each victim must go")
		require.False(t, tenants[v].busy && b.hold(busy, need), "it waits for busy ones only where idle ones don't suffice")
	}
}
