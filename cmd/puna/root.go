package main

import (
	"io"
	"log/slog"
	"os"

	"github.com/spf13/cobra"
)

// newRootCommand builds the command tree. Tests and the checks of the built-in
// model's corpus walk it, so it must not read anything but c.
func newRootCommand(c *config) *cobra.Command {
	root := &cobra.Command{
		Use:           "puna",
		Short:         "Run language models in process, or serve them like Ollama",
		SilenceUsage:  true,
		SilenceErrors: true,
		Version:       version(),
		CompletionOptions: cobra.CompletionOptions{
			HiddenDefaultCmd: true,
		},
		PersistentPreRun: func(*cobra.Command, []string) {
			slog.SetDefault(newLogger(os.Stderr, c.logLevel))
			for _, p := range c.problems {
				slog.Warn(p)
			}
		},
	}
	root.AddCommand(
		newServeCommand(c), newRunCommand(c), newCreateCommand(c),
		newListCommand(c), newPsCommand(c), newShowCommand(c),
		newStopCommand(c), newCopyCommand(c), newRemoveCommand(c),
		newDoctorCommand(c), newKernelsCommand(c), newBenchCommand(c),
		newVersionCommand(c), newOptionsTopic(), newTryCommand(c),
	)
	return root
}

func newLogger(w io.Writer, level slog.Level) *slog.Logger {
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: level}))
}
