package ggml

import (
	"os"
	"os/exec"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// An assertion of ggml's ends the process, but says why in the log first.
func TestAbortIsLogged(t *testing.T) {
	if os.Getenv("PUNA_TEST_ABORT") != "" {
		ctx := NewContext(3)
		ctx.MulMat(ctx.NewTensor2D(F32, 3, 1), ctx.NewTensor2D(F32, 4, 1))
		return // not reached
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestAbortIsLogged$")
	cmd.Env = append(os.Environ(), "PUNA_TEST_ABORT=1")
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	require.ErrorAs(t, err, &exit)
	assert.Contains(t, string(out), "ERROR llama.cpp aborts the process: ")
	assert.Contains(t, string(out), "GGML_ASSERT(ggml_can_mul_mat(a, b)) failed")
	ws := exit.Sys().(syscall.WaitStatus)
	assert.True(t, ws.Signaled() && ws.Signal() == syscall.SIGABRT || ws.ExitStatus() == 2)
}
