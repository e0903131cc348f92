package engine

import (
	"bytes"
	"strings"
	"unicode/utf8"
)

// holder holds text back that may be the start of a stop string, or of a character.
type holder struct {
	stops []string
	buf   []byte
}

// add takes the bytes of a token and returns the text that is certain. Stopped says
// that a stop string came; text is what came before it.
func (h *holder) add(piece []byte) (text string, stopped bool) {
	h.buf = append(h.buf, piece...)
	first := -1
	for _, s := range h.stops {
		if i := bytes.Index(h.buf, []byte(s)); i >= 0 && (first < 0 || i < first) {
			first = i
		}
	}
	if first >= 0 {
		h.buf = h.buf[:first]
		return h.flush(), true
	}
	n := len(h.buf) - max(h.partialStop(), partialRune(h.buf))
	text = valid(h.buf[:n])
	h.buf = append(h.buf[:0], h.buf[n:]...)
	return text, false
}

// flush returns what is held back.
func (h *holder) flush() string {
	text := valid(h.buf)
	h.buf = h.buf[:0]
	return text
}

// partialStop is the length of the longest end of the buffer that a stop string
// begins with.
func (h *holder) partialStop() int {
	longest := 0
	for _, s := range h.stops {
		for n := min(len(s)-1, len(h.buf)); n > longest; n-- {
			if string(h.buf[len(h.buf)-n:]) == s[:n] {
				longest = n
			}
		}
	}
	return longest
}

// partialRune is the length of an unfinished character at the end of b.
func partialRune(b []byte) int {
	for n := 1; n <= min(utf8.UTFMax-1, len(b)); n++ {
		if c := b[len(b)-n]; utf8.RuneStart(c) {
			if utf8.FullRune(b[len(b)-n:]) {
				return 0
			}
			return n
		}
	}
	return 0
}

// valid is b as text, with U+FFFD for what isn't UTF-8.
func valid(b []byte) string { return strings.ToValidUTF8(string(b), "\uFFFD") }
