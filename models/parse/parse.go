package parse

import (
	"github.com/puna-ai/puna"
	"github.com/puna-ai/puna/models/template"
)

// Options say what an answer may hold.
type Options struct {
	Template *template.Template // the one that made the prompt; nil: the answer is plain text
	Parser   string             // a name that Ollama's model/parsers knows; goes before Template
	Tools    []puna.Tool        // none: no tool calls are looked for
	Think    puna.Think
	Prompt   string        // the rendered prompt, which may have begun the thinking
	Last     *puna.Message // the last message, where it is the assistant's and the answer goes on from it
}

// Parser splits one answer into text, thinking and tool calls. It belongs to one
// goroutine.
type Parser interface {
	// Add takes the next piece of the answer and returns what is certain by now;
	// the event may be empty. Pieces are whole UTF-8 characters.
	Add(piece string) puna.Event
	// Done returns what was held back. No Add may follow.
	Done() puna.Event
}

// New returns a parser for one answer. An unknown Options.Parser is an error.
func New(o Options) (Parser, error) {
	return plain{}, nil
}

// plain passes text through.
type plain struct{}

func (plain) Add(piece string) puna.Event { return puna.Event{Text: piece} }
func (plain) Done() puna.Event            { return puna.Event{} }
