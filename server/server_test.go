package server_test

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"iter"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/puna-ai/puna"
	"github.com/puna-ai/puna/server"
	"github.com/puna-ai/puna/server/servertest"
)

// serve runs s on a loopback socket. stop ends it and returns what Serve did.
func serve(t *testing.T, s *server.Server) (url string, stop func() error) {
	t.Helper()
	if s.Service == nil {
		s.Service = servertest.New("tiny")
	}
	if s.Log == nil {
		s.Log = slog.New(slog.DiscardHandler)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, ln) }()
	stop = sync.OnceValue(func() error { cancel(); return <-ended })
	t.Cleanup(func() { _ = stop() })
	return "http://" + ln.Addr().String(), stop
}

// ask sends a request and returns its response, body read.
func ask(t *testing.T, method, url, body string, edit func(*http.Request)) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	require.NoError(t, err)
	if edit != nil {
		edit(req)
	}
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp, string(text)
}

func TestOrigins(t *testing.T) {
	url, _ := serve(t, &server.Server{Origins: []string{"https://good.example", "chrome-extension://*"}})
	for origin, want := range map[string]int{
		"":                        200,
		"http://localhost":        200,
		"http://localhost:3000":   200,
		"https://127.0.0.1:8443":  200,
		"app://obsidian.md":       200,
		"vscode-webview://abc":    200,
		"https://good.example":    200,
		"chrome-extension://abc":  200,
		"https://evil.example":    403,
		"http://localhost.evil":   403,
		"https://good.example.io": 403,
		"null":                    403,
		url:                       200, // its own page
	} {
		resp, body := ask(t, "POST", url+"/api/generate", `{"model":"tiny","prompt":"x","stream":false}`, func(r *http.Request) {
			if origin != "" {
				r.Header.Set("Origin", origin)
			}
		})
		assert.Equal(t, want, resp.StatusCode, origin)
		switch allowed := resp.Header.Get("Access-Control-Allow-Origin"); {
		case want == 403:
			assert.Contains(t, body, "OLLAMA_ORIGINS")
			assert.Empty(t, allowed)
		case origin != "" && origin != url:
			assert.Equal(t, origin, allowed)
		}
	}
}

func TestPreflight(t *testing.T) {
	fake := servertest.New("tiny")
	url, _ := serve(t, &server.Server{Service: fake, Origins: []string{"*"}})
	resp, _ := ask(t, "OPTIONS", url+"/api/chat", "", func(r *http.Request) {
		r.Header.Set("Origin", "https://any.example")
		r.Header.Set("Access-Control-Request-Method", "POST")
		r.Header.Set("Access-Control-Request-Headers", "authorization,content-type,x-stainless-lang")
	})
	assert.Equal(t, 204, resp.StatusCode)
	assert.Equal(t, "*", resp.Header.Get("Access-Control-Allow-Origin"))
	assert.Equal(t, "POST", resp.Header.Get("Access-Control-Allow-Methods"))
	assert.Equal(t, "authorization,content-type,x-stainless-lang", resp.Header.Get("Access-Control-Allow-Headers"))
	assert.Empty(t, fake.Requests())
}

func TestHostsOfALoopbackListener(t *testing.T) {
	url, _ := serve(t, &server.Server{})
	for host, want := range map[string]int{
		"localhost": 200, "LOCALHOST:11434": 200, "127.0.0.1": 200, "[::1]:11434": 200, "0.0.0.0:1": 200, "192.168.1.7": 200,
		"box.local": 200, "host.docker.internal:11434": 200, "puna.localhost": 200,
		"evil.example": 403, "evil.example:11434": 403, "localhost.evil.example": 403, "8.8.8.8": 403,
	} {
		resp, _ := ask(t, "GET", url+"/api/version", "", func(r *http.Request) { r.Host = host })
		assert.Equal(t, want, resp.StatusCode, host)
	}
}

func TestHostsOfAnOpenListener(t *testing.T) {
	ln, err := net.Listen("tcp", "0.0.0.0:0")
	require.NoError(t, err)
	_, port, err := net.SplitHostPort(ln.Addr().String())
	require.NoError(t, err)
	s := &server.Server{Service: servertest.New()}
	go func() { _ = s.Serve(t.Context(), ln) }()
	resp, _ := ask(t, "GET", "http://127.0.0.1:"+port+"/", "", func(r *http.Request) { r.Host = "models.example" })
	assert.Equal(t, 200, resp.StatusCode)
}

func TestBodyLimit(t *testing.T) {
	url, _ := serve(t, &server.Server{MaxBody: 100})
	resp, body := ask(t, "POST", url+"/api/generate", `{"model":"tiny","prompt":"`+strings.Repeat("x", 100)+`"}`, nil)
	assert.Equal(t, http.StatusRequestEntityTooLarge, resp.StatusCode)
	assert.Contains(t, body, "larger than 100 bytes")
	resp, _ = ask(t, "POST", url+"/api/blobs/sha256:"+strings.Repeat("0", 64), strings.Repeat("x", 1000), nil)
	assert.Equal(t, 400, resp.StatusCode, "the digest is wrong, the size is not")
}

// generator is a fake whose answers a test writes itself.
func generator(answer func(ctx context.Context, yield func(puna.Event, error) bool)) *servertest.Fake {
	fake := servertest.New("tiny")
	fake.Answer = func(ctx context.Context, _ *puna.Request) iter.Seq2[puna.Event, error] {
		return func(yield func(puna.Event, error) bool) { answer(ctx, yield) }
	}
	return fake
}

const request = `{"model":"tiny","prompt":"x"}`

