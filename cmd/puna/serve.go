package main

import (
	"context"
	"log/slog"

	"github.com/spf13/cobra"

	"github.com/puna-ai/puna/server"
)

// ollamaVersion is the version of Ollama's API that we speak. Clients switch
// features on by it, so /api/version says this and not our own.
const ollamaVersion = "0.24.0"

func newServeCommand(c *config) *cobra.Command {
	var supervised bool
	cmd := &cobra.Command{
		Use:     "serve",
		Aliases: []string{"start"},
		Short:   "Serve models over Ollama's HTTP API",
		Long: `Serve the models of the store, and the built-in one, over Ollama's HTTP API.

The address is PUNA_HOST or OLLAMA_HOST, 127.0.0.1:11434 without them. Models lie
in OLLAMA_MODELS, ~/.ollama/models without it, as Ollama itself keeps them. Files
there that no model uses go when the server starts, unless OLLAMA_NOPRUNE is set.

Models stay loaded as long as memory holds them, and OLLAMA_KEEP_ALIVE says (5m).
For another one, idle models go, the least recently used first. PUNA_MEMORY (8GiB)
bounds what all of them take together, OLLAMA_MAX_LOADED_MODELS their number, and
OLLAMA_MAX_QUEUE (512) the requests that wait: more are answered with status 503.

Prompts that begin like earlier ones aren't computed again. What is computed of them
stays in the KV cache, then in --cache-ram, and with --cache-disk in files, so that it
survives an unload and a restart. The files hold what users wrote. They are written
when memory is full, when a model has no request for two seconds, when it is unloaded
and when the server ends.

With --supervise the engine runs in a child process. When that dies, by a crash or for
want of memory, another one takes its place; the port stays open meanwhile, and who
connects waits. Answers under way break off, without a last line that says "done", and
what was computed of prompts is lost but for the files of --cache-disk.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if cmd.Flags().Changed("cache-ram") && c.cacheRAM == 0 {
				c.cacheRAM = -1 // none, not the default
			}
			if supervised {
				return c.supervise()
			}
			return c.serve(cmd.Context())
		},
	}
	cmd.Flags().BoolVar(&supervised, "supervise", false, "run the engine in a process of its own, and start another one when it dies")
	cmd.Flags().Var(&c.cacheRAM, "cache-ram", "memory for computed prompts that leave the KV cache, for each context (default an eighth of the free memory, at most 2GiB)")
	cmd.Flags().Var(&c.cacheDisk, "cache-disk", "disk for them, below the user's cache folder (default none)")
	return cmd
}

func (c *config) serve(ctx context.Context) error {
	ln, err := c.listen()
	if err != nil {
		return err
	}
	defer ln.Close()
	svc, err := c.openLocal(false, slog.LevelInfo)
	if err != nil {
		return err
	}
	defer svc.Close()
	if err := svc.Prune(); err != nil {
		slog.Warn("files that no model uses were not removed", "error", err)
	}
	slog.Info("serving", "address", ln.Addr().String(), "models", c.models, "version", version())
	s := &server.Server{Service: svc, Version: ollamaVersion, Log: slog.Default(), Origins: c.origins}
	return s.Serve(ctx, ln)
}
