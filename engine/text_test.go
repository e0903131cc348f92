package engine

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
)

// feed gives text to a holder in pieces of n bytes and returns what comes out of each.
func feed(h *holder, text string, n int) (out []string, stopped bool) {
	for len(text) > 0 && !stopped {
		k := min(n, len(text))
		var piece string
		piece, stopped = h.add([]byte(text[:k]))
		out = append(out, piece)
		text = text[k:]
	}
	if !stopped {
		out = append(out, h.flush())
	}
	return out, stopped
}

func TestHolder(t *testing.T) {
	cases := []struct {
		stops   []string
		text    string
		n       int
		want    []string
		stopped bool
	}{
		{nil, "abc", 1, []string{"a", "b", "c", ""}, false},
		{nil, "é€😀", 1, []string{"", "é", "", "", "€", "", "", "", "😀", ""}, false},
		{nil, "a\xff\xe2\x82b", 5, []string{"a\uFFFDb", ""}, false},
		{nil, "a\xe2\x82", 3, []string{"a", "\uFFFD"}, false},
		{[]string{"END"}, "aENDb", 1, []string{"a", "", "", ""}, true},
		{[]string{"END"}, "aENEND", 1, []string{"a", "", "", "EN", "", ""}, true},
		{[]string{"END"}, "aEN", 1, []string{"a", "", "", "EN"}, false},
		{[]string{"xyz", "yq"}, "axyq", 1, []string{"a", "", "", "x"}, true},
		{[]string{"\n\n"}, "a\n\nb", 4, []string{"a"}, true},
		{[]string{"b", "ab"}, "ab", 2, []string{""}, true},
		{[]string{"€"}, "1€", 2, []string{"1", ""}, true},
	}
	for _, c := range cases {
		out, stopped := feed(&holder{stops: c.stops}, c.text, c.n)
		assert.Equal(t, c.want, out, "%q %q", c.stops, c.text)
		assert.Equal(t, c.stopped, stopped)
	}
}

func FuzzHolder(f *testing.F) {
	f.Add("hello END world", "END", 1)
	f.Add("é€😀\xff", "€", 2)
	f.Fuzz(func(t *testing.T, text, stop string, n int) {
		if stop == "" {
			return
		}
		out, stopped := feed(&holder{stops: []string{stop}}, text, max(1, n%9))
		before, _, found := strings.Cut(text, stop)
		assert.Equal(t, found, stopped)
		assert.True(t, utf8.ValidString(strings.Join(out, "")))
		if utf8.ValidString(before) {
			assert.Equal(t, before, strings.Join(out, ""))
		}
	})
}
