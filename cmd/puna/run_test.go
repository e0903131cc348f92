package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/puna-ai/puna"
	"github.com/puna-ai/puna/server/servertest"
)

// A chat that outgrows its context goes on without its oldest tokens.
func TestWhatDoesNotFitTheContextIsCut(t *testing.T) {
	req, err := runFlags{options: []string{"num_ctx=4"}}.request("m")
	require.NoError(t, err)
	assert.Equal(t, new(true), req.Shift)
	req.Messages = []puna.Message{{Role: puna.User, Content: "one two three four five six"}}
	var out, status strings.Builder
	answer, err := (&printer{out: &out, status: &status}).answer(t.Context(), servertest.New("m"), req)
	require.NoError(t, err)
	assert.NotEmpty(t, answer.Content)
	assert.Contains(t, status.String(), "its first 2 tokens were cut")
}
