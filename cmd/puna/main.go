// Command puna runs language models: in process, or as a server that speaks
// Ollama's HTTP API.
//
// It is the only place of the project that reads the environment.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	os.Exit(run())
}

// reportedError is the exit code after an error that was printed.
const reportedError = 1

// run returns the exit code, so that deferred calls of commands are done by then.
func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := newRootCommand(configFromEnvironment(os.Getenv)).ExecuteContext(ctx)
	var status exitStatus
	switch {
	case err == nil:
		return 0
	case errors.As(err, &status):
		return int(status)
	case errors.Is(err, context.Canceled):
		return 130
	default:
		fmt.Fprintln(os.Stderr, "Error:", err)
		return reportedError
	}
}
