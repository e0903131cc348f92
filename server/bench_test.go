package server_test

import (
	"context"
	"io"
	"iter"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/puna-ai/puna"
	"github.com/puna-ai/puna/server"
)

// instant answers with n events of text and an end, at once.
type instant struct {
	puna.Service
	n int
}

func (s instant) Generate(context.Context, *puna.Request) iter.Seq2[puna.Event, error] {
	return func(yield func(puna.Event, error) bool) {
		for range s.n {
			if !yield(puna.Event{Text: " word"}, nil) {
				return
			}
		}
		yield(puna.Event{Done: &puna.Done{Reason: puna.DoneStop, PromptTokens: 5, EvalTokens: s.n, TotalDuration: 1}}, nil)
	}
}

const chatBody = `{"model":"tiny","messages":[{"role":"user","content":"Why is the sky blue?"}],"options":{"temperature":0,"num_predict":1}}`

// BenchmarkRequest is a chat of one token over a real connection: what the server,
// net/http and a client of net/http add to the model's time.
func BenchmarkRequest(b *testing.B) {
	ts := httptest.NewServer(&server.Server{Service: instant{n: 1}, Log: slog.New(slog.DiscardHandler)})
	defer ts.Close()
	times := make([]time.Duration, 0, b.N)
	b.ReportAllocs()
	for b.Loop() {
		start := time.Now()
		resp, err := http.Post(ts.URL+"/api/chat", "application/json", strings.NewReader(chatBody))
		require.NoError(b, err)
		_, err = io.Copy(io.Discard, resp.Body)
		require.NoError(b, err)
		resp.Body.Close()
		times = append(times, time.Since(start))
	}
	slices.Sort(times)
	b.ReportMetric(float64(times[len(times)/2].Nanoseconds()), "median-ns/op")
	b.ReportMetric(float64(times[len(times)*99/100].Nanoseconds()), "p99-ns/op")
}

// sink is a ResponseWriter that keeps nothing.
type sink struct{ header http.Header }

func (s *sink) Header() http.Header         { return s.header }
func (s *sink) Write(p []byte) (int, error) { return len(p), nil }
func (s *sink) WriteHeader(int)             {}
func (s *sink) Flush()                      {}

// handle runs one request in this goroutine, without a network.
func handle(h http.Handler, path string) {
	r := httptest.NewRequest("POST", path, strings.NewReader(chatBody))
	h.ServeHTTP(&sink{http.Header{}}, r)
}

// BenchmarkEvent is the cost of one streamed event: time and allocations.
func BenchmarkEvent(b *testing.B) {
	s := &server.Server{Service: instant{n: b.N}, Log: slog.New(slog.DiscardHandler)}
	b.ReportAllocs()
	b.ResetTimer()
	handle(s, "/api/chat")
}

// TestEventAllocations: a stream's garbage must not grow with its text.
func TestEventAllocations(t *testing.T) {
	count := func(events int) float64 {
		s := &server.Server{Service: instant{n: events}, Log: slog.New(slog.DiscardHandler)}
		return testing.AllocsPerRun(20, func() { handle(s, "/api/chat") })
	}
	perEvent := (count(1100) - count(100)) / 1000
	require.LessOrEqual(t, perEvent, 4.0)
}
