package grammar

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// property is one of an object's.
type property struct {
	member   string // "key": value, as a term
	required bool
}

// object is a JSON object: properties in order, then others if there may be.
func (b *builder) object(s schema, hint string) string {
	o := s.object()
	props, _ := o.values["properties"].(*object)
	if props == nil {
		props = newObject()
	}
	extra, stated := o.values["additionalProperties"]
	if !stated {
		extra = len(props.keys) == 0
	}
	required := requiredOf(s)
	var list []property
	for _, key := range props.keys {
		sub := s.at(props.values[key], "properties", key)
		if sub.value == false && !slices.Contains(required, key) {
			continue
		}
		list = append(list, property{b.member(sub, key, hint), slices.Contains(required, key)})
	}
	for _, key := range required {
		if props.has(key) {
			continue
		}
		if extra == false && stated {
			fail(s.pointer+escape("required"), "%q is required but additionalProperties forbids it", key)
		}
		sub := s.at(extra, "additionalProperties")
		if !stated {
			sub.value = true
		}
		props = props.without()
		props.set(key, true)
		list = append(list, property{b.member(sub, key, hint), true})
	}
	others := ""
	if extra != false && extra != nil {
		key := b.otherKey(s, props.keys, hint)
		value := b.visit(s.at(extra, "additionalProperties"), hint+"-value")
		others = b.rule(s.pointer, hint+"-other", fmt.Sprintf(`%s ":" %s %s`, key, b.prim("ws"), value))
	}
	return b.members(s, list, others, hint)
}

func requiredOf(s schema) []string {
	var out []string
	list, _ := s.object().values["required"].([]any)
	for _, v := range list {
		if key, ok := v.(string); ok && !slices.Contains(out, key) {
			out = append(out, key)
		}
	}
	return out
}

func (b *builder) member(s schema, key, hint string) string {
	value := b.visit(s, hint+"-"+key)
	return b.rule(s.pointer, hint+"-"+key+"-kv", fmt.Sprintf(`%s %s %s`, literal(encode(key)+":"), b.prim("ws"), value))
}

// members joins properties and others, so that commas stand only between those
// that are there.
func (b *builder) members(s schema, list []property, others, hint string) string {
	ws := b.prim("ws")
	rest := "" // what may follow once a member is there
	if others != "" {
		rest = fmt.Sprintf(`("," %s %s)*`, ws, others)
	}
	firsts := []string{} // ways to begin, last first; each with what follows
	if others != "" {
		firsts = append(firsts, others+" "+rest)
	}
	mayBeEmpty := true
	for i := len(list) - 1; i >= 0; i-- {
		p := list[i]
		if p.required {
			firsts, mayBeEmpty = nil, false
		}
		firsts = append(firsts, p.member+" "+rest)
		next := fmt.Sprintf(`"," %s %s`, ws, p.member)
		if !p.required {
			next = "(" + next + ")?"
		}
		rest = strings.TrimSpace(next + " " + rest)
		if len(rest) > 200 && i > 0 { // shared by the ways to begin before it
			rest = b.rule(s.pointer, hint+"-rest", rest)
		}
	}
	if len(firsts) == 0 {
		return b.rule(s.pointer, hint, fmt.Sprintf(`"{" %s "}"`, ws))
	}
	slices.Reverse(firsts)
	body := alternatives(firsts) + " " + ws
	if mayBeEmpty {
		body = "(" + body + ")?"
	}
	return b.rule(s.pointer, hint, fmt.Sprintf(`"{" %s %s "}"`, ws, body))
}

// otherKey is a rule for strings that aren't one of names.
func (b *builder) otherKey(s schema, names []string, hint string) string {
	if len(names) == 0 {
		return b.prim("string")
	}
	root := &trie{}
	for _, name := range names {
		root.add(encode(name)[1 : len(encode(name))-1])
	}
	return b.rule(s.pointer, hint+"-key", fmt.Sprintf(`"\"" %s`, b.unlike(s, root, hint)))
}

// trie holds the names of properties as JSON writes them.
type trie struct {
	next map[rune]*trie
	end  bool
}

func (t *trie) add(text string) {
	for _, c := range text {
		if t.next == nil {
			t.next = map[rune]*trie{}
		}
		if t.next[c] == nil {
			t.next[c] = &trie{}
		}
		t = t.next[c]
	}
	t.end = true
}

// unlike is the rest of a string, quote included, that isn't a name in t. Escapes
// are left out until the string differs, since they could spell a name.
func (b *builder) unlike(s schema, t *trie, hint string) string {
	var terms []string
	excluded := ""
	for _, c := range slices.Sorted(maps.Keys(t.next)) {
		if c == '\\' { // a name with an escape: no other key begins like it
			continue
		}
		excluded += classChar(c)
		terms = append(terms, fmt.Sprintf("%s %s", literal(string(c)), b.unlike(s, t.next[c], hint)))
	}
	terms = append(terms, fmt.Sprintf(`[^"\\\x00-\x1F\x7F%s] %s* "\""`, excluded, b.prim("char")))
	if !t.end {
		terms = append(terms, `"\""`)
	}
	return b.rule(s.pointer, hint+"-k", strings.Join(terms, " | "))
}
