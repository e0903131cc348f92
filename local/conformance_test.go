package local_test

import (
	"testing"

	"github.com/puna-ai/puna/server/conformance"
)

// TestConformance holds this service to what every service promises; the remote
// client and the fake of the server's tests pass the same suite.
func TestConformance(t *testing.T) {
	conformance.Run(t, open(t), "guide")
}
