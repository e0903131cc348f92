package main

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestEntries(t *testing.T) {
	for name, c := range map[string]struct {
		typed, pasted []string // pasted lines come first
		want          string
		command       bool
	}{
		"a line":                       {[]string{"hello"}, nil, "hello", false},
		"an empty line":                {[]string{""}, nil, "", false},
		"a command":                    {[]string{"/bye"}, nil, "/bye", true},
		"a pasted command":             {[]string{""}, []string{"/bye"}, "/bye\n", true},
		"quoted":                       {[]string{`"""one`, `two"""`}, nil, "one\ntwo", false},
		"quoted in one line":           {[]string{`"""/etc/hosts"""`}, nil, "/etc/hosts", false},
		"a quoted path":                {[]string{`"""`, "/etc/hosts", `is a file"""`}, nil, "\n/etc/hosts\nis a file", false},
		"a pasted path":                {[]string{"what is it?"}, []string{"/etc/hosts"}, "/etc/hosts\nwhat is it?", false},
		"lines at once (Ctrl-J)":       {[]string{"/etc/hosts\nwhat is it?"}, nil, "/etc/hosts\nwhat is it?", false},
		"a quote after pasted lines":   {[]string{`two"""`}, []string{"one", `"""and`}, "one\nand\ntwo", false},
		"a system message":             {[]string{"/set system Be brief."}, nil, "/set system Be brief.", true},
		"a quoted system message":      {[]string{`/set system """Be brief."""`}, nil, "/set system Be brief.", true},
		"one of lines":                 {[]string{`/set system """Be brief.`, `Be kind."""`}, nil, "/set system Be brief.\nBe kind.", true},
		"one that begins with a line":  {[]string{`/set system """`, `Be brief.`, `"""`}, nil, "/set system \nBe brief.\n", true},
		"one of pasted lines":          {[]string{`Be kind."""`}, []string{`/set system """Be brief.`}, "/set system Be brief.\nBe kind.", true},
		"quotes that begin in between": {[]string{`say """ and`}, nil, `say """ and`, false},
	} {
		e := new(entry)
		for _, line := range c.pasted {
			require.False(t, e.add(line, true), name)
			require.True(t, e.open(), name)
		}
		for i, line := range c.typed {
			require.Equal(t, i == len(c.typed)-1, e.add(line, false), name)
		}
		assert.Equal(t, c.want, e.String(), name)
		assert.Equal(t, c.command, e.isCommand(), name)
	}
}
