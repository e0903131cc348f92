package local

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/puna-ai/puna"
)

func TestContextsGrowWithinTheLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, rs := newMachine(t, 10)
		use := func(name string) *resident {
			r, err := rs.acquire(t.Context(), specOf(name), nil)
			require.NoError(t, err)
			return r
		}
		one, two, three := use("a4"), use("b2"), use("c3")
		rs.release(two, nil)
		time.Sleep(time.Second)
		rs.release(three, nil)

		require.NoError(t, rs.grow("a4", 3), "less than was estimated")
		assert.Equal(t, host(4), one.need)
		require.NoError(t, rs.grow("a4", 5))
		assert.Equal(t, host(5), one.need)
		assert.NotNil(t, rs.byKey["b2"], "all fit still")

		require.NoError(t, rs.grow("a4", 7))
		assert.Nil(t, rs.byKey["b2"], "idle for longest")
		assert.NotNil(t, rs.byKey["c3"])

		three = use("c3")
		err := rs.grow("a4", 8)
		assert.Equal(t, puna.NoMemory, puna.KindOf(err), "the other is in use")
		assert.ErrorContains(t, err, `"a4"`)
		assert.ErrorContains(t, err, "num_ctx")
		assert.Equal(t, host(7), one.need, "nothing was taken")
		assert.NotNil(t, rs.byKey["c3"])

		rs.release(three, nil)
		require.NoError(t, rs.grow("a4", 8))
		assert.Nil(t, rs.byKey["c3"])
		assert.Error(t, rs.grow("a4", 11), "alone it has a limit too")
		rs.release(one, nil)
		assert.Equal(t, host(4), one.need, "what it takes by its own account")
		require.NoError(t, rs.grow("gone", 50))
		rs.close()
	})
}
