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
	if !hasItems || hi >= 0 && hi <= len(prefix) {
		items = nil
	}
	var terms []string
	for i, v := range prefix {
		terms = append(terms, b.visit(s.at(v, "prefixItems", strconv.Itoa(i)), hint+"-"+strconv.Itoa(i)))
	}
	item := ""
	if items != nil {
		item = b.visit(s.at(items, itemsKey), hint+"-item")
	}
	return b.rule(s.pointer, hint, fmt.Sprintf(`"[" %s %s "]"`, b.prim("ws"), b.items(s, terms, item, lo, hi)))
}

// items is lo to hi items: those of the prefix, then any number of item, which is ""
// where there are no more.
func (b *builder) items(s schema, prefix []string, item string, lo, hi int) string {
	ws := b.prim("ws")
	if len(prefix) == 0 && item == "" {
		return ""
	}
	if len(prefix) == 0 { // the first item has no comma
		body := fmt.Sprintf("%s %s %s", item, b.repeat(s.pointer, fmt.Sprintf(`("," %s %s)`, ws, item), max(lo-1, 0), less(hi, 1)), ws)
		if lo == 0 {
			body = "(" + body + ")?"
		}
		return body
	}
	body := ""
	if item != "" {
		body = b.repeat(s.pointer, fmt.Sprintf(`("," %s %s)`, ws, item), max(lo-len(prefix), 0), less(hi, len(prefix)))
	}
	// Items of the prefix beyond lo may be missing from the end.
	for i := len(prefix) - 1; i >= 0; i-- {
		comma := ""
		if i > 0 {
			comma = fmt.Sprintf(`"," %s `, ws)
		}
		body = comma + prefix[i] + " " + body
		if i >= lo {
			body = "(" + body + ")?"
		}
	}
	return body + " " + ws
}

// less is n - by, where n < 0 means no bound.
func less(n, by int) int {
	if n < 0 {
		return n
	}
	return n - by
}
