package jinja

import "slices"

// parser turns tokens into a tree. Errors leave it by panic, see [fail].
type parser struct {
	tokens []token
	i      int
	depth  int // nested statements and expressions
	loops  int // enclosing for statements of the current macro
}

const maxNesting = 100

func (p *parser) cur() token  { return p.tokens[p.i] }
func (p *parser) line() int   { return p.tokens[p.i].line }
func (p *parser) peek() token { return p.tokens[min(p.i+1, len(p.tokens)-1)] }

func (p *parser) next() token {
	t := p.tokens[p.i]
	if p.i < len(p.tokens)-1 {
		p.i++
	}
	return t
}

// is reports whether the current token is the operator or name text.
func (p *parser) is(k kind, text string) bool {
	return p.cur().kind == k && p.cur().text == text
}

// skip passes the operator or name text if it comes next.
func (p *parser) skip(k kind, text string) bool {
	if p.is(k, text) {
		p.next()
		return true
	}
	return false
}

func (p *parser) expect(k kind, text string) {
	if !p.skip(k, text) {
		fail(p.line(), "expected %q, found %s", text, p.found())
	}
}

func (p *parser) name() string {
	if p.cur().kind != tName {
		fail(p.line(), "expected a name, found %s", p.found())
	}
	return p.next().text
}

// found describes the current token for an error.
func (p *parser) found() string {
	switch t := p.cur(); t.kind {
	case tEOF:
		return "the end of the template"
	case tEnd:
		return "the end of the tag"
	case tBegin, tData:
		return "text"
	default:
		return quote(t.text)
	}
}

func (p *parser) enter() {
	if p.depth++; p.depth > maxNesting {
		fail(p.line(), "nested deeper than %d levels", maxNesting)
	}
}

func (p *parser) leave() { p.depth-- }

// body reads statements up to a block tag named by one of ends, which it passes
// along with its name; it returns that name. Without ends it reads to the end.
func (p *parser) body(ends ...string) ([]node, string) {
	p.enter()
	defer p.leave()
	var nodes []node
	for {
		t := p.next()
		switch {
		case t.kind == tEOF:
			if len(ends) > 0 {
				fail(t.line, "{%% %s %%} is missing", ends[len(ends)-1])
			}
			return nodes, ""
		case t.kind == tData:
			nodes = append(nodes, textNode{t.text})
		case t.text == "{{":
			nodes = append(nodes, printNode{t.line, p.tuple()})
			p.endTag()
		case p.cur().kind == tName && slices.Contains(ends, p.cur().text):
			return nodes, p.next().text
		default:
			nodes = append(nodes, p.statement())
		}
	}
}

func (p *parser) endTag() {
	if p.cur().kind != tEnd {
		fail(p.line(), "expected the end of the tag, found %s", p.found())
	}
	p.next()
}

// until reads a body that ends with the block tag end.
func (p *parser) until(end string) []node {
	p.endTag()
	nodes, _ := p.body(end)
	p.endTag()
	return nodes
}

func (p *parser) statement() node {
	line := p.line()
	name := p.name()
	switch name {
	case "if":
		return p.ifStatement(line)
	case "for":
		return p.forStatement(line)
	case "set":
		return p.setStatement(line)
	case "macro":
		return p.macro(line, p.name(), "endmacro")
	case "call":
		m := p.macroHead(line, "caller")
		call, ok := p.unary(true).(*callExpr)
		if !ok {
			fail(line, "call needs a call")
		}
		p.macroBody(m, "endcall")
		return callNode{line, m, call}
	case "filter":
		filters := p.filterChain()
		return filterNode{line, filters, p.until("endfilter")}
	case "with":
		return p.withStatement(line)
	case "generation":
		return scopeNode{p.until("endgeneration")}
	case "break", "continue":
		if p.loops == 0 {
			fail(line, "%s outside of a loop", name)
		}
		p.endTag()
		return jumpNode{line, name == "continue"}
	}
	fail(line, "statement %q is not supported in chat templates", name)
	return nil
}

