//go:build race

package llama

import (
	"os"
	"os/exec"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A second user of a context is found by the race detector: the test runs itself in
// a child that has one.
func TestSecondUserIsARace(t *testing.T) {
	const child = "PUNA_TEST_SECOND_USER"
	if os.Getenv(child) != "" {
		c := contextOf(t, loadTiny(t), nil)
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() {
				for range 1000 {
					c.NCtx()
				}
			})
		}
		wg.Wait()
		return
	}
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(self, "-test.run=^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), child+"=1")
	out, err := cmd.CombinedOutput()
	assert.Error(t, err)
	assert.Contains(t, string(out), "WARNING: DATA RACE")
}
