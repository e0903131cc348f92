package engine

import (
	"context"
	"log/slog"
	"strings"
)

// quiet makes llama.cpp's reports on every load debugging output, and drops what it
// says about every context that isn't as long as the model was trained for: here a
// context is a pool that sequences share, each with a limit of its own.
type quiet struct{ slog.Handler }

func (q quiet) Enabled(ctx context.Context, l slog.Level) bool {
	return q.Handler.Enabled(ctx, demoted(l))
}

func (q quiet) Handle(ctx context.Context, r slog.Record) error {
	if strings.Contains(r.Message, "n_ctx_seq (") && strings.Contains(r.Message, "n_ctx_train (") {
		return nil
	}
	r.Level = demoted(r.Level)
	return q.Handler.Handle(ctx, r)
}

func demoted(l slog.Level) slog.Level {
	if l >= slog.LevelWarn {
		return l
	}
	return min(l, slog.LevelDebug)
}

func (q quiet) WithAttrs(attrs []slog.Attr) slog.Handler { return quiet{q.Handler.WithAttrs(attrs)} }
func (q quiet) WithGroup(name string) slog.Handler       { return quiet{q.Handler.WithGroup(name)} }
