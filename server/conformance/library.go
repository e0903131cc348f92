package conformance

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/puna-ai/puna"
)

func (s suite) listAndShow(t *testing.T) {
	models, err := s.svc.List(bounded(t))
	require.NoError(t, err)
	i := slices.IndexFunc(models, func(m puna.Model) bool { return sameModel(m.Name, s.model) })
	require.GreaterOrEqual(t, i, 0, "%s is listed", s.model)
	assert.Regexp(t, regexp.MustCompile(`^[0-9a-f]{64}$`), models[i].Digest)
	assert.Equal(t, "gguf", models[i].Details.Format)
	assert.Positive(t, models[i].Size)
	assert.True(t, slices.IsSortedFunc(models, func(a, b puna.Model) int { return b.Modified.Compare(a.Modified) }), "last modified first")

	card, err := s.svc.Show(bounded(t), s.model, false)
	require.NoError(t, err)
	assert.Contains(t, card.Capabilities, puna.CanComplete)
	assert.NotEmpty(t, card.Info["general.architecture"])
	assert.Equal(t, models[i].Details.Family, card.Details.Family)
	assert.Empty(t, card.Tensors)

	verbose, err := s.svc.Show(bounded(t), s.model, true)
	require.NoError(t, err)
	assert.NotEmpty(t, verbose.Tensors)
}

// sameModel compares names of which one may have a tag.
func sameModel(a, b string) bool {
	return strings.TrimSuffix(a, ":latest") == strings.TrimSuffix(b, ":latest")
}

func (s suite) missingModel(t *testing.T) {
	ctx := bounded(t)
	_, showErr := s.svc.Show(ctx, missing, false)
	req := s.ask()
	req.Model = missing
	for name, err := range map[string]error{
		"generate": s.refused(t, req, puna.NotFound),
		"load":     s.svc.Load(ctx, req),
		"unload":   s.svc.Unload(ctx, missing),
		"show":     showErr,
		"copy":     s.svc.Copy(ctx, missing, "conformance-copy"),
		"delete":   s.svc.Delete(ctx, missing),
		"embed":    s.embedFails(ctx, &puna.EmbedRequest{Model: missing, Input: []string{"x"}}),
	} {
		assert.Equal(t, puna.NotFound, puna.KindOf(err), "%s: %v", name, err)
		assert.ErrorContains(t, err, "model '"+missing+"' not found", name)
	}
}

func (s suite) running(t *testing.T) *puna.RunningModel {
	t.Helper()
	models, err := s.svc.Running(bounded(t))
	require.NoError(t, err)
	i := slices.IndexFunc(models, func(m puna.RunningModel) bool { return sameModel(m.Name, s.model) })
	if i < 0 {
		return nil
	}
	return &models[i]
}

func (s suite) eventuallyUnloaded(t *testing.T) {
	t.Helper()
	require.Eventually(t, func() bool { return s.running(t) == nil }, patience, 10*time.Millisecond)
}

func (s suite) loadAndUnload(t *testing.T) {
	ctx := bounded(t)
	require.NoError(t, s.svc.Load(ctx, &puna.Request{Model: s.model}))
	loaded := s.running(t)
	require.NotNil(t, loaded)
	assert.Positive(t, loaded.Size)
	assert.Positive(t, loaded.ContextLength)
	assert.False(t, loaded.Expires.IsZero())

	require.NoError(t, s.svc.Load(ctx, &puna.Request{Model: s.model, KeepAlive: new(time.Duration(-1))}))
	loaded = s.running(t)
	require.NotNil(t, loaded)
	assert.True(t, loaded.Expires.IsZero(), "for ever")

	require.NoError(t, s.svc.Unload(ctx, s.model))
	s.eventuallyUnloaded(t)
	assert.NoError(t, s.svc.Unload(ctx, s.model), "it isn't loaded")
}

func (s suite) keepAlive(t *testing.T) {
	req := s.ask()
	req.KeepAlive = new(time.Duration(0))
	s.generate(t, req)
	s.eventuallyUnloaded(t)
}

