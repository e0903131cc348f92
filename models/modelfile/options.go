package modelfile

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/puna-ai/puna"
)

// optionMap returns options by name, as JSON has them; nil if none is set.
func optionMap(o puna.Options) map[string]any {
	data, err := json.Marshal(o)
	if err != nil { // numbers, texts and lists of them
		panic(err)
	}
	var m map[string]any
	if err := json.Unmarshal(data, &m); err != nil || len(m) == 0 {
		return nil
	}
	return m
}

// Parameters returns the lines that say what o does, in the order of
// [puna.OptionDocs], a list one item a line.
func Parameters(o puna.Options) []Parameter {
	values := optionMap(o)
	var out []Parameter
	for _, doc := range puna.OptionDocs() {
		switch v := values[doc.Name].(type) {
		case nil:
		case []any:
			for _, item := range v {
				out = append(out, Parameter{doc.Name, fmt.Sprint(item)})
			}
		case string:
			out = append(out, Parameter{doc.Name, v})
		default:
			text, err := json.Marshal(v)
			if err != nil {
				panic(err)
			}
			out = append(out, Parameter{doc.Name, string(text)})
		}
	}
	return out
}

// Table lays parameters out as Ollama's show does: name, spaces, value; texts that
// are options' lists in quotes.
func Table(parameters []Parameter) string {
	width := 0
	for _, p := range parameters {
		width = max(width, len(p.Name))
	}
	lines := make([]string, len(parameters))
	for i, p := range parameters {
		value := p.Value
		if slices.Contains([]string{"stop", "dry_sequence_breakers", "grammar"}, p.Name) {
			value = fmt.Sprintf("%q", value)
		}
		lines[i] = fmt.Sprintf("%-*s %s", max(width, 30), p.Name, value)
	}
	return strings.Join(lines, "\n")
}
