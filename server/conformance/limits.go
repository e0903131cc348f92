package conformance

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/puna-ai/puna"
)

func (s suite) schema(t *testing.T) {
	req := s.ask()
	req.Format = json.RawMessage(`{"type":"object","properties":{"ok":{"type":"boolean"}},"required":["ok"],"additionalProperties":false}`)
	a := s.generate(t, req)
	if a.done.Reason != puna.DoneStop {
		return // cut off by num_predict: no JSON yet
	}
	var got map[string]bool
	require.NoError(t, json.Unmarshal([]byte(a.text), &got), "%q", a.text)
	assert.Contains(t, got, "ok")
	assert.Len(t, got, 1)
}

func (s suite) think(t *testing.T) {
	card, err := s.svc.Show(bounded(t), s.model, false)
	require.NoError(t, err)
	req := s.ask()
	req.Think = puna.ThinkOn
	if slices.Contains(card.Capabilities, puna.CanThink) {
		assert.NoError(t, s.svc.Load(bounded(t), req))
		s.generate(t, req)
		return
	}
	assert.ErrorContains(t, s.refused(t, req, puna.Unsupported), "does not support thinking")
	err = s.svc.Load(bounded(t), req)
	assert.Equal(t, puna.Unsupported, puna.KindOf(err), "%v", err)
	for _, not := range []puna.Think{puna.ThinkOff, puna.ThinkDefault} {
		req.Think = not
		s.generate(t, req)
	}
}

func (s suite) tooLong(t *testing.T) {
	req := &puna.Request{
		Model: s.model, Prompt: strings.Repeat("and so on ", 400),
		Options: puna.Options{NumCtx: new(256), NumPredict: new(4), Temperature: new(0.0)},
	}
	req.Raw = true
	for _, truncate := range []*bool{nil, new(false)} {
		req.Truncate = truncate
		s.refused(t, req, puna.TooLong)
	}
	req.Truncate = new(true)
	a := s.generate(t, req)
	assert.Positive(t, a.done.Truncated, "a cut is told")
	assert.LessOrEqual(t, a.done.PromptTokens, 256)
}

func (s suite) cancel(t *testing.T) {
	ctx, cancel := context.WithCancel(bounded(t))
	cancel()
	_, err := collect(s.svc.Generate(ctx, s.ask()))
	require.Error(t, err, "canceled before it began")
	assert.Equal(t, puna.Canceled, puna.KindOf(err), "%v", err)

	ctx, cancel = context.WithCancel(bounded(t))
	defer cancel()
	req := s.ask()
	req.Options.NumPredict, req.Options.IgnoreEOS = new(200), new(true)
	for _, err = range s.svc.Generate(ctx, req) {
		cancel()
	}
	if err != nil { // it may have been too quick to be canceled
		assert.Equal(t, puna.Canceled, puna.KindOf(err), "%v", err)
	}
	s.generate(t, s.ask())
}

func (s suite) leaveEarly(t *testing.T) {
	for range 3 {
		for _, err := range s.svc.Generate(bounded(t), s.ask()) {
			require.NoError(t, err)
			break
		}
	}
	s.generate(t, s.ask())
}

func (s suite) together(t *testing.T) {
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			a, err := collect(s.svc.Generate(bounded(t), s.ask()))
			assert.NoError(t, err)
			assert.NotNil(t, a.done)
			assert.NotEmpty(t, a.text+a.thinking)
		})
	}
	wg.Wait()
}
