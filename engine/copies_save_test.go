package engine

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/puna-ai/puna/engine/loop"
	"github.com/puna-ai/puna/engine/sched"
)

// Copies are a help: one that can't be made is one that can't be restored.
func TestACopyThatCannotBeMadeIsLost(t *testing.T) {
	_, b, _ := twins(t)
	assert.NoError(t, b.Apply([]sched.Op{{Kind: sched.Save, Src: -1, Key: 7, Tokens: []sched.Token{1}}}))
	assert.NoError(t, b.Apply([]sched.Op{{Kind: sched.Demote, Key: 7}}))
	var lost *loop.Lost
	assert.ErrorAs(t, b.Apply([]sched.Op{{Kind: sched.Restore, Dst: 0, Key: 7}}), &lost)
	assert.NoError(t, b.Apply([]sched.Op{{Kind: sched.Forget, Key: 7}}))
}
