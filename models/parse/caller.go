package parse

import (
	"bytes"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/puna-ai/puna"
)

// caller takes tool calls out of an answer.
type caller struct {
	formats []format
	known   map[string]bool // names of the tools

	buf   []byte // what isn't decided
	state callerState
	cur   *format  // in a call
	json  int      // where in buf the call's JSON begins; -1: not yet
	scan  jsonScan // of the JSON up to seen
	seen  int
	parts [2]string // name and id from the header
	n     int       // calls so far
	bad   int       // openings that began no call
}

type callerState byte

const (
	atStart callerState = iota
	inText
	inCall
	between // behind a call
	off     // too many openings that began no call: the rest is text
)

const maxBad = 64

// newCaller returns nil where no calls are expected.
func newCaller(o Options) *caller {
	if len(o.Tools) == 0 || o.Template == nil {
		return nil
	}
	c := &caller{formats: formats(o.Template), known: map[string]bool{}}
	for _, t := range o.Tools {
		c.known[t.Name] = true
	}
	return c
}

// add takes more of the answer; final says that it was the last.
func (c *caller) add(piece string, final bool) (text string, calls []puna.ToolCall) {
	c.buf = append(c.buf, piece...)
	var out strings.Builder
	for more := true; more; {
		switch c.state {
		case atStart:
			more = c.start(final)
		case inText:
			more = c.text(&out, final)
		case inCall:
			more = c.call(&out, &calls, final)
		case between:
			more = c.behind(final)
		case off:
			out.Write(c.buf)
			c.buf, more = c.buf[:0], false
		}
	}
	return out.String(), calls
}

// start decides whether the answer begins with a bare call.
func (c *caller) start(final bool) bool {
	first := bytes.TrimLeftFunc(c.buf, unicode.IsSpace)
	if len(first) == 0 && !final {
		return false
	}
	c.state = inText
	if f := c.bareFormat(); f != nil && len(first) > 0 && (first[0] == '{' || first[0] == '[') {
		c.enter(f)
	}
	return true
}

func (c *caller) bareFormat() *format {
	for i := range c.formats {
		if len(c.formats[i].opens) == 0 {
			return &c.formats[i]
		}
	}
	return nil
}

func (c *caller) enter(f *format) {
	c.state, c.cur, c.json, c.seen, c.scan = inCall, f, -1, 0, jsonScan{}
}

// text passes on what comes before the next opening.
func (c *caller) text(out *strings.Builder, final bool) bool {
	at, hold := len(c.buf), len(c.buf)
	var found *format
	for i := range c.formats {
		for _, open := range c.formats[i].opens {
			if j := bytes.Index(c.buf, []byte(open)); j >= 0 && j < at {
				at, found = j, &c.formats[i]
			}
			hold = min(hold, len(c.buf)-overlap(c.buf, open))
		}
	}
	switch {
	case found != nil:
		hold = at
	case final:
		hold = len(c.buf)
	}
	c.emit(out, hold)
	if found == nil {
		return false
	}
	c.enter(found)
	return true
}

// emit passes on the first n bytes of buf.
func (c *caller) emit(out *strings.Builder, n int) {
	out.Write(c.buf[:n])
	c.skip(n)
}

func (c *caller) skip(n int) { c.buf = append(c.buf[:0], c.buf[n:]...) }

// call reads a call from its opening on.
func (c *caller) call(out *strings.Builder, calls *[]puna.ToolCall, final bool) bool {
	if c.json < 0 {
		m := c.cur.header.FindSubmatchIndex(c.buf[:min(len(c.buf), maxHeader)])
		if m == nil {
			if final || len(c.buf) >= maxHeader {
				return c.refuse(out)
			}
			return false
		}
		for _, name := range []string{"json", "list"} {
			if i := c.cur.header.SubexpIndex(name); i >= 0 && m[2*i] >= 0 {
				c.json = m[2*i]
			}
		}
		c.seen = c.json
		c.parts = [2]string{group(c.cur.header, c.buf, m, "name"), group(c.cur.header, c.buf, m, "id")}
	}
	end := c.scan.feed(c.buf[c.seen:])
	switch {
	case c.cur.opens == nil && c.strangeKey():
		return c.refuse(out)
	case end >= 0:
		return c.finish(out, calls, c.seen+end)
	case c.scan.bad || final:
		return c.refuse(out)
	}
	c.seen = len(c.buf)
	return false
}

