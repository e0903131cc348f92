package grammar

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"strings"

	"github.com/puna-ai/puna"
	"github.com/puna-ai/puna/models/parse"
)

var (
	toolName = regexp.MustCompile(`^[^"\\\x00-\x1f\x7f]+$`)
	blank    = regexp.MustCompile(`\s+`)
)

// FromCalls translates the calls that a model may write to GBNF: one call or more of
// the tools, with arguments by their schemas. Where a schema can't be expressed, or
// isn't valid, a tool takes any JSON object. Opened says that the first call's tag is
// there already.
func FromCalls(form parse.CallForm, tools []puna.Tool, opened bool) (string, error) {
	b := newBuilder(nil)
	ws := b.prim("ws")
	var calls []string
	for i, t := range tools {
		if !toolName.MatchString(t.Name) {
			return "", puna.Errorf(puna.Invalid, "tools: the name %q can't be called", t.Name)
		}
		arguments := b.arguments(t.Parameters, fmt.Sprintf("tool%d", i))
		calls = append(calls, fmt.Sprintf("%s %s %s", literal(t.Name), b.loose(form.Between), arguments))
	}
	b.rules["call"] = fmt.Sprintf("%s (%s) %s", b.loose(form.Before), strings.Join(calls, " | "), b.loose(form.After))
	root := "call"
	if form.Open != "" {
		open := literal(form.Open)
		root = fmt.Sprintf("call (%s %s call)*", ws, open)
		if !opened {
			root = fmt.Sprintf("%s %s %s", ws, open, root)
		}
	}
	b.rules["root"] = root
	if b.size > maxGrammar {
		return "", puna.Errorf(puna.Invalid, "tools: the schemas are too large for a grammar")
	}
	return b.String(), nil
}

// arguments adds the rules of a tool's schema, and returns a term.
func (b *builder) arguments(parameters json.RawMessage, hint string) string {
	trial := newBuilder(nil)
	trial.rules, trial.size = maps.Clone(b.rules), b.size
	term, err := trial.parameters(parameters, hint)
	if err != nil {
		return b.prim("object")
	}
	delete(trial.rules, "root")
	b.rules, b.size = trial.rules, trial.size
	return term
}

func (b *builder) parameters(text json.RawMessage, hint string) (term string, err error) {
	doc, err := decode(text)
	if err != nil {
		return "", err
	}
	o, ok := doc.(*object)
	if !ok {
		return "", fmt.Errorf("%.80s is no schema of an object", text)
	}
	if !o.has("type") {
		o.set("type", "object")
	}
	if b.compiler, err = check(text); err != nil {
		return "", err
	}
	b.doc = doc
	err = b.guarded(func() {
		term = b.visit(schema{value: doc}, hint)
		b.rules["root"] = term
		b.checkLeftRecursion()
		b.checkFinite()
	})
	return term, err
}

// loose is text with any white space where it has some.
func (b *builder) loose(text string) string {
	var terms []string
	at := 0
	for _, gap := range append(blank.FindAllStringIndex(text, -1), []int{len(text), len(text)}) {
		if gap[0] > at {
			terms = append(terms, literal(text[at:gap[0]]))
		}
		if gap[1] > gap[0] {
			terms = append(terms, b.prim("ws"))
		}
		at = gap[1]
	}
	return strings.Join(terms, " ")
}
