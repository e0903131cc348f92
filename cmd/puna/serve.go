package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"

	"github.com/spf13/cobra"

	"github.com/puna-ai/puna/server"
)

// ollamaVersion is the version of Ollama's API that we speak. Clients switch
// features on by it, so /api/version says this and not our own.
const ollamaVersion = "0.24.0"

func newServeCommand(c *config) *cobra.Command {
	return &cobra.Command{
		Use:     "serve",
		Aliases: []string{"start"},
		Short:   "Serve models over Ollama's HTTP API",
		Long: `Serve the models of the store, and the built-in one, over Ollama's HTTP API.

The address is PUNA_HOST or OLLAMA_HOST, 127.0.0.1:11434 without them. Models lie
in OLLAMA_MODELS, ~/.ollama/models without it, as Ollama itself keeps them.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return c.serve(cmd.Context()) },
	}
}

func (c *config) serve(ctx context.Context) error {
	ln, err := net.Listen("tcp", c.host.Host)
	if err != nil {
		return fmt.Errorf("listening on %s: %w (another server may be running; PUNA_HOST sets the address)", c.host.Host, err)
	}
	defer ln.Close()
	svc, err := c.openLocal(false, slog.LevelInfo)
	if err != nil {
		return err
	}
	defer svc.Close()
	slog.Info("serving", "address", ln.Addr().String(), "models", c.models, "version", version())
	s := &server.Server{Service: svc, Version: ollamaVersion, Log: slog.Default(), Origins: c.origins}
	return s.Serve(ctx, ln)
}
