package jinja

// Statements.
type (
	node interface{}

	textNode  struct{ text string }
	printNode struct {
		line int
		expr expr
	}
	ifNode struct {
		line   int
		cases  []ifCase // tried in order
		orElse []node
	}
	ifCase struct {
		cond expr
		body []node
	}
	forNode struct {
		line      int
		target    expr // *nameExpr or *seqExpr of them
		iter      expr
		cond      expr // nil: every item
		body      []node
		orElse    []node
		recursive bool
	}
	setNode struct {
		line    int
		target  expr // *nameExpr, *attrExpr of a namespace, or *seqExpr of them
		value   expr // nil: body
		body    []node
		filters []filterCall
	}
	macroNode struct {
		line     int
		name     string
		params   []string
		defaults []expr // of the last params
		body     []node
		catches  bool // the body uses varargs, kwargs or caller
	}
	callNode struct { // {% call(params) f(...) %}
		line  int
		macro *macroNode
		call  *callExpr
	}
	filterNode struct {
		line    int
		filters []filterCall
		body    []node
	}
	withNode struct {
		line    int
		targets []expr
		values  []expr
		body    []node
	}
	scopeNode struct{ body []node } // {% generation %}
	jumpNode  struct {
		line int
		next bool // continue, not break
	}
)

// Expressions.
type (
	expr interface{ at() int }

	pos int

	constExpr struct {
		pos
		value any
	}
	nameExpr struct {
		pos
		name string
	}
	seqExpr struct { // list or tuple
		pos
		items []expr
		tuple bool
	}
	dictExpr struct {
		pos
		keys, values []expr
	}
	attrExpr struct { // a.name
		pos
		of   expr
		name string
	}
	itemExpr struct { // a[index]
		pos
		of, index expr
	}
	sliceExpr struct { // a[lo:hi:step], each may be nil
		pos
		of, lo, hi, step expr
	}
	callExpr struct {
		pos
		fn   expr
		args argList
	}
	filterExpr struct {
		pos
		of   expr
		call filterCall
	}
	testExpr struct {
		pos
		of   expr
		name string
		args argList
	}
	unaryExpr struct {
		pos
		op string // not, -, +
		x  expr
	}
	binaryExpr struct {
		pos
		op   string
		x, y expr
	}
	compareExpr struct {
		pos
		x    expr
		ops  []string
		rest []expr
	}
	condExpr struct {
		pos
		cond, then, orElse expr // orElse may be nil
	}
)

func (p pos) at() int { return int(p) }

// filterCall is |name(args).
type filterCall struct {
	line int
	name string
	args argList
}

// argList is what stands between the parentheses of a call.
type argList struct {
	pos      []expr
	names    []string // of keyword arguments
	values   []expr
	list, kw expr // *list, **kw; may be nil
}
