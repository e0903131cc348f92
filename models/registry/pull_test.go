package registry

import (
	"context"
	"encoding/json"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/puna-ai/puna"
	"github.com/puna-ai/puna/models/registry/registrytest"
	"github.com/puna-ai/puna/models/store"
)

func TestPull(t *testing.T) {
	registry := registrytest.New(t)
	want := publish(t, registry, 10)
	model := host(t, serve(t, registry)) + "/library/m"
	c := newClient(t, openStore(t, t.TempDir()))
	statuses, err := pullOnce(t, c, Request{Model: model, Insecure: true})
	require.NoError(t, err)
	expected := []string{"pulling manifest", "verifying sha256 digest", "writing manifest", "success"}
	var others []string
	for _, status := range statuses {
		if !strings.HasPrefix(status, "pulling ") || status == "pulling manifest" {
			others = append(others, status)
		}
	}
	require.Equal(t, expected, others)
	for _, l := range append(want.Layers, want.Config) {
		require.Contains(t, statuses, "pulling "+l.Digest[7:19])
	}
	checkModel(t, c.Store, model, want)
	require.Empty(t, partials(t, c.Store))

	last := map[string]puna.Progress{} // again, with all of it here
	for p, err := range c.Pull(t.Context(), Request{Model: model, Insecure: true}) {
		require.NoError(t, err)
		last[p.Digest] = p
	}
	for _, l := range append(want.Layers, want.Config) {
		require.Equal(t, puna.Progress{Status: "pulling " + l.Digest[7:19], Digest: l.Digest, Total: l.Size, Completed: l.Size}, last[l.Digest])
	}
}

func TestPullReplaces(t *testing.T) {
	registry := registrytest.New(t)
	server := serve(t, registry)
	model := host(t, server) + "/library/m:latest"
	c := newClient(t, openStore(t, t.TempDir()))
	old := addModel(t, c.Store, model, 11)
	want := publish(t, registry, 12)
	statuses, err := pullOnce(t, c, Request{Model: model, Insecure: true})
	require.NoError(t, err)
	require.Equal(t, []string{"writing manifest", "removing unused layers", "success"}, statuses[len(statuses)-3:])
	checkModel(t, c.Store, model, want)
	has, err := c.Store.HasBlob(old.Layers[0].Digest)
	require.NoError(t, err)
	require.False(t, has)
}

func TestPullErrors(t *testing.T) {
	c := newClient(t, openStore(t, t.TempDir()))
	server := host(t, serve(t, registrytest.New(t)))
	cases := []struct {
		req  Request
		kind puna.Kind
		text string
	}{
		{Request{Model: "a b"}, puna.Invalid, "invalid model name"},
		{Request{Model: "http://" + server + "/library/m"}, puna.Invalid, "insecure protocol http"},
		{Request{Model: "http://" + server + "/m.gguf"}, puna.Invalid, "insecure protocol http"},
		{Request{Model: server + "/library/none", Insecure: true}, puna.NotFound, "not found"},
		{Request{Model: "ftp://" + server + "/library/none", Insecure: true}, puna.Invalid, "ftp://"},
	}
	for _, x := range cases {
		statuses, err := pullOnce(t, c, x.req)
		require.Equal(t, x.kind, puna.KindOf(err), err)
		require.ErrorContains(t, err, x.text)
		if x.kind == puna.Invalid {
			require.Empty(t, statuses, "a request that is wrong has no progress")
		}
	}
}

// TestPullRefusesBrokenModels: a blob with the right digest may still hold no model.
func TestPullRefusesBrokenModels(t *testing.T) {
	for _, mediaType := range []string{store.MediaModel, store.MediaDraft} {
		t.Run(mediaType, func(t *testing.T) { testBroken(t, mediaType) })
	}
}

