package main

import "strings"

// entry is what a user enters in a chat: a message of one line or more, or a command.
type entry struct {
	text   strings.Builder
	quoted bool // what it says began with """
	setter bool // a /set system whose text is quoted
}

const (
	setSystem = "/set system " // the command whose text may be quoted
	quote     = `"""`
)

// add takes the next line, one or several at once, and reports whether it is the last.
func (e *entry) add(line string, pasting bool) (last bool) {
	if !e.quoted {
		line = e.unquote(line)
	}
	if e.quoted {
		line, last = strings.CutSuffix(line, quote)
	} else {
		last = !pasting
	}
	e.text.WriteString(line)
	if !last {
		e.text.WriteByte('\n')
	}
	return last
}

// unquote takes an opening quote off a line: the first thing in it, or in what a
// command sets.
func (e *entry) unquote(line string) string {
	if system, ok := strings.CutPrefix(line, setSystem); ok && !e.open() {
		if text, ok := strings.CutPrefix(strings.TrimSpace(system), quote); ok {
			e.quoted, e.setter = true, true
			return setSystem + text
		}
	}
	line, e.quoted = strings.CutPrefix(line, quote)
	return line
}

// open reports whether a line came and another one has to.
func (e *entry) open() bool { return e.quoted || e.text.Len() > 0 }

// isCommand reports whether this is a command. Several lines are a message, whatever
// they begin with: what is pasted may begin with a file's path.
func (e *entry) isCommand() bool {
	text := e.String()
	return e.setter || !e.quoted && strings.HasPrefix(text, "/") && !strings.Contains(strings.TrimSpace(text), "\n")
}

func (e *entry) String() string { return e.text.String() }