func group(re *regexp.Regexp, buf []byte, m []int, name string) string {
	if i := re.SubexpIndex(name); i >= 0 && m[2*i] >= 0 {
		return string(buf[m[2*i]:m[2*i+1]])
	}
	return ""
}

// finish takes a call whose JSON ends at end.
func (c *caller) finish(out *strings.Builder, calls *[]puna.ToolCall, end int) bool {
	read := readCalls(c.buf[c.json:end], c.parts[0], c.parts[1])
	for _, call := range read {
		if c.cur.opens == nil && !c.known[call.Name] {
			read = nil // without tags, only the name says that it is a call
		}
	}
	if len(read) == 0 {
		return c.refuse(out)
	}
	for _, call := range read {
		if short, ok := strings.CutPrefix(call.Name, "functions."); ok && !c.known[call.Name] {
			call.Name = short
		}
		call.Index = c.n
		c.n++
		*calls = append(*calls, call)
	}
	c.skip(end)
	c.state = between
	return true
}

var firstKey = regexp.MustCompile(`^[\s\[]*\{\s*"([^"\\]*)"`)

// strangeKey reports whether the JSON object in work begins with a key that no call
// has, so that an answer in JSON streams on.
func (c *caller) strangeKey() bool {
	m := firstKey.FindSubmatch(c.buf[c.json:min(len(c.buf), c.json+maxHeader)])
	return m != nil && !slices.Contains([]string{"name", "function", "tool_name", "arguments", "parameters", "args", "id", "type"}, string(m[1]))
}

// refuse passes on an opening that began no call; what follows is read as text.
func (c *caller) refuse(out *strings.Builder) bool {
	n := len(c.buf) - len(bytes.TrimLeftFunc(c.buf, unicode.IsSpace)) + 1
	for _, open := range c.cur.opens {
		if bytes.HasPrefix(c.buf, []byte(open)) {
			n = len(open)
		}
	}
	c.emit(out, min(n, len(c.buf)))
	c.state = inText
	if c.bad++; c.bad > maxBad {
		c.state = off
	}
	return true
}

// behind skips what closes calls, up to the next call or to text.
func (c *caller) behind(final bool) bool {
	c.skip(len(c.buf) - len(bytes.TrimLeftFunc(c.buf, unicode.IsSpace)))
	if len(c.buf) == 0 {
		return false
	}
	partial := false
	for i := range c.formats {
		f := &c.formats[i]
		for _, closing := range f.closes {
			if bytes.HasPrefix(c.buf, []byte(closing)) {
				c.skip(len(closing))
				return true
			}
			partial = partial || strings.HasPrefix(closing, string(c.buf))
		}
		for _, open := range f.opens {
			if bytes.HasPrefix(c.buf, []byte(open)) {
				c.enter(f)
				return true
			}
			partial = partial || strings.HasPrefix(open, string(c.buf))
		}
		if f.opens == nil && (c.buf[0] == '{' || c.buf[0] == '[') {
			c.enter(f)
			return true
		}
	}
	if partial && !final {
		return false
	}
	c.state = inText
	return true
}

// overlap is the length of the longest end of s that tag begins with.
func overlap(s []byte, tag string) int {
	for n := min(len(s), len(tag)-1); n > 0; n-- {
		if bytes.HasSuffix(s, []byte(tag[:n])) {
			return n
		}
	}
	return 0
}
