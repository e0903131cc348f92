package main

import (
	"os/exec"
	"syscall"
)

// dieWithParent makes cmd's process end, whatever it does, when the thread that starts
// it ends.
func dieWithParent(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