func testBroken(t *testing.T, mediaType string) {
	registry := registrytest.New(t)
	s := openStore(t, t.TempDir())
	model := host(t, serve(t, registry)) + "/library/broken"
	m := addLayers(t, s, model, mapOf(mediaType, "GGUF, but not really"))
	_, err := collect(newClient(t, s).Push(t.Context(), Request{Model: model, Insecure: true}))
	require.NoError(t, err)

	c := newClient(t, openStore(t, t.TempDir()))
	_, err = pullOnce(t, c, Request{Model: model, Insecure: true})
	require.Equal(t, puna.Invalid, puna.KindOf(err))
	require.ErrorContains(t, err, model)
	has, err := c.Store.HasBlob(m.Layers[0].Digest)
	require.NoError(t, err)
	require.False(t, has)
	for _, path := range partials(t, c.Store) { // another blob's may be there, which the error cut short
		require.NotContains(t, path, m.Layers[0].Digest[7:])
	}
}

// TestManifestsOfOthers: what isn't a model of layers is refused by name.
func TestManifestsOfOthers(t *testing.T) {
	tensor := store.Layer{MediaType: mediaTensor, Digest: "sha256:" + strings.Repeat("0", 64)}
	for _, x := range []struct {
		body any
		kind puna.Kind
	}{
		{"a page", puna.Invalid},
		{store.Manifest{SchemaVersion: 2}, puna.Invalid},
		{store.Manifest{SchemaVersion: 1, Layers: []store.Layer{tensor}}, puna.Invalid},
		{store.Manifest{SchemaVersion: 2, Layers: []store.Layer{{MediaType: store.MediaModel, Digest: "sha256:../x"}}}, puna.Invalid},
		{store.Manifest{SchemaVersion: 2, Layers: []store.Layer{tensor}}, puna.Unsupported},
	} {
		server := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { json.NewEncoder(w).Encode(x.body) }))
		_, err := pullOnce(t, newClient(t, openStore(t, t.TempDir())), Request{Model: host(t, server) + "/library/m", Insecure: true})
		require.Equal(t, x.kind, puna.KindOf(err), err)
	}
}

// TestServerWithoutRanges sends whole files only.
func TestServerWithoutRanges(t *testing.T) {
	registry := registrytest.New(t)
	want := publish(t, registry, 13)
	server := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Header.Del("Range")
		registry.ServeHTTP(w, r)
	}))
	model := host(t, server) + "/library/m"
	c := newClient(t, openStore(t, t.TempDir()))
	_, err := pullOnce(t, c, Request{Model: model, Insecure: true})
	require.NoError(t, err)
	checkModel(t, c.Store, model, want)
}

// TestLeavingTheLoop ends a pull; what has come is used by the next one.
func TestLeavingTheLoop(t *testing.T) {
	registry := registrytest.New(t)
	want := publish(t, registry, 14)
	f := registrytest.NewFaults(t, registry, 1, 0, "")
	model := host(t, serve(t, f)) + "/library/m"
	c := newClient(t, openStore(t, t.TempDir()))
	c.Transfer.Connections = 1
	for p, err := range c.Pull(t.Context(), Request{Model: model, Insecure: true}) {
		require.NoError(t, err)
		if p.Total == want.Layers[0].Size && p.Completed > 0 {
			break
		}
	}
	checkBlobs(t, c.Store)
	_, err := pullOnce(t, c, Request{Model: model, Insecure: true})
	require.NoError(t, err)
	checkModel(t, c.Store, model, want)

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = collect(c.Pull(ctx, Request{Model: model, Insecure: true}))
	require.Equal(t, puna.Canceled, puna.KindOf(err))
	require.ErrorContains(t, err, model)
}

// TestPullsTogether pull the same model into one store; its blobs come once.
func TestPullsTogether(t *testing.T) {
	registry := registrytest.New(t)
	want := publish(t, registry, 15)
	f := registrytest.NewFaults(t, registry, 1, 0, "")
	model := host(t, serve(t, f)) + "/library/m"
	dir := t.TempDir()
	var group sync.WaitGroup
	var failed atomic.Int32
	for range 4 {
		group.Go(func() {
			if _, err := pullOnce(t, newClient(t, openStore(t, dir)), Request{Model: model, Insecure: true}); err != nil {
				t.Error(err)
				failed.Add(1)
			}
		})
	}
	group.Wait()
	require.Zero(t, failed.Load())
	checkModel(t, openStore(t, dir), model, want)
	require.Equal(t, want.Size(), f.Served.Load())
}

