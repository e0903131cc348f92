package ollama_test

import (
	"bytes"
	"context"
	"io"
	"iter"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/ollama/ollama/api"
	"github.com/stretchr/testify/require"

	"github.com/puna-ai/puna"
	"github.com/puna-ai/puna/server"
	"github.com/puna-ai/puna/server/servertest"
)

// bed is a server on a real socket, with Ollama's own client.
type bed struct {
	*testing.T
	fake   *servertest.Fake
	url    string
	client *api.Client
	log    *logBuffer
}

// newBed serves a model "tiny", and one that thinks, "thinker".
func newBed(t *testing.T) *bed {
	t.Helper()
	fake := servertest.New("tiny")
	fake.Add(puna.ModelCard{Name: "thinker", Capabilities: []puna.Capability{puna.CanComplete, puna.CanThink}})
	log := new(logBuffer)
	ts := httptest.NewServer(&server.Server{Service: fake, Version: "0.24.0", Log: slog.New(slog.NewTextHandler(log, nil))})
	t.Cleanup(ts.Close)
	u, err := url.Parse(ts.URL)
	require.NoError(t, err)
	return &bed{t, fake, ts.URL, api.NewClient(u, ts.Client()), log}
}

// logBuffer collects a log written by many goroutines.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// reply is a response as it came over the wire.
type reply struct {
	status          int
	body            string
	header, trailer http.Header
}

// send sends a raw request.
func (b *bed) send(method, path, body string, header ...string) reply {
	b.Helper()
	var reader io.Reader
	if body != "" {
		reader = strings.NewReader(body)
	}
	req, err := http.NewRequestWithContext(b.Context(), method, b.url+path, reader)
	require.NoError(b, err)
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	require.NoError(b, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	require.NoError(b, err)
	return reply{resp.StatusCode, string(text), resp.Header, resp.Trailer}
}

// script makes the models answer with these events, then with err unless nil.
func (b *bed) script(err error, events ...puna.Event) {
	b.fake.Answer = func(context.Context, *puna.Request) iter.Seq2[puna.Event, error] {
		return func(yield func(puna.Event, error) bool) {
			for _, ev := range events {
				if !yield(ev, nil) {
					return
				}
			}
			if err != nil {
				yield(puna.Event{}, err)
			}
		}
	}
}
