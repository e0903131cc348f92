package local

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"regexp"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/puna-ai/puna"
	"github.com/puna-ai/puna/cgo/ggml"
	"github.com/puna-ai/puna/cgo/llama"
	"github.com/puna-ai/puna/engine"
	"github.com/puna-ai/puna/internal/testmodel"
	"github.com/puna-ai/puna/server"
)

var soakFor = flag.Duration("soak", 8*time.Second, "how long TestSoak asks")

const (
	soakClients  = 32
	soakContext  = 8192    // tokens; as many as a context's pool has cells
	soakCopies   = 1 << 20 // bytes of a context's copies of prefixes
	soakPatience = 5 * time.Minute

	// soakGrowth bounds what resident memory may gain between two states of rest. Go's
	// allocator keeps some of what was freed, C's what is left of pages in use, and the
	// race detector shadows whatever Go's heap once reached: tens of megabytes. A kilobyte
	// lost in each request is more than this in ten minutes, a context in a few loads.
	soakGrowth = 128 << 20
)

// The models, with caches of every kind. Those of soakSharing share the cells of
// prefixes. The others have a sliding window, recurrent states, or layers of both kinds:
// what they keep of prefixes are copies (checkpoints).
var (
	soakSharing    = []testmodel.Shape{soakShape("llama", 1), soakShape("qwen3", 1)}
	soakCopying    = []testmodel.Shape{soakShape("gemma3", 6), soakShape("mamba2", 1), soakShape("granitehybrid", 2)}
	soakGenerators = slices.Concat(soakSharing, soakCopying)
	soakEncoder    = testmodel.Shape{Name: "soak-encoder", Arch: "bert", Embd: 32, Layers: 1, Heads: 1, KVHeads: 1, FF: 64, Vocab: 512, Ctx: 512, Pooling: 1}
)

// soakShape is narrow, so that the time goes into what is around the matrix products.
func soakShape(arch string, layers int) testmodel.Shape {
	return testmodel.Shape{Name: "soak-" + arch, Arch: arch, Embd: 32, Layers: layers, Heads: 1, KVHeads: 1, FF: 64, Vocab: 512, Ctx: soakContext}
}

// TestSoak has many clients ask for everything at once over real sockets, some of whom
// leave early. All that was taken must come back.
func TestSoak(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes as long as -soak says: run without -short")
	}
	goroutines, pools := runtime.NumGoroutine(), ggml.Live()["Threadpool"]
	s := newSoak(t)
	s.storm(*soakFor / 4) // to warm up
	warm := s.rest()
	s.storm(*soakFor * 3 / 4)
	end := s.rest()
	t.Logf("%d answers, %d clients left early; %d MiB of memory after the warm-up, %d at the end; tokens reused: %v",
		s.answers.Load(), s.left.Load(), warm>>20, end>>20, s.reused)
	assert.Less(t, end-warm, int64(soakGrowth), "resident memory grows")
	s.close()
	assert.Empty(t, llama.Live())
	assert.Equal(t, pools, ggml.Live()["Threadpool"])
	eventually(t, func() bool { return runtime.NumGoroutine() <= goroutines }, "goroutines are left")
	assert.Empty(t, s.complaints.lines)
}

// soak is a server and those who ask it.
type soak struct {
	t          *testing.T
	svc        *Service
	url        string
	end        func() error // of the server
	http       *http.Client
	complaints *complaints

	answers, left atomic.Int64

	mu     sync.Mutex
	reused map[string]int // tokens of prompts, by model
}

func newSoak(t *testing.T) *soak {
	t.Helper()
	s := &soak{t: t, complaints: &complaints{Handler: slog.DiscardHandler}, reused: map[string]int{},
		http: &http.Client{Timeout: soakPatience, Transport: &http.Transport{MaxIdleConnsPerHost: soakClients / 2}},
	}
	log := slog.New(s.complaints)
	var err error
	s.svc, err = Open(Options{Models: t.TempDir(), AllowPaths: true, Log: log, CacheRAM: soakCopies,
		Defaults: puna.Options{NumThread: new(1), NumCtx: new(soakContext)}})
	require.NoError(t, err)
	for _, shape := range append(soakGenerators, soakEncoder) {
		req := &puna.CreateRequest{Model: shape.Name, From: testmodel.PathOf(t, shape)}
		for _, err := range s.svc.Create(context.Background(), req) {
			require.NoError(t, err)
		}
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s.url = "http://" + ln.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- (&server.Server{Service: s.svc, Version: "0.24.0", Log: log}).Serve(ctx, ln) }()
	s.end = func() error { cancel(); return <-ended }
	return s
}

