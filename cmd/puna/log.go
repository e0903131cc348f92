package main

import (
	"context"
	"log/slog"
)

// leveled is a handler that lets through only what is at least level.
type leveled struct {
	slog.Handler
	level slog.Level
}

// quieter returns log without what is below level: the engine reports every load
// at info level, which a server's log wants and an answer on a terminal doesn't.
func quieter(log *slog.Logger, level slog.Level) *slog.Logger {
	return slog.New(leveled{log.Handler(), level})
}

func (l leveled) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= l.level && l.Handler.Enabled(ctx, level)
}

func (l leveled) WithAttrs(attrs []slog.Attr) slog.Handler {
	return leveled{l.Handler.WithAttrs(attrs), l.level}
}

func (l leveled) WithGroup(name string) slog.Handler {
	return leveled{l.Handler.WithGroup(name), l.level}
}
