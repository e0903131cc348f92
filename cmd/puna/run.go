package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/puna-ai/puna"
)

// runFlags are the flags of run.
type runFlags struct {
	local        bool
	verbose      bool
	noWordWrap   bool
	format       string
	keepAlive    string
	think        string
	hideThinking bool
	options      []string
}

func newRunCommand(c *config) *cobra.Command {
	var f runFlags
	cmd := &cobra.Command{
		Use:   "run MODEL [PROMPT]",
		Short: "Answer a prompt, or chat",
		Long: `Answer a prompt given as arguments or through a pipe, or chat interactively.

MODEL is a model of the store ('puna list'), the built-in 'guide', or the path of
a GGUF file, which needs no import. A server that is up answers; without one, or
with --local, or for a path, this process loads the model and answers itself.`,
		Example: `  puna run guide "How do I serve a model?"
  cat report.txt | puna run ./model.gguf "Summarise this:"
  puna run guide`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.run(cmd, args[0], args[1:], f)
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&f.local, "local", false, "answer in this process even if a server is up")
	flags.BoolVar(&f.verbose, "verbose", false, "print token counts and times after the answer")
	flags.BoolVar(&f.noWordWrap, "nowordwrap", false, "don't break long lines at words")
	flags.StringVar(&f.format, "format", "", `form of the answer: "json", a JSON schema, or the path of a schema file`)
	flags.StringVar(&f.keepAlive, "keepalive", "", "how long the model stays loaded after this (5m, 300, -1 for ever)")
	flags.StringVar(&f.think, "think", "", "think before the answer: true, false, low, medium, high, max")
	flags.Lookup("think").NoOptDefVal = string(puna.ThinkOn)
	flags.BoolVar(&f.hideThinking, "hidethinking", false, "don't print the thinking")
	flags.StringArrayVarP(&f.options, "option", "o", nil, "an option as NAME=VALUE, such as temperature=0; may be repeated")
	return cmd
}

func (c *config) run(cmd *cobra.Command, model string, words []string, f runFlags) error {
	ctx := cmd.Context()
	req, err := f.request(model)
	if err != nil {
		return err
	}
	prompt, piped, err := readPrompt(words, os.Stdin)
	if err != nil {
		return err
	}
	where := backendOf(model)
	if f.local {
		where = localOnly
	}
	svc, err := c.connect(ctx, where)
	if err != nil {
		return err
	}
	defer svc.Close()

	printer := newPrinter(cmd.OutOrStdout(), os.Stderr, f)
	if prompt != "" || piped {
		req.Messages = []puna.Message{{Role: puna.User, Content: prompt}}
		_, err := printer.answer(ctx, svc, req)
		return err
	}
	return c.chat(ctx, svc, req, printer)
}

// request is what the flags say, without a prompt. What doesn't fit the context is cut,
// as Ollama does: a chat may become longer than any context.
func (f runFlags) request(model string) (*puna.Request, error) {
	req := &puna.Request{Model: model, Think: puna.Think(f.think), Truncate: new(true), Shift: new(true)}
	switch req.Think {
	case puna.ThinkDefault, puna.ThinkOff, puna.ThinkOn, puna.ThinkLow, puna.ThinkMedium, puna.ThinkHigh, puna.ThinkMax:
	default:
		return nil, fmt.Errorf("--think %q: use true, false, low, medium, high or max", f.think)
	}
	if f.keepAlive != "" {
		d, ok := parseKeepAlive(f.keepAlive)
		if !ok {
			return nil, fmt.Errorf("--keepalive %q: use seconds, or a duration such as 10m", f.keepAlive)
		}
		req.KeepAlive = &d
	}
	for _, opt := range f.options {
		if err := setOption(&req.Options, opt); err != nil {
			return nil, err
		}
	}
	var err error
	req.Format, err = readFormat(f.format)
	return req, err
}

func setOption(o *puna.Options, assignment string) error {
	name, value, ok := strings.Cut(assignment, "=")
	if !ok {
		return fmt.Errorf("--option %q: write NAME=VALUE", assignment)
	}
	known, err := o.Parse(name, value)
	if err == nil && !known {
		err = fmt.Errorf("--option %q: there is no such option; 'puna help options' lists them", name)
	}
	return err
}

// readFormat reads "json", a schema, or a schema's file.
func readFormat(s string) (json.RawMessage, error) {
	switch {
	case s == "":
		return nil, nil
	case s == "json":
		return json.RawMessage(`"json"`), nil
	case strings.HasPrefix(strings.TrimSpace(s), "{"):
		return checkSchema(s, []byte(s))
	}
	data, err := os.ReadFile(s)
	if err != nil {
		return nil, fmt.Errorf(`--format %q is neither "json", nor a schema, nor a readable file: %w`, s, err)
	}
	return checkSchema(s, data)
}

func checkSchema(source string, data []byte) (json.RawMessage, error) {
	if !json.Valid(data) {
		return nil, fmt.Errorf("--format %q does not hold valid JSON", source)
	}
	return data, nil
}

// readPrompt joins the words with what a pipe holds, as Ollama does: the pipe
// first. Piped tells a pipe from a terminal or a closed input.
func readPrompt(words []string, in *os.File) (prompt string, piped bool, err error) {
	prompt = strings.Join(words, " ")
	if isTerminal(in) {
		return prompt, false, nil
	}
	if info, err := in.Stat(); err != nil || info.Mode()&os.ModeCharDevice != 0 {
		return prompt, true, nil // /dev/null and its like: no chat there
	}
	data, err := io.ReadAll(in)
	if err != nil {
		return "", true, fmt.Errorf("reading the prompt from standard input: %w", err)
	}
	if len(data) > 0 {
		prompt = strings.TrimSpace(string(data) + "\n\n" + prompt)
	}
	return prompt, true, nil
}

// forAnswer is a context that one Ctrl-C cancels without ending the program.
func forAnswer(ctx context.Context, interrupts <-chan os.Signal) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		select {
		case <-interrupts:
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, cancel
}

// round makes a duration readable: three digits are enough for a person.
func round(d time.Duration) time.Duration {
	switch {
	case d > time.Minute:
		return d.Round(time.Second)
	case d > time.Second:
		return d.Round(10 * time.Millisecond)
	default:
		return d.Round(10 * time.Microsecond)
	}
}
