//go:build puna_debug

package llama

import (
	"fmt"
	"runtime/debug"
	"slices"
	"sync"
)

var openers sync.Map // *byte -> string, the handle's type and the opener's stack

// opener names who opened a handle.
type opener struct{ id *byte }

func newOpener(k kind) opener {
	o := opener{new(byte)}
	openers.Store(o.id, fmt.Sprintf("llama: a %s is open, opened by\n%s", kindNames[k], debug.Stack()))
	return o
}

func (o opener) closed() { openers.Delete(o.id) }

// Leaks returns the stacks that opened the handles still open, by type. It knows
// them only in builds with the tag puna_debug.
func Leaks() []string {
	var all []string
	openers.Range(func(_, stack any) bool {
		all = append(all, stack.(string))
		return true
	})
	slices.Sort(all)
	return all
}