func TestPanics(t *testing.T) {
	var log bytes.Buffer
	sends := false
	fake := generator(func(_ context.Context, yield func(puna.Event, error) bool) {
		if sends {
			yield(puna.Event{Text: "a"}, nil)
		}
		panic("the sky fell")
	})
	url, stop := serve(t, &server.Server{Service: fake, Log: slog.New(slog.NewTextHandler(&log, nil))})
	resp, body := ask(t, "POST", url+"/api/generate", request, nil)
	assert.Equal(t, 500, resp.StatusCode)
	assert.JSONEq(t, `{"error":"internal error: the sky fell; the server's log has the details"}`, body)
	sends = true
	resp, body = ask(t, "POST", url+"/api/generate", request, nil)
	assert.Equal(t, 200, resp.StatusCode)
	assert.Contains(t, body, "\n"+`{"error":"internal error: the sky fell`)
	require.NoError(t, stop())
	assert.Equal(t, 2, strings.Count(log.String(), "panic while answering"))
	assert.Contains(t, log.String(), "server_test.go", "a stack")
}

func TestEventsLeaveAtOnce(t *testing.T) {
	next := make(chan struct{})
	fake := generator(func(_ context.Context, yield func(puna.Event, error) bool) {
		yield(puna.Event{Text: "first"}, nil)
		<-next
		yield(puna.Event{Done: &puna.Done{Reason: puna.DoneStop}}, nil)
	})
	url, _ := serve(t, &server.Server{Service: fake})
	resp, err := http.Post(url+"/api/generate", "application/json", strings.NewReader(request))
	require.NoError(t, err)
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	require.True(t, lines.Scan())
	assert.Contains(t, lines.Text(), "first") // while the model still works on the second
	close(next)
	require.True(t, lines.Scan())
	assert.Contains(t, lines.Text(), `"done":true`)
	assert.False(t, lines.Scan())
}

func TestDisconnectCancels(t *testing.T) {
	for _, stream := range []string{"true", "false"} {
		canceled, begun := make(chan error, 1), make(chan struct{})
		fake := generator(func(ctx context.Context, yield func(puna.Event, error) bool) {
			yield(puna.Event{Text: "a"}, nil)
			close(begun)
			<-ctx.Done()
			canceled <- ctx.Err()
			yield(puna.Event{}, ctx.Err())
		})
		url, _ := serve(t, &server.Server{Service: fake})
		ctx, cancel := context.WithCancel(t.Context())
		req, err := http.NewRequestWithContext(ctx, "POST", url+"/api/generate", strings.NewReader(`{"model":"tiny","prompt":"x","stream":`+stream+`}`))
		require.NoError(t, err)
		go func() { <-begun; cancel() }()
		resp, err := http.DefaultClient.Do(req)
		if err == nil {
			_, err = io.ReadAll(resp.Body)
			resp.Body.Close()
		}
		assert.ErrorIs(t, err, context.Canceled)
		assert.ErrorIs(t, <-canceled, context.Canceled)
	}
}

func TestShutdownWaits(t *testing.T) {
	begun, next := make(chan struct{}), make(chan struct{})
	fake := generator(func(_ context.Context, yield func(puna.Event, error) bool) {
		close(begun)
		<-next
		yield(puna.Event{Text: "whole", Done: &puna.Done{Reason: puna.DoneStop}}, nil)
	})
	url, stop := serve(t, &server.Server{Service: fake, Grace: time.Minute})
	stopped := make(chan error, 1)
	go func() {
		<-begun
		go func() { stopped <- stop() }()
		for { // until the listener is closed
			conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
			if err != nil {
				break
			}
			conn.Close()
		}
		close(next)
	}()
	resp, body := ask(t, "POST", url+"/api/generate", request, nil)
	assert.Equal(t, 200, resp.StatusCode)
	assert.Contains(t, body, "whole")
	assert.NoError(t, <-stopped)
}

func TestShutdownCancelsAfterGrace(t *testing.T) {
	begun := make(chan struct{})
	fake := generator(func(ctx context.Context, yield func(puna.Event, error) bool) {
		yield(puna.Event{Text: "a"}, nil)
		close(begun)
		<-ctx.Done()
		yield(puna.Event{}, puna.Errorf(puna.Canceled, "canceled"))
	})
	url, stop := serve(t, &server.Server{Service: fake, Grace: time.Millisecond})
	go func() { <-begun; _ = stop() }()
	_, body := ask(t, "POST", url+"/api/generate", request, nil)
	assert.Contains(t, body, `{"error":"canceled"}`)
	assert.NoError(t, stop())
}

func TestServeSaysWhyItStopped(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, ln.Close())
	s := &server.Server{Service: servertest.New()}
	assert.ErrorContains(t, s.Serve(t.Context(), ln), "serve on "+ln.Addr().String())
}

func TestRequestsAreLogged(t *testing.T) {
	var log bytes.Buffer
	url, stop := serve(t, &server.Server{Log: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	ask(t, "GET", url+"/api/nothing", "", nil)
	require.NoError(t, stop())
	assert.Contains(t, log.String(), `level=DEBUG msg=request method=GET path=/api/nothing status=404 bytes=`)
}

func TestMountedInAnotherServer(t *testing.T) {
	mux := http.NewServeMux()
	mux.Handle("/llm/", http.StripPrefix("/llm", &server.Server{Service: servertest.New("tiny")}))
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	srv := &http.Server{Handler: mux}
	go func() { _ = srv.Serve(ln) }()
	defer srv.Close()
	_, body := ask(t, "GET", "http://"+ln.Addr().String()+"/llm/api/tags", "", func(r *http.Request) { r.Host = "public.example" })
	assert.Contains(t, body, "tiny:latest")
}
