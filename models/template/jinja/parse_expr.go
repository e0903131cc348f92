package jinja

import (
	"slices"
	"strconv"
)

// tuple reads an expression, or a tuple without parentheses.
func (p *parser) tuple() expr { return p.tupleOf(p.expression) }

// tupleOf reads items separated by commas; a single one is no tuple.
func (p *parser) tupleOf(item func() expr) expr {
	line := pos(p.line())
	first := item()
	if !p.is(tOp, ",") {
		return first
	}
	items := []expr{first}
	for p.skip(tOp, ",") {
		if p.cur().kind == tEnd || p.is(tOp, ")") || p.is(tOp, "=") || p.is(tName, "in") {
			break
		}
		items = append(items, item())
	}
	return &seqExpr{line, items, true}
}

// expression reads a if b else c and everything that binds tighter.
func (p *parser) expression() expr {
	p.enter()
	defer p.leave()
	x := p.or()
	for p.is(tName, "if") {
		line := pos(p.line())
		p.next()
		n := &condExpr{pos: line, then: x, cond: p.or()}
		if p.skip(tName, "else") {
			n.orElse = p.expression()
		}
		x = n
	}
	return x
}

// binary reads operators of one precedence, left to right.
func (p *parser) binary(k kind, operand func() expr, ops ...string) expr {
	x := operand()
	for p.cur().kind == k && slices.Contains(ops, p.cur().text) {
		op := p.next()
		x = &binaryExpr{pos(op.line), op.text, x, operand()}
	}
	return x
}

func (p *parser) or() expr  { return p.binary(tName, p.and, "or") }
func (p *parser) and() expr { return p.binary(tName, p.not, "and") }

func (p *parser) not() expr {
	if !p.is(tName, "not") {
		return p.compare()
	}
	p.enter()
	defer p.leave()
	line := pos(p.next().line)
	return &unaryExpr{line, "not", p.not()}
}

var comparisons = []string{"==", "!=", "<", ">", "<=", ">="}

func (p *parser) compare() expr {
	n := &compareExpr{pos: pos(p.line()), x: p.sum()}
	for {
		op := ""
		switch {
		case p.cur().kind == tOp && slices.Contains(comparisons, p.cur().text):
			op = p.next().text
		case p.skip(tName, "in"):
			op = "in"
		case p.is(tName, "not") && p.peek() == (token{tName, "in", p.peek().line}):
			p.next()
			p.next()
			op = "not in"
		case len(n.ops) == 0:
			return n.x
		default:
			return n
		}
		n.ops = append(n.ops, op)
		n.rest = append(n.rest, p.sum())
	}
}

func (p *parser) sum() expr    { return p.binary(tOp, p.concat, "+", "-") }
func (p *parser) concat() expr { return p.binary(tOp, p.product, "~") }
func (p *parser) product() expr {
	return p.binary(tOp, p.power, "*", "/", "//", "%")
}
func (p *parser) power() expr {
	return p.binary(tOp, func() expr { return p.unary(true) }, "**")
}

// unary reads a sign, an operand, and what is appended to it: accesses, calls and,
// if filters, also filters and tests.
func (p *parser) unary(filters bool) expr {
	p.enter()
	defer p.leave()
	var x expr
	if p.is(tOp, "-") || p.is(tOp, "+") {
		op := p.next()
		x = &unaryExpr{pos(op.line), op.text, p.unary(false)}
	} else {
		x = p.primary()
	}
	x = p.postfix(x)
	for filters {
		switch {
		case p.skip(tOp, "|"):
			call := p.filterCall()
			x = &filterExpr{pos(call.line), x, call}
		case p.skip(tName, "is"):
			x = p.test(x)
		case p.is(tOp, "("):
			x = &callExpr{pos(p.line()), x, p.args()}
		default:
			return x
		}
	}
	return x
}

func (p *parser) primary() expr {
	t := p.next()
	line := pos(t.line)
	switch t.kind {
	case tName:
		switch t.text {
		case "true", "True":
			return &constExpr{line, true}
		case "false", "False":
			return &constExpr{line, false}
		case "none", "None":
			return &constExpr{line, nil}
		}
		return &nameExpr{line, t.text}
	case tString:
		text := t.text
		for p.cur().kind == tString {
			text += p.next().text
		}
		return &constExpr{line, text}
	case tInt:
		v, err := strconv.ParseInt(t.text, 0, 64)
		if err != nil {
			if v, err = strconv.ParseInt(t.text, 10, 64); err != nil {
				fail(t.line, "the number %s is too large", t.text)
			}
		}
		return &constExpr{line, int(v)}
	case tFloat:
		v, _ := strconv.ParseFloat(t.text, 64)
		return &constExpr{line, v}
	case tOp:
		switch t.text {
		case "(":
			return p.parenthesis(line)
		case "[":
			return &seqExpr{line, p.items("]"), false}
		case "{":
			return p.dict(line)
		}
	}
	p.i--
	fail(t.line, "expected an expression, found %s", p.found())
	return nil
}

