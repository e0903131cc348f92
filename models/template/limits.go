package template

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	texttemplate "text/template"
	"text/template/parse"
	"time"
)

// Bounds of Go templates. The text that functions make and what is written count
// against maxGoBytes, each on its own; maxGoCall bounds what one call could make.
const (
	maxGoSource = 1 << 20
	maxGoBytes  = 32 << 20
	maxGoCall   = 256 << 20
	maxGoSteps  = 500_000 // passes through loops and calls of templates
	maxLegacy   = 2000    // nodes of a template without .Messages
)

// catch turns a panic in Ollama's packages, which some templates cause, into an
// error.
func catch(err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("it fails: %v", p)
	}
}

type limitedWriter struct{ strings.Builder }

func (w *limitedWriter) Write(p []byte) (int, error) {
	if w.Len()+len(p) > maxGoBytes {
		return 0, fmt.Errorf("the prompt is larger than %d bytes", maxGoBytes)
	}
	return w.Builder.Write(p)
}

// step is the name of the function that guarded templates call.
const step = "_step"

// guard makes every pass through a loop and every call of a template count.
func guard(t *texttemplate.Template) {
	t.Funcs(texttemplate.FuncMap{step: func() string { return "" }})
	for _, tmpl := range t.Templates() {
		if tmpl.Tree != nil && tmpl.Root != nil {
			guardList(tmpl.Root)
			prependStep(tmpl.Root)
		}
	}
}

func prependStep(l *parse.ListNode) {
	call := &parse.CommandNode{NodeType: parse.NodeCommand, Args: []parse.Node{parse.NewIdentifier(step)}}
	pipe := &parse.PipeNode{NodeType: parse.NodePipe, Cmds: []*parse.CommandNode{call}}
	l.Nodes = append([]parse.Node{&parse.ActionNode{NodeType: parse.NodeAction, Pipe: pipe}}, l.Nodes...)
}

func guardList(l *parse.ListNode) {
	if l == nil {
		return
	}
	for _, n := range l.Nodes {
		switch n := n.(type) {
		case *parse.RangeNode:
			guardList(n.List)
			guardList(n.ElseList)
			prependStep(n.List)
		case *parse.IfNode:
			guardList(n.List)
			guardList(n.ElseList)
		case *parse.WithNode:
			guardList(n.List)
			guardList(n.ElseList)
		}
	}
}

var errTooMuch = errors.New("the template makes too much text")

// limitedFuncs are the functions of a run that could make much text out of little,
// held to maxGoBytes in total, and those that tell the date.
func limitedFuncs(now time.Time) texttemplate.FuncMap {
	steps, bytes := maxGoSteps, maxGoBytes
	// took runs fn, which makes at most atMost bytes, and counts what it made.
	took := func(atMost int, fn func() string) (string, error) {
		if atMost > maxGoCall {
			return "", errTooMuch
		}
		text := fn()
		if bytes -= len(text); bytes < 0 {
			return "", errTooMuch
		}
		return text, nil
	}
	bounded := func(fn func(...any) string) func(...any) (string, error) {
		return func(args ...any) (string, error) { // escapes take up to 12 bytes for one
			return took(12*size(args), func() string { return fn(args...) })
		}
	}
	return texttemplate.FuncMap{
		step: func() (string, error) {
			if steps--; steps < 0 {
				return "", errors.New("the template runs too long")
			}
			return "", nil
		},
		"currentDate":   func(...string) string { return now.Format("2006-01-02") },
		"yesterdayDate": func(...string) string { return now.AddDate(0, 0, -1).Format("2006-01-02") },
		"print":         bounded(fmt.Sprint),
		"println":       bounded(fmt.Sprintln),
		"html":          bounded(texttemplate.HTMLEscaper),
		"js":            bounded(texttemplate.JSEscaper),
		"urlquery":      bounded(texttemplate.URLQueryEscaper),
		"printf": func(format string, args ...any) (string, error) {
			if strings.Contains(format, "*") || longDigits(format) {
				return "", fmt.Errorf("printf %q: widths of more than three digits are not allowed", format)
			}
			atMost := len(format) + strings.Count(format, "%")*(1000+12*size(args))
			return took(atMost, func() string { return fmt.Sprintf(format, args...) })
		},
		"json": func(v any) (string, error) {
			data, err := json.Marshal(v)
			if err != nil {
				return "", err
			}
			return took(len(data), func() string { return string(data) })
		},
	}
}

// size is about how much text args make.
func size(args []any) int {
	n := 0
	for _, a := range args {
		if s, ok := a.(string); ok {
			n += len(s)
		} else {
			n += len(fmt.Sprint(a))
		}
	}
	return n
}

func longDigits(s string) bool {
	run := 0
	for _, c := range s {
		if c < '0' || c > '9' {
			run = 0
		} else if run++; run > 3 {
			return true
		}
	}
	return false
}

// checkLegacy refuses what can't be bounded in a template without .Messages, which
// Ollama's package runs once for each exchange and into its own buffer.
func checkLegacy(t *texttemplate.Template) error {
	nodes := 0
	var check func(n parse.Node) error
	all := func(list []parse.Node) error {
		for _, n := range list {
			if err := check(n); err != nil {
				return err
			}
		}
		return nil
	}
	branch := func(b *parse.BranchNode) error {
		list := []parse.Node{b.Pipe, b.List}
		if b.ElseList != nil {
			list = append(list, b.ElseList)
		}
		return all(list)
	}
	check = func(n parse.Node) error {
		if nodes++; nodes > maxLegacy {
			return fmt.Errorf("a template without .Messages may have %d nodes at most", maxLegacy)
		}
		switch n := n.(type) {
		case *parse.ListNode:
			return all(n.Nodes)
		case *parse.ActionNode:
			return check(n.Pipe)
		case *parse.IfNode:
			return branch(&n.BranchNode)
		case *parse.WithNode:
			return branch(&n.BranchNode)
		case *parse.RangeNode, *parse.TemplateNode:
			return fmt.Errorf("%s is not allowed in a template without .Messages", n)
		case *parse.PipeNode:
			for _, c := range n.Cmds {
				if err := all(c.Args); err != nil {
					return err
				}
			}
		case *parse.IdentifierNode:
			if !slices.Contains([]string{"and", "or", "not", "eq", "ne", "lt", "le", "gt", "ge", "len"}, n.Ident) {
				return fmt.Errorf("the function %s is not allowed in a template without .Messages", n.Ident)
			}
		}
		return nil
	}
	return check(t.Root)
}
