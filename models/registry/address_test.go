package registry

import (
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/puna-ai/puna"
)

var now = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// TestAddress pulls a file that changes while it is half here.
func TestAddress(t *testing.T) {
	var content, tag atomic.Value
	var broken atomic.Bool
	server := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if broken.Load() && !strings.HasSuffix(r.Header.Get("Range"), "=0-0") && !strings.HasPrefix(r.Header.Get("Range"), "bytes=0-") {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		w.Header().Set("ETag", tag.Load().(string))
		w.Header().Set("Content-Type", "application/octet-stream")
		http.ServeContent(w, r, "", now, strings.NewReader(content.Load().(string)))
	}))
	content.Store(weights(t, 50))
	tag.Store(`"one"`)
	c := newClient(t, openStore(t, t.TempDir()))
	c.Transfer.Connections = 1
	req := Request{Model: server.URL + "/some/My%20Model.Q8_0.gguf?key=secret", Insecure: true}
	broken.Store(true)
	_, err := pullOnce(t, c, req)
	require.Equal(t, puna.Unavailable, puna.KindOf(err))
	require.NotContains(t, err.Error(), "secret")

	content.Store(weights(t, 51))
	tag.Store(`"two"`)
	broken.Store(false)
	statuses, err := pullOnce(t, c, req)
	require.NoError(t, err)
	require.Contains(t, statuses, "pulling My Model.Q8_0.gguf")
	m, err := c.Store.Resolve("My-Model.Q8_0")
	require.NoError(t, err)
	require.Equal(t, int64(len(weights(t, 51))), fileSize(t, m.Path))
	require.Equal(t, "gguf", m.Config.ModelFormat)
	checkBlobs(t, c.Store)

	req.As = "mine"
	_, err = pullOnce(t, c, req)
	require.NoError(t, err)
	_, err = c.Store.Resolve("mine")
	require.NoError(t, err)

	content.Store("no model")
	tag.Store(`"three"`)
	_, err = pullOnce(t, c, req)
	require.Equal(t, puna.Invalid, puna.KindOf(err))
}

func TestFileAddress(t *testing.T) {
	for text, name := range map[string]string{
		"https://host/a/b/Some.Q4_K_M.gguf": "Some.Q4_K_M", "https://host/a%2Fb.GGUF?x=y": "b", "http://host/-x-.gguf": "x",
	} {
		u, ok := fileAddress(text)
		require.True(t, ok, text)
		require.Equal(t, name, nameOf(u))
	}
	for _, text := range []string{"m", "hf.co/user/repo:m.gguf", "https://host/ns/model", "ftp://host/x.gguf", "x.gguf"} {
		_, ok := fileAddress(text)
		require.False(t, ok, text)
	}
}

func TestVersion(t *testing.T) {
	date := now.Format(http.TimeFormat)
	for tag, want := range map[string]string{`"a"`: `"a"`, `W/"a"`: date, "": date} {
		require.Equal(t, want, version(http.Header{"Etag": {tag}, "Last-Modified": {date}}))
	}
}

func TestRedirectsKeepTokensHome(t *testing.T) {
	first := &http.Request{URL: &url.URL{Scheme: "https", Host: "a"}}
	for _, x := range []struct {
		to   string
		kept bool
		ok   bool
	}{
		{"https://a/x", true, true}, {"https://A/x", true, true}, {"https://a:1/x", false, true},
		{"https://b.a/x", false, true}, {"http://a/x", false, false},
	} {
		u, err := url.Parse(x.to)
		require.NoError(t, err)
		req := &http.Request{URL: u, Header: http.Header{"Authorization": {"Bearer x"}}}
		err = checkRedirect(req, []*http.Request{first})
		require.Equal(t, x.ok, err == nil)
		if x.ok {
			require.Equal(t, x.kept, req.Header.Get("Authorization") != "", x.to)
		}
	}
	away := &http.Request{URL: &url.URL{Scheme: "https", Host: "b"}}
	back := &http.Request{URL: first.URL, Header: http.Header{"Authorization": {"Bearer x"}}}
	require.NoError(t, checkRedirect(back, []*http.Request{first, away}))
	require.Empty(t, back.Header.Get("Authorization"))
}
