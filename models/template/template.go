package template

import (
	"fmt"
	"strings"
	"sync"
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
	Parser    string // a name that Ollama's model/parsers knows; says what Renderer can express
	Jinja     string // tokenizer.chat_template
	JinjaTool string // tokenizer.chat_template.tool_use, for requests with tools
	BOS, EOS  string // texts of the tokens, which Jinja templates print
}

// Input is what a prompt is made of. With Messages it is a chat, and if the last
// message is the assistant's the prompt ends within it, so that the answer goes on
// from there. Without Messages it is Prompt (and Suffix: fill in the middle).
type Input struct {
	Messages   []puna.Message
	Tools      []puna.Tool
	ToolChoice puna.ToolChoice // none: the template doesn't see Tools
	Think      puna.Think      // default: the model's own with Jinja, else on where the template can
	System     string          // goes first, unless Messages begin with a system message
	Prompt     string
	Suffix     string
	// ImageMarker stands in the text for each image of a message: where the text
	// says [img], else in front of it. With "" images leave no trace.
	ImageMarker string
	Now         time.Time // for templates that print the date; zero: the clock's
}

// Template turns messages into a prompt. It is safe for concurrent use.
type Template struct {
	source   Source
	kind     Kind
	goText   *goTemplate
	jinja    *jinjaTemplate
	withTool *jinjaTemplate // of JinjaTool; may be nil
	callForm func() string
}

// chatML is the template of models that carry none. Qwen's way of tools is the one
// most models have seen.
const chatML = `{%- if tools %}<|im_start|>system
{% if messages[0].role == 'system' %}{{ messages[0].content }}

{% endif %}You may call functions. Their signatures:
<tools>
{%- for tool in tools %}

{{ tool | tojson }}
{%- endfor %}

</tools>
Answer a call with the function's name and arguments as JSON:
<tool_call>
{"name": <function-name>, "arguments": <args-json-object>}
</tool_call><|im_end|>
{% elif messages[0].role == 'system' %}<|im_start|>system
{{ messages[0].content }}<|im_end|>
{% endif %}
{%- for m in messages %}
{%- if m.role == 'tool' %}<|im_start|>user
<tool_response>
{{ m.content }}
</tool_response><|im_end|>
{% elif not (loop.first and m.role == 'system') %}<|im_start|>{{ m.role }}
{{ m.content }}
{%- for call in m.tool_calls or [] %}

<tool_call>
{"name": {{ call.function.name | tojson }}, "arguments": {{ call.function.arguments | tojson }}}
</tool_call>
{%- endfor %}<|im_end|>
{% endif %}
{%- endfor %}
{%- if add_generation_prompt %}<|im_start|>assistant
{% endif %}`

// New takes the first template that src has: Modelfile, Renderer, Jinja, ChatML. A
// template that can't be used is an [puna.Invalid] error that names it; later ones
// aren't tried.
func New(src Source) (*Template, error) {
	t := &Template{source: src}
	t.callForm = sync.OnceValue(t.renderCall)
	var err error
	switch {
	case src.Modelfile != "":
		t.kind = Go
		t.goText, err = newGoTemplate(src.Modelfile)
	case src.Renderer != "":
		t.kind = Renderer
		err = checkRenderer(src.Renderer)
	case src.Jinja != "":
		t.kind = Jinja
		t.jinja, err = newJinja(src.Jinja, src)
		if err == nil && src.JinjaTool != "" {
			t.withTool, err = newJinja(src.JinjaTool, src)
		}
	default:
		t.kind = ChatML
		t.jinja, err = newJinja(chatML, src)
	}
	if err != nil {
		return nil, t.wrap(err)
	}
	return t, nil
}

// wrap says which template err is about.
func (t *Template) wrap(err error) error {
	name := map[Kind]string{Go: "TEMPLATE of the Modelfile", Renderer: fmt.Sprintf("renderer %q", t.source.Renderer),
		Jinja: "chat template of the GGUF", ChatML: "ChatML template"}[t.kind]
	if t.source.Model != "" {
		name = fmt.Sprintf("model %q: %s", t.source.Model, name)
	}
	return puna.Errorf(puna.Invalid, "%s: %w", name, err)
}

