package engine

import (
	"sync"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
)

// Turns go by order of arrival, also past one who comes back at once.
func TestTurnsAreInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turn := newTurn()
		waited := turn.waited()
		turn.Lock()
		assert.False(t, waited())
		var order []int
		var wg sync.WaitGroup
		for i := range 4 {
			wg.Go(func() {
				turn.Lock()
				order = append(order, i)
				turn.Unlock()
			})
			synctest.Wait()
		}
		assert.True(t, waited())
		assert.False(t, waited(), "since the last call")
		turn.Unlock()
		turn.Lock()
		order = append(order, 4)
		turn.Unlock()
		wg.Wait()
		assert.Equal(t, []int{0, 1, 2, 3, 4}, order)
	})
}

// Who works in the background waits too, and isn't counted.
func TestBackgroundTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turn := newTurn()
		waited := turn.waited()
		turn.Lock()
		var wg sync.WaitGroup
		wg.Go(func() {
			var l sync.Locker = background{turn}
			l.Lock()
			defer l.Unlock()
		})
		synctest.Wait()
		turn.Unlock()
		wg.Wait()
		assert.False(t, waited())
	})
}