func (p *parser) ifStatement(line int) node {
	n := ifNode{line: line}
	for {
		cond := p.tuple()
		p.endTag()
		body, end := p.body("elif", "else", "endif")
		n.cases = append(n.cases, ifCase{cond, body})
		if end == "elif" {
			continue
		}
		if end == "else" {
			n.orElse = p.until("endif")
		} else {
			p.endTag()
		}
		return n
	}
}

func (p *parser) forStatement(line int) node {
	n := forNode{line: line, target: p.target(false)}
	p.expect(tName, "in")
	n.iter = p.tupleOf(func() expr { return p.or() })
	if p.skip(tName, "if") {
		n.cond = p.expression()
	}
	n.recursive = p.skip(tName, "recursive")
	p.endTag()
	p.loops++
	body, end := p.body("else", "endfor")
	p.loops--
	n.body = body
	if end == "else" {
		n.orElse = p.until("endfor")
	} else {
		p.endTag()
	}
	return n
}

// target reads what a for or set assigns to: names, in a set also attributes of
// namespaces.
func (p *parser) target(attrs bool) expr {
	t := p.tupleOf(func() expr {
		line := pos(p.line())
		if p.skip(tOp, "(") {
			inner := p.target(attrs)
			p.expect(tOp, ")")
			return inner
		}
		name := &nameExpr{line, p.name()}
		if slices.Contains([]string{"true", "false", "none", "True", "False", "None"}, name.name) {
			fail(int(line), "cannot assign to %q", name.name)
		}
		if attrs && p.skip(tOp, ".") {
			return &attrExpr{line, name, p.name()}
		}
		return name
	})
	return t
}

func (p *parser) setStatement(line int) node {
	n := setNode{line: line, target: p.target(true)}
	if p.skip(tOp, "=") {
		n.value = p.tuple()
		p.endTag()
		return n
	}
	if p.is(tOp, "|") {
		p.next()
		n.filters = p.filterChain()
	}
	n.body = p.until("endset")
	return n
}

// macro reads a macro's parameters and body; its name came before.
func (p *parser) macro(line int, name, end string) node {
	m := p.macroHead(line, name)
	p.macroBody(m, end)
	return m
}

func (p *parser) macroHead(line int, name string) *macroNode {
	m := &macroNode{line: line, name: name}
	if !p.is(tOp, "(") {
		return m
	}
	p.next()
	for !p.skip(tOp, ")") {
		if len(m.params) > 0 {
			p.expect(tOp, ",")
			if p.skip(tOp, ")") {
				break
			}
		}
		m.params = append(m.params, p.name())
		if p.skip(tOp, "=") {
			m.defaults = append(m.defaults, p.expression())
		} else if len(m.defaults) > 0 {
			fail(p.line(), "parameter %q without a default follows one with a default", m.params[len(m.params)-1])
		}
	}
	return m
}

func (p *parser) macroBody(m *macroNode, end string) {
	loops := p.loops
	p.loops = 0
	start := p.i
	m.body = p.until(end)
	m.catches = slices.ContainsFunc(p.tokens[start:p.i], func(t token) bool {
		return t.kind == tName && (t.text == "varargs" || t.text == "kwargs" || t.text == "caller")
	})
	p.loops = loops
}

func (p *parser) withStatement(line int) node {
	n := withNode{line: line}
	for p.cur().kind != tEnd {
		if len(n.targets) > 0 {
			p.expect(tOp, ",")
		}
		n.targets = append(n.targets, &nameExpr{pos(p.line()), p.name()})
		p.expect(tOp, "=")
		n.values = append(n.values, p.expression())
	}
	n.body = p.until("endwith")
	return n
}

// filterChain reads name(args)|name(args)...
func (p *parser) filterChain() []filterCall {
	calls := []filterCall{p.filterCall()}
	for p.skip(tOp, "|") {
		calls = append(calls, p.filterCall())
	}
	return calls
}
