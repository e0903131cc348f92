//go:build !unix

package build

import (
	"context"
	"errors"
	"os/exec"
)

func lock(context.Context, string, func()) (unlock func(), err error) {
	return nil, errors.ErrUnsupported
}

func endTogether(*exec.Cmd) {}
