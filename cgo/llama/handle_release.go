//go:build !puna_debug

package llama

// opener remembers nothing in release builds.
type opener struct{}

func newOpener(kind) opener { return opener{} }

func (opener) closed() {}

// Leaks returns the stacks that opened the handles still open, by type. It knows
// them only in builds with the tag puna_debug.
func Leaks() []string { return nil }
