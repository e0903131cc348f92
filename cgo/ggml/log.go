package ggml

/*
#include <stdint.h>
#include <ggml.h>

extern void punaGgmlLog(int level, char *text, uintptr_t source);
extern void punaGgmlAbort(char *text);

static inline void puna_log_set(void) {
    ggml_log_set((ggml_log_callback) punaGgmlLog, NULL);
    ggml_set_abort_callback((ggml_abort_callback_t) punaGgmlAbort);
}
static inline void *puna_log_callback(void) { return (void *) punaGgmlLog; }
static inline void *puna_abort_callback(void) { return (void *) punaGgmlAbort; }
*/
import "C"

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"unsafe"
)

// The pinned module's Go package sets a sink of its own when it initializes, which
// is before this one does.
func init() { C.puna_log_set() }

var logger atomic.Pointer[slog.Logger]

// SetLogger sends the logs of every copy of ggml, and of llama.cpp, to l, one record
// per line. ggml's levels map to slog's of the same name. With nil, the default,
// warnings and errors go to [slog.Default] and the rest is dropped. Safe for
// concurrent use.
func SetLogger(l *slog.Logger) { logger.Store(l) }

// LogCallback returns the ggml_log_callback that feeds [SetLogger]'s logger, for
// llama_log_set and for other copies of ggml. Its user data is a small integer that
// tells the copies apart: 0 for the one linked here.
func LogCallback() unsafe.Pointer { return C.puna_log_callback() }

// abortCallback returns the ggml_abort_callback_t for other copies of ggml.
func abortCallback() unsafe.Pointer { return C.puna_abort_callback() }

// punaGgmlAbort logs why ggml is about to abort the process, instead of ggml's own
// handler, which attaches a debugger to it.
//
//export punaGgmlAbort
func punaGgmlAbort(text *C.char) {
	emit(slog.LevelError, "llama.cpp aborts the process: "+C.GoString(text))
}

// levels maps enum ggml_log_level; "none" is what llama.cpp uses for plain output.
var levels = [...]slog.Level{
	C.GGML_LOG_LEVEL_NONE:  slog.LevelInfo,
	C.GGML_LOG_LEVEL_DEBUG: slog.LevelDebug,
	C.GGML_LOG_LEVEL_INFO:  slog.LevelInfo,
	C.GGML_LOG_LEVEL_WARN:  slog.LevelWarn,
	C.GGML_LOG_LEVEL_ERROR: slog.LevelError,
}

// lines joins the pieces of one source's lines: a message may end without a newline
// and go on with GGML_LOG_LEVEL_CONT.
type lines struct {
	mu      sync.Mutex
	level   slog.Level
	partial strings.Builder
}

// maxPartial bounds a line without an end, in bytes.
const maxPartial = 16 << 10

var sources sync.Map // uintptr -> *lines

//export punaGgmlLog
func punaGgmlLog(level C.int, text *C.char, source C.uintptr_t) {
	v, ok := sources.Load(uintptr(source))
	if !ok {
		v, _ = sources.LoadOrStore(uintptr(source), &lines{})
	}
	v.(*lines).add(int(level), C.GoString(text))
}

// add takes one message and emits the lines that it completes.
func (l *lines) add(level int, text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if level != C.GGML_LOG_LEVEL_CONT {
		l.flush() // a new message ends an unfinished line
		l.level = levelOf(level)
	}
	for {
		line, rest, ended := strings.Cut(text, "\n")
		l.partial.WriteString(line)
		if !ended && l.partial.Len() < maxPartial {
			return
		}
		l.flush()
		if !ended {
			return
		}
		text = rest
	}
}

func levelOf(level int) slog.Level {
	if level < 0 || level >= len(levels) {
		return slog.LevelInfo
	}
	return levels[level]
}

// flush emits the line so far, if there is one.
func (l *lines) flush() {
	line := strings.TrimRight(l.partial.String(), " \t\r")
	l.partial.Reset()
	if strings.TrimLeft(line, ". ") == "" { // llama.cpp's progress dots
		return
	}
	emit(l.level, line)
}

func emit(level slog.Level, line string) {
	out := logger.Load()
	if out == nil {
		if level < slog.LevelWarn {
			return
		}
		out = slog.Default()
	}
	out.Log(context.Background(), level, line, slog.String("source", "llama.cpp"))
}
