//go:build puna_debug

package llama

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestLeaksNameTheirOpener(t *testing.T) {
	s := SamplerInitGreedy()
	leaks := Leaks()
	assert.Len(t, leaks, 1)
	assert.Contains(t, leaks[0], "a Sampler is open")
	assert.Contains(t, leaks[0], "TestLeaksNameTheirOpener")
	s.Close()
	assert.Empty(t, Leaks())
}
