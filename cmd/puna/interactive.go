package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/ollama/ollama/readline"

	"github.com/puna-ai/puna"
)

// chatSession is an interactive chat. Messages and settings live in req.
type chatSession struct {
	svc     *service
	req     *puna.Request
	printer *printer
	input   *readline.Instance
}

// chat reads lines and answers them until the input ends or /bye comes.
func (c *config) chat(ctx context.Context, svc *service, req *puna.Request, p *printer) error {
	interrupts := make(chan os.Signal, 1)
	signal.Notify(interrupts, os.Interrupt)
	defer signal.Stop(interrupts)
	if err := ctx.Err(); err != nil {
		return err
	}
	// Once the model is loaded, Ctrl-C stops an answer, not the program; SIGTERM still ends it.
	ctx = context.WithoutCancel(ctx)
	signal.Reset(syscall.SIGTERM)
	s := &chatSession{svc: svc, req: req, printer: p}
	loading, loaded := forAnswer(ctx, interrupts)
	err := s.load(loading)
	loaded()
	if err != nil {
		return err
	}
	s.input, err = readline.New(readline.Prompt{
		Prompt:         ">>> ",
		AltPrompt:      "... ",
		Placeholder:    "Send a message (/? for help)",
		AltPlaceholder: `Use """ to end the message`,
	})
	if err != nil {
		return fmt.Errorf("opening the terminal: %w", err)
	}
	if c.noHistory {
		s.input.HistoryDisable()
	}
	fmt.Print(readline.StartBracketedPaste)
	defer fmt.Print(readline.EndBracketedPaste)

	for {
		entry, err := s.read()
		switch {
		case errors.Is(err, io.EOF):
			fmt.Println()
			return nil
		case err != nil:
			return err
		case s.obey(ctx, interrupts, entry):
			return nil
		}
	}
}

// obey runs a command or answers a message until that is done, or until Ctrl-C comes.
func (s *chatSession) obey(ctx context.Context, interrupts <-chan os.Signal, e *entry) (exit bool) {
	drain(interrupts)
	ctx, cancel := forAnswer(ctx, interrupts)
	defer cancel()
	switch {
	case e.isCommand():
		return s.command(ctx, e.String())
	case strings.TrimSpace(e.String()) != "":
		s.answer(ctx, e.String())
	}
	return false
}

// load loads the model and shows how far it is, so that the first answer doesn't wait.
func (s *chatSession) load(ctx context.Context) error {
	line := startLine(s.printer.status)
	defer line.stop()
	s.req.OnLoad = line.loading
	return s.svc.Load(ctx, s.req)
}

// read returns one entry, without those that Ctrl-C took back.
func (s *chatSession) read() (*entry, error) {
	e := new(entry)
	for {
		s.input.Prompt.UseAlt = e.open()
		line, err := s.input.Readline()
		switch {
		case errors.Is(err, readline.ErrInterrupt):
			if line == "" && !e.open() {
				fmt.Println("\nUse Ctrl + d or /bye to exit.")
			}
			e = new(entry)
		case errors.Is(err, readline.ErrEditPrompt):
		case err != nil:
			return nil, err
		case e.add(line, s.input.Pasting):
			return e, nil
		}
	}
}

// answer adds the message and its answer to the chat. A stopped answer stays in
// it as far as it came; a failed one takes its message back.
func (s *chatSession) answer(ctx context.Context, text string) {
	before := s.req.Messages
	s.req.Messages = append(before, puna.Message{Role: puna.User, Content: text})
	answer, err := s.printer.answer(ctx, s.svc, s.req)
	if err != nil && puna.KindOf(err) != puna.Canceled {
		fmt.Fprintln(s.printer.status, "Error:", err)
		s.req.Messages = before
		return
	}
	s.req.Messages = append(s.req.Messages, answer)
	fmt.Println()
}

func drain(interrupts <-chan os.Signal) {
	for {
		select {
		case <-interrupts:
		default:
			return
		}
	}
}
