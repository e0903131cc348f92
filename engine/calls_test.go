package engine

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/puna-ai/puna"
)

func TestWakersLookOutsideOfThoughts(t *testing.T) {
	for _, c := range []struct {
		inside bool
		text   string
		woken  bool
	}{
		{false, "hello <call> x", true},
		{false, "hello <cal", false},
		{false, "<think>maybe <call></think> no", false},
		{false, "<think>maybe</think><call>", true},
		{true, "maybe <call> x", false},
		{true, "maybe <call></think>\n<call>", true},
		{false, "<call> <think>", true},
	} {
		for size := 1; size <= len(c.text); size++ {
			w := waker{at: "<call>", opening: "<think>", closing: "</think>", inside: c.inside}
			woken := false
			for rest := c.text; rest != "" && !woken; {
				n := min(size, len(rest))
				woken = w.add([]byte(rest[:n]))
				rest = rest[n:]
			}
			assert.Equal(t, c.woken, woken, "%q in pieces of %d", c.text, size)
		}
	}
	w := waker{at: "</think>"}
	assert.False(t, w.add([]byte(strings.Repeat("long thoughts ", 1000))))
	assert.LessOrEqual(t, len(w.tail), 8)
}

func TestToolChoice(t *testing.T) {
	tools := []puna.Tool{{Name: "add"}, {Name: "sub", Parameters: json.RawMessage(`{}`)}}
	for choice, want := range map[puna.ToolChoice]struct {
		tools    int
		required bool
	}{"": {2, false}, "auto": {2, false}, "none": {0, false}, "required": {2, true}, "sub": {1, true}} {
		got, required, err := callable(&puna.Request{Tools: tools, ToolChoice: choice})
		assert.NoError(t, err)
		assert.Len(t, got, want.tools, choice)
		assert.Equal(t, want.required, required, choice)
	}
	_, _, err := callable(&puna.Request{Tools: tools, ToolChoice: "mul"})
	assert.ErrorContains(t, err, `"mul" is neither`)
	_, _, err = callable(&puna.Request{ToolChoice: "required"})
	assert.ErrorContains(t, err, "no tools")
}
