package ggml

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

// capture sends all logs to a buffer, one "LEVEL text" a line, until the test ends.
func capture(t *testing.T) *bytes.Buffer {
	var out bytes.Buffer
	SetLogger(slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{
		Level: slog.LevelDebug,
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		},
	})))
	t.Cleanup(func() { SetLogger(nil) })
	return &out
}

func TestLogLines(t *testing.T) {
	const debug, info, warn, err, cont = 1, 2, 3, 4, 5
	type msg struct {
		level int
		text  string
	}
	for name, tt := range map[string]struct {
		in   []msg
		want []string
	}{
		"levels": {
			[]msg{{debug, "d\n"}, {info, "i\n"}, {warn, "w\n"}, {err, "e\n"}, {0, "n\n"}, {77, "x\n"}},
			[]string{"DEBUG d", "INFO i", "WARN w", "ERROR e", "INFO n", "INFO x"},
		},
		"continued":          {[]msg{{warn, "a "}, {cont, "b "}, {cont, "c\n"}}, []string{`WARN "a b c"`}},
		"continued at start": {[]msg{{cont, "a\n"}}, []string{"INFO a"}},
		"two lines":          {[]msg{{info, "a\nb\n"}}, []string{"INFO a", "INFO b"}},
		"unfinished":         {[]msg{{info, "a"}, {warn, "b\n"}}, []string{"INFO a", "WARN b"}},
		"progress dots":      {[]msg{{info, "."}, {cont, "."}, {cont, "\n"}, {info, "\n"}}, nil},
		"no end":             {[]msg{{info, strings.Repeat("a", maxPartial)}, {cont, "b\n"}}, []string{"INFO " + strings.Repeat("a", maxPartial), "INFO b"}},
	} {
		t.Run(name, func(t *testing.T) {
			out := capture(t)
			var l lines
			for _, m := range tt.in {
				l.add(m.level, m.text)
			}
			var got []string
			for line := range strings.Lines(out.String()) {
				line = strings.TrimSuffix(strings.TrimPrefix(line, "level="), " source=llama.cpp\n")
				got = append(got, strings.Replace(line, "msg=", "", 1))
			}
			assert.Equal(t, tt.want, got)
		})
	}
}

func TestLogFromC(t *testing.T) {
	out := capture(t)
	_, err := LoadBackend("/nonexistent/libggml-cpu-none.so")
	assert.ErrorContains(t, err, "/nonexistent/libggml-cpu-none.so")
	assert.Contains(t, out.String(), "level=ERROR")
	assert.Contains(t, out.String(), "cannot open shared object file")
}