// Kind says which template is in use.
func (t *Template) Kind() Kind { return t.kind }

// Text is the source of the template in use: Go template syntax, a renderer's
// name, or Jinja.
func (t *Template) Text() string {
	switch t.kind {
	case Go:
		return t.source.Modelfile
	case Renderer:
		return t.source.Renderer
	case Jinja:
		return t.source.Jinja
	}
	return chatML
}

// ToolText is the text that says how tool calls look: Text, or the GGUF's own
// template for tools.
func (t *Template) ToolText() string {
	if t.withTool != nil {
		return t.source.JinjaTool
	}
	return t.Text()
}

// Parser is [Source.Parser].
func (t *Template) Parser() string { return t.source.Parser }

// GoTemplate is the parsed template of kind [Go], nil of the others. It must not be
// executed or changed.
func (t *Template) GoTemplate() *texttemplate.Template {
	if t.goText == nil {
		return nil
	}
	return t.goText.tmpl.Template
}

// Supports reports whether the template can express a capability: one of
// [puna.CanTools], [puna.CanThink], [puna.CanInsert].
func (t *Template) Supports(c puna.Capability) bool {
	switch t.kind {
	case Go:
		return t.goText.supports(c)
	case Renderer:
		return rendererSupports(t.source.Parser, c)
	}
	switch c {
	case puna.CanTools:
		return t.jinja.caps.tools || t.withTool != nil && t.withTool.caps.tools
	case puna.CanThink:
		return t.jinja.caps.think
	}
	return false
}

// Render returns the prompt's text, which ends where the assistant's answer
// begins. Control tokens are in it as text: tokenize it with special tokens on.
// Messages that the template refuses are [puna.Invalid], a Suffix where it has no
// place for one [puna.Unsupported]. Input isn't changed.
func (t *Template) Render(in Input) (string, error) {
	if in.ToolChoice == "none" {
		in.Tools = nil
	}
	if in.Now.IsZero() {
		in.Now = time.Now()
	}
	if in.Suffix != "" && len(in.Messages) == 0 {
		if !t.Supports(puna.CanInsert) {
			return "", puna.Errorf(puna.Unsupported, "%q does not support insert: send the prompt without a suffix", t.source.Model)
		}
	} else {
		in.Messages = conversation(&in)
	}
	if in.Think == puna.ThinkDefault && t.jinja == nil && t.Supports(puna.CanThink) {
		in.Think = puna.ThinkOn // as Ollama does
	}
	var text string
	var err error
	switch {
	case t.kind == Go:
		text, err = t.goText.render(&in)
	case t.kind == Renderer:
		text, err = renderNamed(t.source.Renderer, &in)
	case t.withTool != nil && len(in.Tools) > 0:
		text, err = t.withTool.render(&in)
	default:
		text, err = t.jinja.render(&in)
	}
	if err != nil {
		return "", t.wrap(err)
	}
	return text, nil
}

// TrimBOS cuts the beginning-of-sequence token's text off the front of a
// rendered prompt. Where the tokenizer adds BOS by itself, tokenize what TrimBOS
// returns; where it doesn't, tokenize the text as it is.
func (t *Template) TrimBOS(text string) string {
	if t.source.BOS == "" {
		return text
	}
	return strings.TrimPrefix(text, t.source.BOS)
}

// conversation is in's messages, with the system message, the prompt as a user
// message, and markers for images. It shares nothing that is changed.
func conversation(in *Input) []puna.Message {
	var out []puna.Message
	if in.System != "" && (len(in.Messages) == 0 || in.Messages[0].Role != puna.System) {
		out = append(out, puna.Message{Role: puna.System, Content: in.System})
	}
	if len(in.Messages) == 0 {
		return append(out, puna.Message{Role: puna.User, Content: in.Prompt})
	}
	for _, m := range in.Messages {
		for range m.Images {
			if in.ImageMarker == "" {
				break
			}
			if strings.Contains(m.Content, "[img]") {
				m.Content = strings.Replace(m.Content, "[img]", in.ImageMarker, 1)
			} else {
				m.Content = in.ImageMarker + m.Content
			}
		}
		m.Images = nil
		out = append(out, m)
	}
	return out
}
