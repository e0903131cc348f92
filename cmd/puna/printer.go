package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/mattn/go-runewidth"
	"github.com/ollama/ollama/readline"
	"golang.org/x/term"

	"github.com/puna-ai/puna"
)

// printer writes answers: text to out, all else (progress, figures) to status.
type printer struct {
	out, status  io.Writer
	width        int  // columns to wrap at; 0: don't
	terminal     bool // out is one: colour is welcome
	verbose      bool
	hideThinking bool
}

func newPrinter(out io.Writer, status *os.File, f runFlags) *printer {
	p := &printer{out: out, status: status, verbose: f.verbose, hideThinking: f.hideThinking}
	p.terminal = isTerminal(out)
	p.wrap(!f.noWordWrap)
	return p
}

// isTerminal reports whether a person reads w.
func isTerminal(w any) bool {
	file, ok := w.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}

// wrap turns the breaking of long lines at words on or off.
func (p *printer) wrap(on bool) {
	p.width = 0
	if !on || !p.terminal {
		return
	}
	if width, _, err := term.GetSize(int(p.out.(*os.File).Fd())); err == nil {
		p.width = width
	}
}

// answer prints one answer as it comes and returns it whole.
func (p *printer) answer(ctx context.Context, svc puna.Service, req *puna.Request) (puna.Message, error) {
	line := startLine(p.status)
	defer line.stop()
	req.OnLoad = line.loading
	answer := puna.Message{Role: puna.Assistant}
	text := &wordWriter{out: p.out, width: p.width}
	var thinking bool
	for ev, err := range svc.Generate(ctx, req) {
		line.stop()
		if err != nil {
			text.finish()
			return answer, err
		}
		answer.Thinking += ev.Thinking
		answer.Content += ev.Text
		answer.ToolCalls = append(answer.ToolCalls, ev.ToolCalls...)
		thinking = p.printThinking(text, ev, thinking)
		text.write(ev.Text)
		for _, call := range ev.ToolCalls {
			text.write(fmt.Sprintf("%s(%s)\n", call.Name, call.Arguments))
		}
		if ev.Done != nil {
			text.finish()
			p.finish(ev.Done)
		}
	}
	return answer, nil
}

// printThinking prints an event's thinking between marks and returns whether the
// block is still open.
func (p *printer) printThinking(text *wordWriter, ev puna.Event, open bool) bool {
	if p.hideThinking {
		return false
	}
	if ev.Thinking != "" && !open {
		text.raw(p.grey("Thinking...\n"))
		open = true
	}
	text.write(ev.Thinking)
	if open && (ev.Text != "" || ev.Done != nil) {
		text.write("\n")
		text.raw(p.grey("...done thinking.\n\n"))
		open = false
	}
	return open
}

func (p *printer) grey(s string) string {
	if !p.terminal {
		return s
	}
	return readline.ColorGrey + s + readline.ColorDefault
}

// finish reports a cut prompt always, and the figures when asked.
func (p *printer) finish(d *puna.Done) {
	if d.Truncated > 0 {
		fmt.Fprintf(p.status, "Note: the prompt was too long; its first %d tokens were cut. A larger num_ctx keeps them.\n", d.Truncated)
	}
	if !p.verbose {
		return
	}
	line := func(name, format string, args ...any) {
		fmt.Fprintf(p.status, "%-22s "+format+"\n", append([]any{name + ":"}, args...)...)
	}
	fmt.Fprintln(p.status)
	line("total duration", "%v", round(d.TotalDuration))
	line("load duration", "%v", round(d.LoadDuration))
	line("prompt eval count", "%d tokens (%d from the cache)", d.PromptTokens, d.CachedTokens)
	line("prompt eval duration", "%v", round(d.PromptEvalDuration))
	if s := d.PromptEvalDuration.Seconds(); s > 0 {
		line("prompt eval rate", "%.2f tokens/s", float64(d.PromptTokens-d.CachedTokens)/s)
	}
	line("eval count", "%d tokens", d.EvalTokens)
	line("eval duration", "%v", round(d.EvalDuration))
	if s := d.EvalDuration.Seconds(); s > 0 {
		line("eval rate", "%.2f tokens/s", float64(d.EvalTokens)/s)
	}
	if d.DraftTokens > 0 {
		line("draft count", "%d tokens (%d of them right)", d.DraftTokens, d.AcceptedTokens)
	}
	line("done reason", "%s", d.Reason)
}

// wordWriter wraps text at words as it comes: a word is held back until it ends.
type wordWriter struct {
	out    io.Writer
	width  int // 0: no wrapping
	column int
	word   strings.Builder
	open   bool // what was last written didn't end a line
}

func (w *wordWriter) write(s string) {
	if s == "" {
		return
	}
	w.open = !strings.HasSuffix(s, "\n")
	if w.width == 0 {
		io.WriteString(w.out, s)
		return
	}
	for _, r := range s {
		switch r {
		case '\n', ' ':
			w.flush()
			w.out.Write([]byte{byte(r)})
			w.column++
			if r == '\n' {
				w.column = 0
			}
		default:
			w.word.WriteRune(r)
			if runewidth.RuneWidth(r) > 1 { // Chinese or Japanese, say: lines break anywhere
				w.flush()
			}
		}
	}
}

// flush writes the word, on a new line where it doesn't fit this one.
func (w *wordWriter) flush() {
	n := runewidth.StringWidth(w.word.String())
	if w.column > 0 && w.column+n > w.width {
		io.WriteString(w.out, "\n")
		w.column = 0
	}
	io.WriteString(w.out, w.word.String())
	w.column += n
	w.word.Reset()
}

// raw writes what has no width of its own, such as colours around a line.
func (w *wordWriter) raw(s string) {
	w.flush()
	io.WriteString(w.out, s)
	w.column, w.open = 0, !strings.HasSuffix(s, "\n")
}

// finish writes what is held back and ends the line, if there is one.
func (w *wordWriter) finish() {
	w.flush()
	if w.open {
		io.WriteString(w.out, "\n")
	}
}
