package grammar

import "strings"

// checkFinite refuses schemas that a model could begin a value of but never end it,
// such as an object that requires one like itself.
func (b *builder) checkFinite() {
	if len(b.refs) == 0 {
		return // without recursion, everything ends
	}
	ends := map[string]bool{}
	for changed := true; changed; {
		changed = false
		for name, body := range b.rules {
			if !ends[name] {
				r := ruleReader{body, ends}
				ends[name] = r.alternatives()
				changed = changed || ends[name]
			}
		}
	}
	for pointer, name := range b.refs {
		if !ends[name] {
			fail(pointer, "a value here would never end")
		}
	}
	if !ends["root"] {
		fail("", "a value here would never end")
	}
}

// ruleReader walks through the right side of a rule and tells whether text can come
// to an end in it, given the rules of which that is known.
type ruleReader struct {
	text string
	ends map[string]bool
}

func (r *ruleReader) alternatives() bool {
	any := r.sequence()
	for strings.HasPrefix(r.text, "|") {
		r.text = r.text[1:]
		any = r.sequence() || any
	}
	return any
}

func (r *ruleReader) sequence() bool {
	all := true
	for {
		r.text = strings.TrimLeft(r.text, " ")
		if r.text == "" || r.text[0] == '|' || r.text[0] == ')' {
			return all
		}
		item := r.item()
		if strings.HasPrefix(r.text, "?") || strings.HasPrefix(r.text, "*") || strings.HasPrefix(r.text, "{0,") {
			item = true
		}
		if strings.HasPrefix(r.text, "{") {
			_, r.text, _ = strings.Cut(r.text, "}")
		} else {
			r.text = strings.TrimLeft(r.text, "?*+")
		}
		all = all && item
	}
}

func (r *ruleReader) item() bool {
	switch r.text[0] {
	case '"':
		r.quoted('"')
	case '[':
		r.quoted(']')
	case '(':
		r.text = r.text[1:]
		ends := r.alternatives()
		r.text = r.text[1:]
		return ends
	default:
		n := strings.IndexAny(r.text, " |)?*+{")
		if n < 0 {
			n = len(r.text)
		}
		name := r.text[:n]
		r.text = r.text[n:]
		return r.ends[name]
	}
	return true
}

// quoted passes a literal or class up to its end.
func (r *ruleReader) quoted(end byte) {
	i := 1
	for r.text[i] != end {
		if r.text[i] == '\\' {
			i++
		}
		i++
	}
	r.text = r.text[i+1:]
}
