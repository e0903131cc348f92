package ollama_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/puna-ai/puna/server"
	"github.com/puna-ai/puna/server/servertest"
)

// FuzzBodies: no body of any endpoint is the server's fault, and every answer is JSON.
func FuzzBodies(f *testing.F) {
	paths := []string{"/api/generate", "/api/chat", "/api/show", "/api/create", "/api/copy", "/api/embed", "/api/embeddings"}
	for i, body := range []string{
		`{"model":"tiny","prompt":"hi","options":{"num_ctx":1},"keep_alive":1e99}`,
		`{"model":"tiny","messages":[{"role":"user","content":"hi"}],"tools":[{"function":{"name":"f"}}],"tool_choice":"required"}`,
		`{"name":"tiny","verbose":true}`,
		`{"model":"x","from":"tiny","parameters":{"top_p":[1]},"license":["a"],"messages":[{"tool_calls":[{}]}],"stream":false}`,
		`{"source":"tiny","destination":"x"}`,
		`{"model":"tiny","input":["a",""],"truncate":false,"dimensions":2,"options":{"num_ctx":1},"keep_alive":"1s"}`,
		`{"model":"tiny","prompt":"a","options":{"what":1}}`,
		strings.Repeat(`{"a":`, 12_000),
		`{"model":"tiny","format":{"$ref":"#"},"stream":false,"model":{}}`,
		"\xff\xfe{}",
	} {
		f.Add(uint8(i), []byte(body))
	}
	f.Fuzz(func(t *testing.T, which uint8, body []byte) {
		s := &server.Server{Service: servertest.New("tiny"), Log: slog.New(slog.DiscardHandler)}
		r := httptest.NewRequest("POST", paths[int(which)%len(paths)], bytes.NewReader(body))
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		require.Contains(t, []int{200, 400, 404}, w.Code, "%s", w.Body)
		for line := range bytes.Lines(w.Body.Bytes()) {
			require.True(t, json.Valid(line), "%q", line)
		}
	})
}
