package jinja

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Template is a parsed template, safe for concurrent use.
type Template struct{ body []node }

// Error is what is wrong with a template, or went wrong in it.
type Error struct {
	Line   int // of the template, from 1
	Text   string
	Raised bool // by the template itself, with raise_exception
}

func (e *Error) Error() string { return fmt.Sprintf("line %d: %s", e.Line, e.Text) }

// fail leaves the parser or a run.
func fail(line int, format string, args ...any) {
	panic(&Error{Line: line, Text: fmt.Sprintf(format, args...)})
}

// MaxSource is the size, in bytes, of the largest template that Parse takes.
const MaxSource = 1 << 20

// Parse reads a template. Its errors are *[Error]s.
func Parse(source string) (t *Template, err error) {
	defer catch(&err)
	if len(source) > MaxSource {
		fail(1, "the template has %d bytes; at most %d are allowed", len(source), MaxSource)
	}
	p := &parser{tokens: lex(source)}
	body, _ := p.body()
	return &Template{body}, nil
}

// catch turns a panic of [fail], or any other in this package, into an error.
func catch(err *error) {
	switch p := recover().(type) {
	case nil:
	case *Error:
		*err = p
	default:
		*err = &Error{Line: 1, Text: fmt.Sprintf("the interpreter failed: %v", p)}
	}
}

// Limits bound a run. Zero fields mean the defaults.
type Limits struct {
	Steps int // expressions and statements evaluated; default 20 million: two or three seconds
	Bytes int // of text and lists made, in total; default 256 MiB
	Depth int // of nested evaluation, which the goroutine's stack holds; default 2,000
}

// Options are the surroundings of a run.
type Options struct {
	Limits Limits
	Now    time.Time // what strftime_now tells
}

// Render runs the template with variables, whose values are nil, bool, int,
// float64, string, *[Dict], or of [List] or [FromJSON]. They are not changed. Its
// errors are *[Error]s.
func (t *Template) Render(vars map[string]any, o Options) (text string, err error) {
	defer catch(&err)
	r := &run{steps: o.Limits.Steps, bytes: o.Limits.Bytes, depth: o.Limits.Depth, now: o.Now}
	if r.steps <= 0 {
		r.steps = 20_000_000
	}
	if r.bytes <= 0 {
		r.bytes = 256 << 20
	}
	if r.depth <= 0 {
		r.depth = 2000
	}
	r.vars = vars
	var out strings.Builder
	r.block(t.body, &scope{}, &out)
	return out.String(), nil
}

// run is one execution of a template.
type run struct {
	steps, bytes, depth int // what is left
	line                int // of the statement or expression in work
	now                 time.Time
	vars                map[string]any // what Render got
}

// step counts work; alloc counts bytes; down and up count nesting.
func (r *run) step(n int) {
	if r.steps -= n; r.steps < 0 {
		fail(r.line, "the template runs too long")
	}
}

func (r *run) alloc(n int) {
	if n < 0 || n > r.bytes {
		fail(r.line, "the template makes too much text")
	}
	r.bytes -= n
	r.step(1 + n/64)
}

func (r *run) down() {
	if r.depth--; r.depth < 0 {
		fail(r.line, "the template is nested too deeply")
	}
}

func (r *run) up() { r.depth++ }

// scope holds the few variables of a block; the template, loops, macros and with
// blocks have their own.
type scope struct {
	names  []string
	values []any
	parent *scope
}

func (s *scope) inner() *scope { return &scope{parent: s} }

// lookup finds a variable in s and around it, then among what Render got, then
// among the functions that every template has.
func (r *run) lookup(s *scope, name string) (any, bool) {
	for ; s != nil; s = s.parent {
		if i := slices.Index(s.names, name); i >= 0 {
			return s.values[i], true
		}
	}
	if v, ok := r.vars[name]; ok {
		return v, true
	}
	if fn, ok := globals[name]; ok {
		return &callable{name, fn}, true
	}
	return nil, false
}

func (s *scope) set(name string, v any) {
	if i := slices.Index(s.names, name); i >= 0 {
		s.values[i] = v
		return
	}
	s.names = append(s.names, name)
	s.values = append(s.values, v)
}
