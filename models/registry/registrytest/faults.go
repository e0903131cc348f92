package registrytest

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// Faults stands before a registry and gets in the way.
type Faults struct {
	Leaked    atomic.Bool  // a token reached the storage that blobs are redirected to
	Corrupted atomic.Bool  // some answer was changed
	Served    atomic.Int64 // bytes of blobs

	next    http.Handler
	storage *httptest.Server

	mu   sync.Mutex
	rng  *rand.Rand
	rate float64 // of requests that something happens to
	only string  // "": all kinds of faults
}

// Kinds are the kinds of faults.
var Kinds = []string{"cut", "stall", "silent", "corrupt", "429", "500", "503", "redirect", "close"}

// NewFaults returns a proxy before next. Something happens to a rate of its requests,
// as the seed says: anything of [Kinds], or only one of them.
func NewFaults(t testing.TB, next http.Handler, seed uint64, rate float64, only string) *Faults {
	f := &Faults{next: next, rng: rand.New(rand.NewPCG(seed, 1)), rate: rate, only: only}
	f.storage = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" {
			f.Leaked.Store(true)
		}
		f.answer(w, r, f.choose(false), f.pick(1<<16))
	}))
	t.Cleanup(f.storage.Close)
	return f
}

func (f *Faults) pick(n int) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.rng.IntN(n)
}

// choose draws what happens to a request; "" is nothing.
func (f *Faults) choose(redirects bool) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.rng.Float64() >= f.rate {
		return ""
	}
	kind := f.only
	if kind == "" {
		kind = Kinds[f.rng.IntN(len(Kinds))]
	}
	if kind == "redirect" && !redirects {
		return ""
	}
	return kind
}

// Calm ends all faults.
func (f *Faults) Calm() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rate = 0
}

// ServeHTTP implements [http.Handler].
func (f *Faults) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	blob := strings.Contains(r.URL.Path, "/blobs/sha256:") && r.Method == http.MethodGet
	f.answer(w, r, f.choose(blob), f.pick(1<<16))
}

func (f *Faults) answer(w http.ResponseWriter, r *http.Request, kind string, at int) {
	switch kind {
	case "429", "503":
		w.Header().Set("Retry-After", "0")
		fallthrough
	case "500":
		var code int
		fmt.Sscan(kind, &code)
		http.Error(w, "a fault", code)
	case "redirect":
		http.Redirect(w, r, f.storage.URL+r.URL.Path+"?signature=secret", http.StatusTemporaryRedirect)
	case "close":
		panic(http.ErrAbortHandler)
	case "silent": // takes the request and never answers
		io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
		panic(http.ErrAbortHandler)
	default:
		f.next.ServeHTTP(&faultyWriter{ResponseWriter: w, r: r, f: f, kind: kind, left: at}, r)
	}
}

// faultyWriter does its harm after left bytes.
type faultyWriter struct {
	http.ResponseWriter
	r    *http.Request
	f    *Faults
	kind string
	left int
}

func (w *faultyWriter) Write(p []byte) (n int, err error) {
	defer func() {
		if strings.Contains(w.r.URL.Path, "/blobs/sha256:") {
			w.f.Served.Add(int64(n))
		}
	}()
	if w.kind == "" || w.left >= len(p) {
		w.left -= len(p)
		return w.ResponseWriter.Write(p)
	}
	head := p[:w.left]
	switch w.kind {
	case "cut":
		n, _ = w.ResponseWriter.Write(head)
		http.NewResponseController(w.ResponseWriter).Flush()
		panic(http.ErrAbortHandler)
	case "stall":
		n, _ = w.ResponseWriter.Write(head)
		http.NewResponseController(w.ResponseWriter).Flush()
		<-w.r.Context().Done()
		panic(http.ErrAbortHandler)
	}
	changed := append([]byte(nil), p...)
	changed[w.left] ^= 0x20
	w.kind = ""
	w.f.Corrupted.Store(true)
	return w.ResponseWriter.Write(changed)
}

func (w *faultyWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
