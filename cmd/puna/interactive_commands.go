package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/puna-ai/puna"
	"github.com/puna-ai/puna/local"
)

const chatHelp = `Available commands:
  /set parameter NAME VALUE   Set an option ('/set parameter' lists them)
  /set system TEXT            Set the system message
  /set format json            Answer in JSON
  /set noformat               Answer freely
  /set think [LEVEL]          Think before answering
  /set nothink                Don't think
  /set verbose | quiet        Print figures after each answer, or don't
  /set wordwrap | nowordwrap  Break long lines at words, or don't
  /set history | nohistory    Keep a history of lines, or don't
  /show info|license|modelfile|parameters|system|template
  /load MODEL                 Go on with another model, from the start
  /save MODEL                 Save the chat as a model
  /list                       List the models
  /clear                      Forget the chat so far
  /bye                        Exit (Ctrl + d)
  /?, /help                   This help

Use """ to begin and end a message of several lines, or such a TEXT of /set system.
Ctrl + c stops an answer or a load.
`

// command runs a line that begins with a slash and reports whether to exit.
func (s *chatSession) command(ctx context.Context, line string) (exit bool) {
	name, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
	rest = strings.TrimSpace(rest)
	var err error
	switch name {
	case "/bye", "/exit":
		return true
	case "/?", "/help":
		fmt.Print(chatHelp)
	case "/set":
		err = s.set(rest)
	case "/show":
		err = s.show(ctx, rest)
	case "/load":
		err = s.loadOther(ctx, rest)
	case "/save":
		err = s.save(ctx, rest)
	case "/list":
		err = printModels(ctx, s.printer.out, s.svc, "")
	case "/clear":
		s.req.Messages = s.req.Messages[:s.systemMessages()]
		fmt.Println("Cleared the chat.")
	default:
		err = fmt.Errorf("there is no command %s; /? lists them", name)
	}
	switch {
	case err == nil:
	case puna.KindOf(err) == puna.Canceled:
		fmt.Println("Stopped.")
	default:
		fmt.Fprintln(s.printer.status, "Error:", err)
	}
	return false
}

// systemMessages counts the messages at the start that /clear keeps: 0 or 1.
func (s *chatSession) systemMessages() int {
	if len(s.req.Messages) > 0 && s.req.Messages[0].Role == puna.System {
		return 1
	}
	return 0
}

func (s *chatSession) set(args string) error {
	name, rest, _ := strings.Cut(args, " ")
	rest = strings.TrimSpace(rest)
	switch name {
	case "parameter":
		return s.setParameter(rest)
	case "system":
		s.setSystem(strings.Trim(rest, `"`))
	case "format":
		format, err := readFormat(rest)
		if err != nil {
			return err
		}
		s.req.Format = format
	case "noformat":
		s.req.Format = nil
	case "think":
		s.req.Think = puna.ThinkOn
		if rest != "" {
			s.req.Think = puna.Think(rest)
		}
	case "nothink":
		s.req.Think = puna.ThinkOff
	case "verbose", "quiet":
		s.printer.verbose = name == "verbose"
	case "wordwrap":
		s.printer.wrap(true)
	case "nowordwrap":
		s.printer.wrap(false)
	case "history":
		s.input.HistoryEnable()
	case "nohistory":
		s.input.HistoryDisable()
	default:
		return fmt.Errorf("can't set %q; /? lists what can be set", name)
	}
	fmt.Printf("Set %s.\n", name)
	return nil
}

func (s *chatSession) setParameter(assignment string) error {
	name, value, _ := strings.Cut(assignment, " ")
	if name == "" {
		fmt.Print(optionHelp())
		return nil
	}
	known, err := s.req.Options.Parse(name, strings.TrimSpace(value))
	if err != nil {
		return err
	}
	if !known {
		return fmt.Errorf("there is no option %q; '/set parameter' lists them", name)
	}
	fmt.Printf("Set parameter %s.\n", name)
	return nil
}

func (s *chatSession) setSystem(text string) {
	message := puna.Message{Role: puna.System, Content: text}
	s.req.Messages = slices.Replace(s.req.Messages, 0, s.systemMessages(), message)
}

func (s *chatSession) show(ctx context.Context, what string) error {
	card, err := s.svc.Show(ctx, s.req.Model, false)
	if err != nil {
		return err
	}
	return printCard(s.printer.out, card, what, false)
}

func (s *chatSession) loadOther(ctx context.Context, model string) error {
	if model == "" {
		return fmt.Errorf("write /load MODEL")
	}
	if !s.svc.local && local.IsPath(model) {
		return fmt.Errorf("a server answers this chat, and it opens no files: leave it, and write 'puna run %s'", model)
	}
	before := s.req.Model
	s.req.Model = model
	if err := s.load(ctx); err != nil {
		s.req.Model = before
		return err
	}
	s.req.Messages = nil
	return nil
}

// save makes a model of the chat: this model, its options, and the messages.
func (s *chatSession) save(ctx context.Context, model string) error {
	if model == "" {
		return fmt.Errorf("write /save MODEL")
	}
	parameters, err := s.req.Options.Map()
	if err != nil {
		return err
	}
	n := s.systemMessages()
	req := &puna.CreateRequest{Model: model, From: s.req.Model, Parameters: parameters, Messages: s.req.Messages[n:]}
	if n == 1 {
		req.System = s.req.Messages[0].Content
	}
	for _, err := range s.svc.Create(ctx, req) {
		if err != nil {
			return err
		}
	}
	fmt.Printf("Created the model %s.\n", model)
	return nil
}
