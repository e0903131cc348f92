package engine_test

import (
	"context"
	"fmt"
	"iter"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/puna-ai/puna"
	"github.com/puna-ai/puna/cgo/llama"
	"github.com/puna-ai/puna/engine"
	"github.com/puna-ai/puna/internal/testmodel"
)

// shared is the engine of all tests: kernels load once per process anyway.
var shared *engine.Engine

func TestMain(m *testing.M) {
	var err error
	if shared, err = engine.Open(engine.Options{}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	shared.Close()
	for kind, n := range llama.Live() {
		if n != 0 && code == 0 {
			fmt.Fprintf(os.Stderr, "%d handles of type %s are left open\n", n, kind)
			code = 1
		}
	}
	os.Exit(code)
}

// load loads the tiny model for one test.
func load(t testing.TB, o engine.LoadOptions) *engine.Model {
	t.Helper()
	if o.Path == "" {
		o.Path = testmodel.Path(t)
	}
	if o.Options.NumThread == nil {
		o.Options.NumThread = new(1) // tests share the machine: threads would wait for each other
	}
	m, err := shared.Load(t.Context(), o)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, m.Close(context.Background())) })
	return m
}

// collect reads an answer.
func collect(t testing.TB, m *engine.Model, req *puna.Request) (text string, done *puna.Done, err error) {
	t.Helper()
	var b strings.Builder
	for ev, err := range m.Generate(t.Context(), req) {
		if err != nil {
			return b.String(), nil, err
		}
		assert.Nil(t, done, "an event after the last")
		b.WriteString(ev.Thinking)
		b.WriteString(ev.Text)
		done = ev.Done
	}
	require.NotNil(t, done)
	return b.String(), done, nil
}

func greedy(n int) puna.Options {
	return puna.Options{Temperature: new(0.0), NumPredict: &n}
}

// A context that was replaced ends with its model, whatever still runs in it.
func TestCloseEndsWhatRunsInAReplacedContext(t *testing.T) {
	m := load(t, engine.LoadOptions{PoolTokens: 512, Options: puna.Options{NumCtx: new(512)}})
	next, stop := iter.Pull2(m.Generate(t.Context(), &puna.Request{Prompt: "x", Options: puna.Options{IgnoreEOS: new(true), NumPredict: new(400)}}))
	defer stop()
	_, err, _ := next() // and no more is read, so it can't end by itself
	require.NoError(t, err)
	o := greedy(1)
	o.NumCtx = new(1024)
	_, _, err = collect(t, m, &puna.Request{Prompt: "x", Options: o})
	require.NoError(t, err)
	assert.Equal(t, 1, m.Stats().Running)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.NoError(t, m.Close(ctx))
}

func TestGenerate(t *testing.T) {
	m := load(t, engine.LoadOptions{})
	req := &puna.Request{Messages: []puna.Message{{Role: puna.User, Content: "hello"}}, Options: greedy(20)}
	text, done, err := collect(t, m, req)
	require.NoError(t, err)
	assert.NotEmpty(t, text)
	assert.Equal(t, puna.DoneLength, done.Reason)
	assert.Equal(t, 20, done.EvalTokens)
	again, done, err := collect(t, m, req)
	require.NoError(t, err)
	assert.Equal(t, text, again)
	assert.Equal(t, done.PromptTokens-1, done.CachedTokens)
	t.Logf("%+v %q %+v", m.Info(), text, done)
}
