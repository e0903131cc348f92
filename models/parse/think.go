package parse

import (
	"strings"

	"github.com/ollama/ollama/thinking"

	"github.com/puna-ai/puna/models/template"
)

// thinker takes what stands between thinking tags out of an answer, by Ollama's
// package thinking.
type thinker struct{ p thinking.Parser }

// newThinker returns nil for templates without thinking.
func newThinker(o Options) *thinker {
	if o.Template == nil {
		return nil
	}
	opening, closing := ThinkTags(o.Template)
	if opening == "" || closing == "" {
		return nil
	}
	t := &thinker{thinking.Parser{OpeningTag: opening, ClosingTag: closing}}
	if strings.HasSuffix(strings.TrimSpace(o.Prompt), opening) {
		t.p.AddContent(opening)
	}
	return t
}

// sentinel is a character that no tag has. Fed at the end, it makes Ollama's parser
// give back what it holds, since it has no other way to say that the text is over.
const sentinel = "\x00"

func (t *thinker) add(piece string, final bool) (thought, text string) {
	thought, text = t.p.AddContent(piece)
	if final {
		a, b := t.p.AddContent(sentinel)
		thought += strings.TrimSuffix(a, sentinel)
		text += strings.TrimSuffix(b, sentinel)
	}
	return thought, text
}

// jinjaTags are the tags around thoughts that Jinja templates name.
var jinjaTags = [][2]string{{"<think>", "</think>"}, {"[THINK]", "[/THINK]"}, {"<seed:think>", "</seed:think>"},
	{"◁think▷", "◁/think▷"}, {"<thinking>", "</thinking>"}}

// ThinkTags returns the tags that thoughts stand between in answers to t's prompts,
// or "" where there are none.
func ThinkTags(t *template.Template) (opening, closing string) {
	if tmpl := t.GoTemplate(); tmpl != nil {
		defer func() {
			if recover() != nil { // InferTags doesn't expect every tree
				opening, closing = "", ""
			}
		}()
		return thinking.InferTags(tmpl)
	}
	for _, tags := range jinjaTags {
		if t.Kind() == template.Jinja && strings.Contains(t.Text(), tags[0]) {
			return tags[0], tags[1]
		}
	}
	return "", ""
}
