package registry

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestSpans compares sets of ranges with sets of bytes, and checks that a plan
// brings exactly what is missing.
func TestSpans(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	for range 3000 {
		size := 1 + rng.Int64N(200)
		chunk := 1 + rng.Int64N(50)
		var s spans
		have := make([]bool, size)
		for range rng.IntN(12) {
			start := rng.Int64N(size)
			x := span{start, start + rng.Int64N(size-start+1)}
			before := slices.Clone(s)
			next := slices.Clone(s).add(x)
			require.Equal(t, before, s)
			s = next
			for i := x.start; i < x.end; i++ {
				have[i] = true
			}
			checkSpans(t, s, have)
		}
		last := int64(-1)
		for _, x := range s.missing(size, chunk) {
			require.Greater(t, x.size(), int64(0))
			require.LessOrEqual(t, x.size(), chunk)
			require.GreaterOrEqual(t, x.start, last)
			last = x.end
			for i := x.start; i < x.end; i++ {
				require.False(t, have[i])
				have[i] = true
			}
			s = s.add(x)
		}
		require.NotContains(t, have, false)
		require.Equal(t, spans{{0, size}}, s)
		require.Empty(t, s.missing(size, chunk))
	}
}

func checkSpans(t *testing.T, s spans, have []bool) {
	t.Helper()
	got := make([]bool, len(have))
	total := int64(0)
	for i, x := range s {
		require.Greater(t, x.size(), int64(0))
		require.True(t, i == 0 || s[i-1].end < x.start, s)
		total += x.size()
		for b := x.start; b < x.end; b++ {
			got[b] = true
		}
	}
	require.Equal(t, have, got)
	require.Equal(t, total, s.total())
}