func (p *parser) parenthesis(line pos) expr {
	if p.skip(tOp, ")") {
		return &seqExpr{line, nil, true}
	}
	x := p.tuple()
	p.expect(tOp, ")")
	return x
}

// items reads expressions separated by commas up to end.
func (p *parser) items(end string) []expr {
	var items []expr
	for !p.skip(tOp, end) {
		if len(items) > 0 {
			p.expect(tOp, ",")
			if p.skip(tOp, end) {
				break
			}
		}
		items = append(items, p.expression())
	}
	return items
}

func (p *parser) dict(line pos) expr {
	n := &dictExpr{pos: line}
	for !p.skip(tOp, "}") {
		if len(n.keys) > 0 {
			p.expect(tOp, ",")
			if p.skip(tOp, "}") {
				break
			}
		}
		n.keys = append(n.keys, p.expression())
		p.expect(tOp, ":")
		n.values = append(n.values, p.expression())
	}
	return n
}

// postfix reads .name, [index] and (args) after x.
func (p *parser) postfix(x expr) expr {
	for {
		line := pos(p.line())
		switch {
		case p.skip(tOp, "."):
			if t := p.cur(); t.kind == tInt {
				p.next()
				n, _ := strconv.Atoi(t.text)
				x = &itemExpr{line, x, &constExpr{line, n}}
				continue
			}
			x = &attrExpr{line, x, p.name()}
		case p.skip(tOp, "["):
			x = p.subscript(line, x)
		case p.is(tOp, "("):
			x = &callExpr{line, x, p.args()}
		default:
			return x
		}
	}
}

func (p *parser) subscript(line pos, x expr) expr {
	var parts [3]expr
	colons := 0
	for !p.skip(tOp, "]") {
		if p.skip(tOp, ":") {
			if colons++; colons > 2 {
				fail(int(line), "a slice has at most three parts")
			}
			continue
		}
		if parts[colons] != nil {
			fail(p.line(), "expected \"]\", found %s", p.found())
		}
		parts[colons] = p.expression()
	}
	if colons > 0 {
		return &sliceExpr{line, x, parts[0], parts[1], parts[2]}
	}
	if parts[0] == nil {
		fail(int(line), "an index is missing")
	}
	return &itemExpr{line, x, parts[0]}
}

func (p *parser) args() argList {
	var a argList
	p.expect(tOp, "(")
	for n := 0; !p.skip(tOp, ")"); n++ {
		if n > 0 {
			p.expect(tOp, ",")
			if p.skip(tOp, ")") {
				break
			}
		}
		switch {
		case a.list == nil && p.skip(tOp, "*"):
			a.list = p.expression()
		case a.kw == nil && p.skip(tOp, "**"):
			a.kw = p.expression()
		case p.cur().kind == tName && p.peek().kind == tOp && p.peek().text == "=":
			a.names = append(a.names, p.next().text)
			p.next()
			a.values = append(a.values, p.expression())
		case len(a.names) > 0 || a.kw != nil:
			fail(p.line(), "a positional argument follows a keyword argument")
		default:
			a.pos = append(a.pos, p.expression())
		}
	}
	return a
}

func (p *parser) filterCall() filterCall {
	c := filterCall{line: p.line(), name: p.name()}
	if p.is(tOp, "(") {
		c.args = p.args()
	}
	return c
}

// test reads what follows "is".
func (p *parser) test(x expr) expr {
	line := pos(p.line())
	negated := p.skip(tName, "not")
	n := &testExpr{pos: line, of: x, name: p.name()}
	t := p.cur()
	switch {
	case p.is(tOp, "("):
		n.args = p.args()
	case t.kind == tName && !slices.Contains([]string{"else", "or", "and", "if", "is", "not", "in"}, t.text),
		t.kind == tString, t.kind == tInt, t.kind == tFloat, p.is(tOp, "["), p.is(tOp, "{"):
		n.args.pos = []expr{p.postfix(p.primary())}
	}
	if negated {
		return &unaryExpr{line, "not", n}
	}
	return n
}
