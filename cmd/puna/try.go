package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/puna-ai/puna"
	"github.com/puna-ai/puna/cgo/kernels"
	"github.com/puna-ai/puna/engine"
)

// attempt is what a child is asked to try.
type attempt struct {
	Path     string
	Adapters []engine.Adapter
	Draft    engine.Draft
	NumGPU   *int
	MainGPU  *int
}

// prover lets this very program try models before it loads them.
func (c *config) prover() *engine.Prover {
	exe := executable()
	if exe == "" {
		return nil
	}
	return &engine.Prover{Version: version(), Try: func(ctx context.Context, o engine.LoadOptions) (string, error) {
		return tryWith(ctx, exe, o)
	}}
}

// tryWith runs "exe try". A child that fails in good order is no death; nor is one that
// somebody killed, as the kernel does where memory ends: that may go better next time.
func tryWith(ctx context.Context, exe string, o engine.LoadOptions) (death string, err error) {
	in, err := json.Marshal(attempt{o.Path, o.Adapters, o.Draft, o.Options.NumGPU, o.Options.MainGPU})
	if err != nil {
		return "", err
	}
	limit, err := tryTimeout(o.Path)
	if err != nil {
		return "", err
	}
	limited, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	cmd := exec.CommandContext(limited, exe, "try", string(in))
	cmd.Env = append(os.Environ(), "GGML_NO_BACKTRACE=1") // no debugger
	cmd.WaitDelay = time.Second
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	err = cmd.Run()
	var exit *exec.ExitError
	switch {
	case err == nil || ctx.Err() != nil:
		return "", nil
	case limited.Err() != nil:
		return fmt.Sprintf("it took longer than %s", limit), nil
	case !errors.As(err, &exit):
		return "", err
	case exit.ExitCode() == tryFailed:
		return "", nil
	}
	if ws, ok := exit.Sys().(syscall.WaitStatus); ok && ws.Signaled() && ws.Signal() == syscall.SIGKILL {
		return "", puna.Errorf(puna.NoMemory, "the process was killed, perhaps for lack of memory")
	}
	return exit.String() + kernels.LastWords(stderr.String()), nil
}

// tryTimeout ends an attempt that hangs: a slow disk reads 16 MiB in a second.
func tryTimeout(path string) (time.Duration, error) {
	stat, err := os.Stat(path)
	if err != nil {
		return 0, err
	}
	return 2*time.Minute + time.Duration(stat.Size()>>24)*time.Second, nil
}

// tryFailed is the child's status after an error.
const tryFailed = 1

// newTryCommand is what tryWith runs.
func newTryCommand(c *config) *cobra.Command {
	return &cobra.Command{
		Use:    "try JSON",
		Short:  "Load a model in this process and compute a token",
		Hidden: true,
		Args:   cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var a attempt
			if err := json.Unmarshal([]byte(args[0]), &a); err != nil {
				return err
			}
			e, err := engine.Open(engine.Options{Kernels: c.kernelOptions(), Log: quieter(slog.Default(), slog.LevelError)})
			if err != nil {
				return err
			}
			defer e.Close()
			return e.Try(cmd.Context(), engine.LoadOptions{
				Path: a.Path, Adapters: a.Adapters, Draft: a.Draft, Options: puna.Options{NumGPU: a.NumGPU, MainGPU: a.MainGPU},
			})
		},
	}
}
