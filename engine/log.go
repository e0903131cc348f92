package engine

import (
	"context"
	"log/slog"
	"strings"
)

// quiet makes llama.cpp's reports on every load debugging output. It drops what is
// no fault here: llama.cpp warns of every context that isn't as long as the model was
// trained for, but here a context is a pool that sequences share, each with a limit
// of its own; and it reports a step that was aborted because its requests were
// canceled as a failure.
type quiet struct{ slog.Handler }

// expected are parts of the messages that quiet drops.
var expected = []string{
	"n_ctx_seq (",
	"using full-size SWA cache",               // copies of prefixes need it
	"model default pooling_type is",           // decoders are pooled here
	"graph_compute_async failed with error 1", // GGML_STATUS_ABORTED
	"failed to compute graph, compute status: 1",
	"removing memory module entries for seq_id",
	"failed to decode, ret = 2",
}

func (q quiet) Enabled(ctx context.Context, l slog.Level) bool {
	return q.Handler.Enabled(ctx, demoted(l))
}

func (q quiet) Handle(ctx context.Context, r slog.Record) error {
	for _, part := range expected {
		if strings.Contains(r.Message, part) {
			return nil
		}
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
