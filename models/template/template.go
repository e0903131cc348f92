package template

import (
	texttemplate "text/template"
	"time"

	"github.com/puna-ai/puna"
)

// Kind says which of a model's templates is in use.
type Kind string

// The kinds, in the order in which [New] looks for them.
const (
	Go       Kind = "go"       // a Modelfile's TEMPLATE
	Renderer Kind = "renderer" // one of Ollama's named renderers
	Jinja    Kind = "jinja"    // the GGUF's tokenizer.chat_template
	ChatML   Kind = "chatml"   // the model carries none
)

// Source is what a model carries. Empty fields are absent.
type Source struct {
	Model     string // how errors call the model
	Modelfile string // TEMPLATE, in Go template syntax
	Renderer  string // a name that Ollama's model/renderers knows
	Jinja     string // tokenizer.chat_template
	JinjaTool string // tokenizer.chat_template.tool_use, for requests with tools
	BOS, EOS  string // texts of the tokens, which Jinja templates print
}

// Input is what a prompt is made of. With Messages it is a chat; without, it is
// Prompt (and Suffix: fill in the middle), under System.
type Input struct {
	Messages   []puna.Message
	Tools      []puna.Tool
	ToolChoice puna.ToolChoice // none: the template doesn't see Tools
	Think      puna.Think
	System     string // goes first, unless Messages begins with a system message
	Prompt     string
	Suffix     string
	// ImageMarker stands in the text where a message's image belongs; with ""
	// images leave no trace.
	ImageMarker string
	Now         time.Time // of templates that print the date; zero: the clock's
}

// Template turns messages into a prompt. It is safe for concurrent use.
type Template struct {
	source Source
	kind   Kind
}

// New takes the first template that src has: Modelfile, Renderer, Jinja, ChatML.
func New(src Source) (*Template, error) {
	return nil, puna.Errorf(puna.Unsupported, "templates are not here yet")
}

// Kind says which template is in use.
func (t *Template) Kind() Kind { return t.kind }

// Text is the source of the template in use: Go template syntax, a renderer's
// name, or Jinja.
func (t *Template) Text() string { return "" }

// GoTemplate is the parsed template of kind [Go], nil of the others.
func (t *Template) GoTemplate() *texttemplate.Template { return nil }

// Supports reports whether the template can express a capability: one of
// [puna.CanTools], [puna.CanThink], [puna.CanInsert].
func (t *Template) Supports(c puna.Capability) bool { return false }

// Render returns the prompt's text, which ends where the assistant's answer
// begins. Control tokens are in it as text: tokenize it with special tokens on.
func (t *Template) Render(in Input) (string, error) {
	return "", puna.Errorf(puna.Unsupported, "templates are not here yet")
}

// TrimBOS cuts the beginning-of-sequence token's text off the front of a
// rendered prompt. Where the tokenizer adds BOS by itself, tokenize what TrimBOS
// returns; where it doesn't, tokenize the text as it is.
func (t *Template) TrimBOS(text string) string { return text }