func (s *soak) close() {
	s.http.CloseIdleConnections()
	assert.NoError(s.t, s.end())
	assert.NoError(s.t, s.svc.Close())
}

// storm has all clients ask until the time is over.
func (s *soak) storm(d time.Duration) {
	until := time.Now().Add(d)
	var wg sync.WaitGroup
	for client := range soakClients {
		rng := rand.New(rand.NewPCG(uint64(client), uint64(d)))
		wg.Go(func() {
			for time.Now().Before(until) && !s.t.Failed() {
				s.ask(rng)
			}
		})
	}
	wg.Wait()
}

// ask sends a request. Every fourth client leaves early: in the middle of the answer,
// or at any time.
func (s *soak) ask(rng *rand.Rand) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	lines := -1
	switch rng.IntN(8) {
	case 0:
		lines = 1 + rng.IntN(4)
	case 1:
		defer time.AfterFunc(time.Duration(rng.Int64N(int64(50*time.Millisecond))), cancel).Stop()
	}
	path, body := s.request(rng)
	whole, err := s.post(ctx, path, body, lines)
	switch {
	case err != nil && ctx.Err() == nil:
		assert.NoError(s.t, err, "%s %s", path, body["model"])
	case whole:
		s.answers.Add(1)
	default:
		s.left.Add(1)
	}
}

type object = map[string]any

// request makes a request of any kind and length.
func (s *soak) request(rng *rand.Rand) (path string, body object) {
	model := soakGenerators[rng.IntN(len(soakGenerators))].Name
	body = object{"model": model, "stream": rng.IntN(2) == 0, "options": object{
		"num_predict": 1 + rng.IntN(64), "seed": rng.IntN(100), "temperature": float64(rng.IntN(2)),
	}}
	switch rng.IntN(8) {
	case 0, 1, 2:
		body["messages"] = []object{{"role": "system", "content": system(rng.IntN(3))}, {"role": "user", "content": text(rng)}}
		return "/api/chat", body
	case 3, 4:
		body["prompt"] = text(rng)
		return "/api/generate", body
	case 5:
		body["prompt"], body["format"] = text(rng), "json"
		return "/api/generate", body
	case 6:
		if rng.IntN(32) == 0 {
			return "/api/generate", object{"model": model, "keep_alive": 0} // unloads
		}
		fallthrough
	default:
		input := make([]string, 1+rng.IntN(8))
		for i := range input {
			input[i] = text(rng)[:8]
		}
		return "/api/embed", object{"model": []string{model, soakEncoder.Name}[rng.IntN(2)], "input": input}
	}
}

// system is the start that many prompts share.
func system(n int) string { return strings.Repeat(strconv.Itoa(n)+" rules. ", 20*(n+1)) }

// text has 8 to 1,500 bytes, a token each: few are long.
func text(rng *rand.Rand) string {
	longest := []int{32, 32, 32, 250, 1500}[rng.IntN(5)]
	b := make([]byte, 8+rng.IntN(longest-7))
	for i := range b {
		b[i] = "bcdfgkmpqvxyz   "[rng.IntN(16)]
	}
	b[0] = 'x'
	return string(b)
}

// post asks and reads the answer to its end, or so many lines of it. It reports whether
// the answer is whole.
func (s *soak) post(ctx context.Context, path string, body object, lines int) (whole bool, err error) {
	data, err := json.Marshal(body)
	if err != nil {
		return false, err
	}
	req, err := http.NewRequestWithContext(ctx, "POST", s.url+path, bytes.NewReader(data))
	if err != nil {
		return false, err
	}
	resp, err := s.http.Do(req)
	if err != nil {
		return false, err
	}
	defer resp.Body.Close()
	for dec := json.NewDecoder(resp.Body); lines != 0; lines-- {
		var line struct {
			Done       bool
			Embeddings [][]float32
			Error      string
			Reused     int `json:"prompt_eval_cached_count"`
		}
		err := dec.Decode(&line)
		switch {
		case errors.Is(err, io.EOF):
			return false, io.ErrUnexpectedEOF
		case err != nil:
			return false, err
		case line.Error != "":
			return false, errors.New(line.Error)
		case line.Done, line.Embeddings != nil:
			s.reuse(body["model"].(string), line.Reused)
			_, err := io.Copy(io.Discard, resp.Body)
			return true, err
		}
	}
	return false, nil
}

