package main

import (
	"context"
	"iter"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/puna-ai/puna"
	"github.com/puna-ai/puna/server/servertest"
)

func TestWordWriterWrapsAtWords(t *testing.T) {
	var out strings.Builder
	w := &wordWriter{out: &out, width: 10}
	for _, piece := range []string{"one t", "wo three", " fou", "r\nfive ", "日本語 x"} {
		w.write(piece)
	}
	w.finish()
	assert.Equal(t, "one two \nthree four\nfive 日本\n語 x\n", out.String())
}

func TestWordWriterHoldsNoWideRunesBack(t *testing.T) {
	var out strings.Builder
	w := &wordWriter{out: &out, width: 10}
	for _, piece := range []string{"日本", "語の長い", "文章。"} {
		w.write(piece)
	}
	assert.Equal(t, "日本語の長\nい文章。", out.String())
}

func TestWordWriterPassesTextThrough(t *testing.T) {
	var out strings.Builder
	w := &wordWriter{out: &out}
	w.write("a long line of text")
	w.write("\n")
	w.finish()
	assert.Equal(t, "a long line of text\n", out.String(), "a line that has ended isn't ended again")
}

func TestPrinterShowsThinkingAndFigures(t *testing.T) {
	svc := servertest.New("m")
	svc.Answer = func(context.Context, *puna.Request) iter.Seq2[puna.Event, error] {
		return func(yield func(puna.Event, error) bool) {
			_ = yield(puna.Event{Thinking: "hm"}, nil) && yield(puna.Event{Text: "yes"}, nil) &&
				yield(puna.Event{Done: &puna.Done{Reason: puna.DoneStop, PromptTokens: 7, EvalTokens: 3, Truncated: 5}}, nil)
		}
	}
	var out, status strings.Builder
	p := &printer{out: &out, status: &status, verbose: true}
	message, err := p.answer(context.Background(), svc, &puna.Request{Model: "m", Prompt: "?"})
	require.NoError(t, err)
	assert.Equal(t, puna.Message{Role: puna.Assistant, Content: "yes", Thinking: "hm"}, message)
	assert.Equal(t, "Thinking...\nhm\n...done thinking.\n\nyes\n", out.String())
	assert.Contains(t, status.String(), "its first 5 tokens were cut")
	assert.Contains(t, status.String(), "prompt eval count:     7 tokens")
}