func (s suite) copy(t *testing.T) {
	ctx := bounded(t)
	const name = "conformance-copy"
	require.NoError(t, s.svc.Copy(ctx, s.model, name))
	req := s.ask()
	req.Model = name
	assert.Equal(t, s.generate(t, s.ask()).text, s.generate(t, req).text)
	require.NoError(t, s.svc.Delete(ctx, name))
	s.refused(t, req, puna.NotFound)
	s.generate(t, s.ask())
}

func (s suite) create(t *testing.T) {
	ctx := bounded(t)
	const name = "conformance-created"
	t.Cleanup(func() { _ = s.svc.Delete(context.Background(), name) })
	last, err := s.finish(ctx, &puna.CreateRequest{
		Model: name, From: s.model, System: "You are brief.", Parameters: map[string]any{"temperature": 0.5, "stop": []string{"###"}},
		Messages: []puna.Message{{Role: puna.User, Content: "Hi"}, {Role: puna.Assistant, Content: "Hello."}}, License: []string{"MIT"},
	})
	require.NoError(t, err)
	assert.Equal(t, "success", last)
	card, err := s.svc.Show(ctx, name, false)
	require.NoError(t, err)
	assert.Equal(t, "You are brief.", card.System)
	assert.Contains(t, card.License, "MIT")
	assert.Contains(t, card.Parameters, "temperature")
	assert.Contains(t, card.Parameters, "stop")
	require.Len(t, card.Messages, 2)
	assert.Equal(t, puna.Message{Role: puna.Assistant, Content: "Hello."}, card.Messages[1])
	req := s.ask()
	req.Model = name
	s.generate(t, req)
	require.NoError(t, s.svc.Delete(ctx, name))
}

// finish creates a model and returns the last status.
func (s suite) finish(ctx context.Context, req *puna.CreateRequest) (status string, err error) {
	for step, err := range s.svc.Create(ctx, req) {
		if err != nil {
			return "", err
		}
		status = step.Status
	}
	return status, nil
}

func (s suite) createErrors(t *testing.T) {
	for name, c := range map[string]struct {
		kind puna.Kind
		req  puna.CreateRequest
	}{
		"no source":       {puna.Invalid, puna.CreateRequest{}},
		"missing source":  {puna.NotFound, puna.CreateRequest{From: missing}},
		"missing blob":    {puna.NotFound, puna.CreateRequest{Files: map[string]string{"m.gguf": "sha256:" + strings.Repeat("0", 64)}}},
		"a bad parameter": {puna.Invalid, puna.CreateRequest{From: s.model, Parameters: map[string]any{"top_p": 7.0}}},
	} {
		c.req.Model = "conformance-broken"
		_, err := s.finish(bounded(t), &c.req)
		require.Error(t, err, name)
		assert.Equal(t, c.kind, puna.KindOf(err), "%s: %v", name, err)
		_, err = s.svc.Show(bounded(t), c.req.Model, false)
		assert.Equal(t, puna.NotFound, puna.KindOf(err), "%s: nothing is left", name)
	}
}

func (s suite) blobs(t *testing.T) {
	ctx := bounded(t)
	content := "conformance-blob " + time.Now().String() // new in every run
	sum := sha256.Sum256([]byte(content))
	digest := "sha256:" + hex.EncodeToString(sum[:])

	err := s.svc.PutBlob(ctx, digest, strings.NewReader("something else"))
	assert.Equal(t, puna.Invalid, puna.KindOf(err), "%v", err)
	has, err := s.svc.HasBlob(ctx, digest)
	require.NoError(t, err)
	assert.False(t, has)

	require.NoError(t, s.svc.PutBlob(ctx, digest, strings.NewReader(content)))
	require.NoError(t, s.svc.PutBlob(ctx, digest, strings.NewReader(content)), "once more")
	has, err = s.svc.HasBlob(ctx, digest)
	require.NoError(t, err)
	assert.True(t, has)

	for _, bad := range []string{"sha256:123", "md5:" + strings.Repeat("0", 64), "..", "sha256:" + strings.Repeat("g", 64)} {
		_, err := s.svc.HasBlob(ctx, bad)
		assert.Equal(t, puna.Invalid, puna.KindOf(err), "%q: %v", bad, err)
	}
}
