package parse

import (
	"regexp"
	"strings"

	"github.com/puna-ai/puna/models/template"
)

// CallForm is how a model writes a call: Open Before NAME Between ARGUMENTS After, the
// arguments as a JSON object.
type CallForm struct {
	Open    string // the tag; "": the call stands for itself
	Before  string
	Between string
	After   string
}

var (
	formArguments = regexp.MustCompile(`\{[^{}]*` + template.FormKey + `[^{}]*\}`)
	closers       = regexp.MustCompile(`^\s*[}\]]+`)
	callBegins    = regexp.MustCompile(`[{\[\s]*\{\s*"[^{}]*$`)
)

// FormOf reads the form off the call that a template writes; ok is false where it
// shows none, or where something in it changes from call to call, such as an id.
func FormOf(t *template.Template) (form CallForm, ok bool) {
	before, rest, found := strings.Cut(t.CallForm(), template.FormName)
	at := formArguments.FindStringIndex(rest)
	if !found || at == nil {
		return form, false
	}
	f := formats(t)[0]
	switch len(f.opens) {
	case 0:
		form.Before = callBegins.FindString(before)
	case 1:
		form.Open = f.opens[0]
		i := strings.LastIndex(before, form.Open)
		if i < 0 {
			return form, false
		}
		form.Before = before[i+len(form.Open):]
	}
	form.Between, form.After = rest[:at[0]], closing(rest[at[1]:], f.closes)
	fixed := !strings.Contains(form.Before+form.Between+form.After, "zq")
	return form, form.Before != "" && form.Between != "" && fixed && opened(form.Before+form.Between) == closed(form.After)
}

func opened(s string) int { return strings.Count(s, "{") + strings.Count(s, "[") }
func closed(s string) int { return strings.Count(s, "}") + strings.Count(s, "]") }

// closing is what belongs to a call at the beginning of rest.
func closing(rest string, tags []string) string {
	n := len(closers.FindString(rest))
	trimmed := strings.TrimLeft(rest[n:], " \n")
	for _, tag := range tags {
		if strings.HasPrefix(trimmed, tag) {
			return rest[:len(rest)-len(trimmed)+len(tag)]
		}
	}
	return rest[:n]
}