// TestWaitingForAnotherPull reports once, not each time that it looks.
func TestWaitingForAnotherPull(t *testing.T) {
	registry := registrytest.New(t)
	want := publish(t, registry, 16)
	model := host(t, serve(t, registry)) + "/library/m"
	c := newClient(t, openStore(t, t.TempDir()))
	digest := want.Layers[0].Digest
	p, err := c.Store.OpenPartial(source{digest: digest}.key())
	require.NoError(t, err)
	reports := 0
	for step, err := range c.Pull(t.Context(), Request{Model: model, Insecure: true}) {
		require.NoError(t, err)
		if step.Digest != digest || step.Completed > 0 {
			continue
		}
		if reports++; reports == 1 {
			time.AfterFunc(20*c.Transfer.Report, func() { assert.NoError(t, p.Close()) })
		}
	}
	require.LessOrEqual(t, reports, 2, "one while it waits, one when it begins")
	checkModel(t, c.Store, model, want)
}

func TestJournal(t *testing.T) {
	s := openStore(t, t.TempDir())
	open := func(identity string, size int64) *partial {
		p, err := s.OpenPartial("key")
		require.NoError(t, err)
		part, err := openPartial(p, identity, size)
		require.NoError(t, err)
		return part
	}
	p := open("a", 100)
	require.NoError(t, p.record(span{10, 20}))
	require.NoError(t, p.record(span{40, 50}))
	_, err := p.Journal.WriteString("60 7") // a crash in the middle of a line
	require.NoError(t, err)
	_, err = s.OpenPartial("key")
	require.Equal(t, puna.Conflict, puna.KindOf(err))
	require.NoError(t, p.Close())

	p = open("a", 100)
	require.Equal(t, spans{{10, 20}, {40, 50}}, p.done)
	require.NoError(t, p.record(span{80, 90}))
	require.NoError(t, p.Close())
	p = open("a", 100)
	require.Equal(t, spans{{10, 20}, {40, 50}, {80, 90}}, p.done)
	require.NoError(t, p.Close())

	p = open("b", 100)
	require.Empty(t, p.done)
	require.NoError(t, p.record(span{1, 2}))
	require.NoError(t, p.Close())
	p = open("b", 101)
	require.Empty(t, p.done)
	require.NoError(t, p.record(span{1, 2}))
	require.NoError(t, os.Truncate(p.Data.Name(), 0))
	require.NoError(t, p.Close())
	require.Empty(t, open("b", 101).done)
}

func TestPatience(t *testing.T) {
	p := newPatience(Transfer{Tries: 3}.withDefaults())
	p.asked = 7 * time.Second
	require.Equal(t, 7*time.Second, p.NextBackOff())
	require.Less(t, p.NextBackOff(), 7*time.Second)
	require.Negative(t, p.NextBackOff())
	p.Reset()
	require.Positive(t, p.NextBackOff())
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for text, want := range map[string]time.Duration{
		"": 0, "12": 12 * time.Second, "-1": 0, "soon": 0,
		"Fri, 02 Jan 2026 03:05:05 GMT": time.Minute, "Fri, 02 Jan 2026 03:03:05 GMT": 0,
	} {
		require.Equal(t, want, retryAfter(http.Header{"Retry-After": {text}}, now), text)
	}
}

// TestLongRetryAfter: nobody waits for an hour without being told.
func TestLongRetryAfter(t *testing.T) {
	var asked atomic.Int32
	server := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		w.Header().Set("Retry-After", "3600")
		w.WriteHeader(http.StatusTooManyRequests)
	}))
	_, err := pullOnce(t, newClient(t, openStore(t, t.TempDir())), Request{Model: host(t, server) + "/library/m", Insecure: true})
	require.Equal(t, puna.Busy, puna.KindOf(err))
	require.ErrorContains(t, err, "1h0m0s")
	require.EqualValues(t, 1, asked.Load())
}
