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
	svc     puna.Service
	req     *puna.Request
	printer *printer
	input   *readline.Instance
}

// chat reads lines and answers them until the input ends or /bye comes.
func (c *config) chat(ctx context.Context, svc puna.Service, req *puna.Request, p *printer) error {
	// Ctrl-C stops an answer here, not the program; SIGTERM still ends it.
	ctx = context.WithoutCancel(ctx)
	signal.Reset(syscall.SIGTERM)
	s := &chatSession{svc: svc, req: req, printer: p}
	if err := s.load(ctx); err != nil {
		return err
	}
	var err error
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

	interrupts := make(chan os.Signal, 1)
	signal.Notify(interrupts, os.Interrupt)
	defer signal.Stop(interrupts)
	for {
		text, err := s.read()
		switch {
		case errors.Is(err, io.EOF):
			fmt.Println()
			return nil
		case err != nil:
			return err
		case strings.TrimSpace(text) == "":
		case strings.HasPrefix(text, "/"):
			if s.command(ctx, text) {
				return nil
			}
		default:
			s.answer(ctx, interrupts, text)
		}
	}
}

// load loads the model and shows how far it is, so that the first answer doesn't wait.
func (s *chatSession) load(ctx context.Context) error {
	line := startLine(s.printer.status)
	defer line.stop()
	s.req.OnLoad = line.loading
	return s.svc.Load(ctx, s.req)
}

// read returns one message: a line, what was pasted, or what lies between """.
func (s *chatSession) read() (string, error) {
	var message strings.Builder
	var quoted bool
	for {
		s.input.Prompt.UseAlt = message.Len() > 0 || quoted
		line, err := s.input.Readline()
		if errors.Is(err, readline.ErrInterrupt) {
			if line == "" && message.Len() == 0 {
				fmt.Println("\nUse Ctrl + d or /bye to exit.")
			}
			message.Reset()
			quoted = false
			continue
		}
		if errors.Is(err, readline.ErrEditPrompt) {
			continue
		}
		if err != nil {
			return "", err
		}
		if !quoted {
			line, quoted = strings.CutPrefix(line, `"""`)
			if !quoted && !s.input.Pasting {
				message.WriteString(line)
				return message.String(), nil
			}
		}
		if before, ended := strings.CutSuffix(line, `"""`); quoted && ended {
			message.WriteString(before)
			return message.String(), nil
		}
		message.WriteString(line + "\n")
	}
}

// answer adds the message and its answer to the chat. A stopped answer stays in
// it as far as it came; a failed one takes its message back.
func (s *chatSession) answer(ctx context.Context, interrupts <-chan os.Signal, text string) {
	drain(interrupts)
	ctx, cancel := forAnswer(ctx, interrupts)
	defer cancel()
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