// reuse counts reused tokens of a prompt, and returns all of its model.
func (s *soak) reuse(model string, tokens int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reused[model] += tokens
	return s.reused[model]
}

// rest has the caches of the models filled, unloads them, and returns the resident
// memory, in bytes.
func (s *soak) rest() int64 {
	s.t.Helper()
	for _, shape := range soakSharing {
		stats := s.fill(shape.Name)
		assert.LessOrEqual(s.t, stats.CachedPrefixes, 1, "%s: %+v", shape.Name, stats)
		assert.LessOrEqual(s.t, stats.CellsUsed, soakContext, "%s: %+v", shape.Name, stats)
	}
	for _, shape := range soakCopying {
		stats := s.fill(shape.Name)
		assert.Zero(s.t, stats.CellsUsed, "%s: %+v", shape.Name, stats)
		assert.LessOrEqual(s.t, stats.StoredBytes, int64(soakCopies), "%s: %+v", shape.Name, stats)
	}
	for _, shape := range append(soakGenerators, soakEncoder) {
		require.NoError(s.t, s.svc.Unload(context.Background(), shape.Name))
	}
	eventually(s.t, s.unloaded, "models are left")
	assert.Empty(s.t, llama.Live())
	debug.FreeOSMemory()
	return anonymousMemory(s.t)
}

// unloaded reports whether no model takes memory.
func (s *soak) unloaded() bool {
	rs := s.svc.residents
	rs.mu.Lock()
	defer rs.mu.Unlock()
	return len(rs.tenants) == 0
}

// fill asks twice for the same, which reuses a prefix, and for as many tokens as there
// are cells, which needs every cell and sequence id that others had. It returns what is
// left of that.
func (s *soak) fill(model string) engine.Stats {
	s.t.Helper()
	const answer = 8
	before := s.reuse(model, 0)
	for _, length := range []int{300, 300, soakContext - answer - 1} {
		whole, err := s.post(context.Background(), "/api/generate", object{"model": model, "raw": true, "prompt": strings.Repeat("x", length),
			"truncate": false, "options": object{"num_predict": answer}}, -1)
		require.NoError(s.t, err)
		require.True(s.t, whole)
	}
	assert.Greater(s.t, s.reuse(model, 0), before+200, "%s reused no prefix", model)
	all := s.svc.residents.loaded()
	i := slices.IndexFunc(all, func(l loaded) bool { return l.Name == model+":latest" })
	require.GreaterOrEqual(s.t, i, 0, "%s isn't loaded", model)
	m := all[i].model.(*engine.Model)
	eventually(s.t, func() bool { n := m.Stats(); return n.Running+n.Waiting == 0 }, "sequences are left")
	return m.Stats()
}

// eventually waits without a goroutine of its own, since goroutines are counted.
func eventually(t *testing.T, is func() bool, what string) {
	t.Helper()
	for deadline := time.Now().Add(soakPatience); !is(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			stacks := make([]byte, 1<<20)
			t.Fatalf("%s: %v\n%s", what, llama.Live(), stacks[:runtime.Stack(stacks, true)])
		}
	}
}

// anonymousMemory is what this process has in main memory beside files; 0 where the
// system doesn't say.
func anonymousMemory(t *testing.T) int64 {
	status, err := os.ReadFile("/proc/self/status")
	if errors.Is(err, os.ErrNotExist) {
		return 0
	}
	require.NoError(t, err)
	m := regexp.MustCompile(`RssAnon:\s+(\d+) kB`).FindSubmatch(status)
	require.NotNil(t, m)
	kib, err := strconv.ParseInt(string(m[1]), 10, 64)
	require.NoError(t, err)
	return kib << 10
}

// complaints keeps what is logged as a warning or worse.
type complaints struct {
	slog.Handler
	mu    sync.Mutex
	lines []string
}

func (c *complaints) Enabled(_ context.Context, level slog.Level) bool {
	return level >= slog.LevelWarn
}

func (c *complaints) Handle(_ context.Context, r slog.Record) error {
	line := r.Message
	r.Attrs(func(a slog.Attr) bool { line += " " + a.String(); return true })
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lines = append(c.lines, line)
	return nil
}

func (c *complaints) WithAttrs([]slog.Attr) slog.Handler { return c }
func (c *complaints) WithGroup(string) slog.Handler      { return c }
