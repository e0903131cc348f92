package parse

import "github.com/puna-ai/puna/models/template"

// ThinkTags returns the tags that thoughts stand between in answers to t's prompts,
// or "" where there are none.
func ThinkTags(t *template.Template) (opening, closing string) { return thinkTags(t) }
