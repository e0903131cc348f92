package llama

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// grammarParser reads GBNF as llama.cpp's parser does (llama-grammar.cpp).
type grammarParser struct {
	text  string
	pos   int
	depth int
	rules map[string]*grammarRule
	all   []*grammarRule // with the groups
	rule  string         // being read
}

// errorf names the line.
func (p *grammarParser) errorf(format string, args ...any) error {
	line := 1 + strings.Count(p.text[:p.pos], "\n")
	return fmt.Errorf("line %d: %s", line, fmt.Sprintf(format, args...))
}

// peek returns the byte at hand, 0 at the end.
func (p *grammarParser) peek() byte {
	if p.pos < len(p.text) {
		return p.text[p.pos]
	}
	return 0
}

// space skips white space and comments, with newlines or up to one.
func (p *grammarParser) space(newlines bool) {
	for {
		switch c := p.peek(); {
		case c == '#':
			end := strings.IndexAny(p.text[p.pos:], "\r\n")
			if end < 0 {
				end = len(p.text) - p.pos
			}
			p.pos += end
		case c == ' ' || c == '\t' || newlines && (c == '\r' || c == '\n'):
			p.pos++
		default:
			return
		}
	}
}

func isWord(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-'
}

func (p *grammarParser) name() (string, error) {
	start := p.pos
	for isWord(p.peek()) {
		p.pos++
	}
	if p.pos == start {
		return "", p.errorf("a rule's name is missing before %.20q", p.text[start:])
	}
	return p.text[start:p.pos], nil
}

// newRule is the one being read, or a group in it.
func (p *grammarParser) newRule() *grammarRule {
	r := &grammarRule{name: p.rule}
	p.all = append(p.all, r)
	return r
}

// parse reads all rules.
func (p *grammarParser) parse() error {
	p.space(true)
	for p.pos < len(p.text) {
		name, err := p.name()
		if err != nil {
			return err
		}
		p.space(false)
		if !strings.HasPrefix(p.text[p.pos:], "::=") {
			return p.errorf("rule %q has no ::=", name)
		}
		p.pos += 3
		p.space(true)
		p.rule = name
		r := p.newRule()
		if r.alternates, err = p.alternates(false); err != nil {
			return err
		}
		if c := p.peek(); c != 0 && c != '\r' && c != '\n' {
			return p.errorf("rule %q goes on with %.20q", name, p.text[p.pos:])
		}
		if p.rules[name] = r; len(p.rules) > maxGrammarRules {
			return p.errorf("more than %d rules", maxGrammarRules)
		}
		p.space(true)
	}
	return nil
}

func (p *grammarParser) alternates(nested bool) (all [][]grammarItem, err error) {
	if p.depth++; p.depth > maxGrammarDepth {
		return nil, p.errorf("parentheses nest deeper than %d", maxGrammarDepth)
	}
	defer func() { p.depth-- }()
	for {
		seq, err := p.sequence(nested)
		if err != nil {
			return nil, err
		}
		all = append(all, seq)
		if p.peek() != '|' {
			return all, nil
		}
		p.pos++
		p.space(true)
	}
}

func (p *grammarParser) sequence(nested bool) (seq []grammarItem, err error) {
	for {
		item := grammarItem{elements: 1, min: 1, max: 1}
		switch c := p.peek(); {
		case c == '"':
			item.elements, err = p.quoted('"')
			item.empty = item.elements == 0
		case c == '[':
			item.elements, err = p.quoted(']')
			item.empty = item.elements == 0
		case c == '<' || c == '!':
			err = p.token()
		case isWord(c):
			item.rule, err = p.name()
		case c == '(':
			p.pos++
			p.space(true)
			item.group = p.newRule()
			if item.group.alternates, err = p.alternates(true); err == nil && p.peek() != ')' {
				err = p.errorf("a ) is missing before %.20q", p.text[p.pos:])
			}
			p.pos++
		case c == '.':
			p.pos++
		case strings.IndexByte("*+?{", c) >= 0 && c != 0:
			if len(seq) == 0 {
				return nil, p.errorf("%q repeats nothing", c)
			}
			if err := p.repetition(&seq[len(seq)-1]); err != nil {
				return nil, err
			}
			p.space(nested)
			continue
		default:
			return seq, nil
		}
		if err != nil {
			return nil, err
		}
		seq = append(seq, item)
		p.space(nested)
	}
}

// quoted skips a literal or a class and returns how many elements it has.
func (p *grammarParser) quoted(end byte) (elements int, err error) {
	p.pos++
	if end == ']' && p.peek() == '^' {
		p.pos++
	}
	for p.peek() != end || p.pos >= len(p.text) {
		if p.pos >= len(p.text) {
			return 0, p.errorf("a %q is missing at the end", end)
		}
		if p.peek() == '\\' {
			p.pos++
		}
		_, size := utf8.DecodeRuneInString(p.text[p.pos:])
		p.pos += size
		elements++
	}
	p.pos++
	return elements, nil
}

// token skips <[id]>, <text> or !<text>.
func (p *grammarParser) token() error {
	end := strings.IndexByte(p.text[p.pos:], '>')
	if end < 0 {
		return p.errorf("a '>' is missing after %.20q", p.text[p.pos:])
	}
	p.pos += end + 1
	return nil
}

// repetition reads *, +, ?, {m}, {m,} or {m,n} of item. On a repetition of a
// repetition both count.
func (p *grammarParser) repetition(item *grammarItem) error {
	if item.min != 1 || item.max != 1 {
		group := p.newRule()
		group.alternates = [][]grammarItem{{*item}}
		*item = grammarItem{elements: item.elements*max(item.min, 1) + 1, min: 1, max: 1, group: group}
	}
	c := p.peek()
	p.pos++
	switch c {
	case '*':
		item.min, item.max = 0, -1
	case '+':
		item.min, item.max = 1, -1
	case '?':
		item.min, item.max = 0, 1
	case '{':
		return p.braces(item)
	}
	return nil
}

func (p *grammarParser) braces(item *grammarItem) (err error) {
	if item.min, err = p.number(); err != nil {
		return err
	}
	item.max = item.min
	if p.peek() == ',' {
		p.pos++
		p.space(true)
		item.max = -1
		if c := p.peek(); c >= '0' && c <= '9' {
			if item.max, err = p.number(); err != nil {
				return err
			}
		}
	}
	if p.peek() != '}' {
		return p.errorf("a } is missing before %.20q", p.text[p.pos:])
	}
	p.pos++
	if item.max >= 0 && item.max < item.min {
		return p.errorf("{%d,%d} has its least after its most", item.min, item.max)
	}
	return nil
}

func (p *grammarParser) number() (int, error) {
	p.space(true)
	start := p.pos
	for c := p.peek(); c >= '0' && c <= '9'; c = p.peek() {
		p.pos++
	}
	n, err := strconv.Atoi(p.text[start:p.pos])
	if err != nil || n > maxGrammarRepeat {
		return 0, p.errorf("%q repetitions: need 0 to %d", p.text[start:p.pos], maxGrammarRepeat)
	}
	p.space(true)
	return n, nil
}
