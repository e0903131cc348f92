package grammar

import (
	"fmt"
	"strconv"
)

// array is a JSON array of prefixItems, then items.
func (b *builder) array(s schema, hint string) string {
	o := s.object()
	prefix, _ := o.values["prefixItems"].([]any)
	items, hasItems := o.values["items"]
	itemsKey := "items"
	if list, ok := items.([]any); ok { // before 2020-12
		prefix, hasItems = list, false
	}
	lo, hi := s.integer("minItems", 0), s.integer("maxItems", -1)
	if hi >= 0 && lo > hi {
		impossible(s.pointer+escape("minItems"), "no array has at least %d and at most %d items", lo, hi)
	}
	if !hasItems && len(prefix) == 0 {
		items, hasItems = true, true
	}
	if items == false {
		hasItems = false
	}
	if !hasItems {
		if lo > len(prefix) {
			impossible(s.pointer+escape("minItems"), "no array here has %d items", lo)
		}
		if hi < 0 || hi > len(prefix) {
			hi = len(prefix)
		}
	}
	if hi >= 0 && hi < len(prefix) {
		prefix = prefix[:hi]
	}
	ws := b.prim("ws")
	var terms []string
	for i, v := range prefix {
		terms = append(terms, b.visit(s.at(v, "prefixItems", strconv.Itoa(i)), hint+"-"+strconv.Itoa(i)))
	}
	tail := ""
	if hasItems && hi != len(prefix) {
		item := b.visit(s.at(items, itemsKey), hint+"-item")
		rest := b.repeat(s.pointer, fmt.Sprintf(`("," %s %s)`, ws, item), max(lo-len(prefix), 0), less(hi, len(prefix)))
		if len(prefix) == 0 { // the first item has no comma
			rest = item + " " + b.repeat(s.pointer, fmt.Sprintf(`("," %s %s)`, ws, item), max(lo-1, 0), less(hi, 1))
			if lo == 0 {
				rest = "(" + rest + " " + ws + ")?"
			} else {
				rest += " " + ws
			}
			return b.rule(s.pointer, hint, fmt.Sprintf(`"[" %s %s "]"`, ws, rest))
		}
		tail = rest
	}
	// Items of the prefix beyond minItems may be missing from the end.
	body := tail
	for i := len(terms) - 1; i >= 0; i-- {
		comma := ""
		if i > 0 {
			comma = fmt.Sprintf(`"," %s `, ws)
		}
		body = comma + terms[i] + " " + body
		if i >= lo {
			body = "(" + body + ")?"
		}
	}
	return b.rule(s.pointer, hint, fmt.Sprintf(`"[" %s %s %s "]"`, ws, body, ws))
}

// less is n - by, where n < 0 means no bound.
func less(n, by int) int {
	if n < 0 {
		return n
	}
	return n - by
}
