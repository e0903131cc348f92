package peer

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"syscall"
	"time"
)

// Server is a running program. Its methods may be called at once.
type Server struct {
	Name  string
	First time.Duration // from the start of the process to the first token, or embedding

	pid     int
	program *Program
	url     string
	http    *http.Client
	log     bytes.Buffer // until ended is closed, the process writes it
	stop    context.CancelFunc
	ended   chan struct{}
}

// Start starts a server that completes prompts, or one that embeds, and returns once it
// has answered.
func (p *Program) Start(ctx context.Context, embeds bool) (*Server, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	s := &Server{
		Name: p.Name, program: p, url: "http://127.0.0.1:" + port, ended: make(chan struct{}),
		// llama-server closes connections that idle, at times as a request comes.
		http: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}},
	}
	began := time.Now()
	if err := s.launch(ctx, port, embeds); err != nil {
		return nil, err
	}
	if err := s.await(ctx, embeds); err != nil {
		s.Close()
		return nil, err
	}
	s.First = time.Since(began)
	return s, nil
}

func freePort() (string, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer ln.Close()
	return strconv.Itoa(ln.Addr().(*net.TCPAddr).Port), nil
}

func (s *Server) launch(ctx context.Context, port string, embeds bool) error {
	ctx, s.stop = context.WithCancel(ctx)
	args, env := s.program.command(port, embeds)
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Env = append(os.Environ(), env...)
	cmd.Stdout, cmd.Stderr = &s.log, &s.log
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("starting %s: %w", s.Name, err)
	}
	s.pid = cmd.Process.Pid
	go func() {
		cmd.Wait()
		close(s.ended)
	}()
	return nil
}

// await asks until there is an answer.
func (s *Server) await(ctx context.Context, embeds bool) error {
	for {
		var err error
		if embeds {
			err = s.Embed(ctx, []string{"x"})
		} else {
			_, err = s.Complete(ctx, "x", 1)
		}
		if !errors.Is(err, errNotReady) && !errors.Is(err, syscall.ECONNREFUSED) {
			return err
		}
		select {
		case <-s.ended:
			return s.explain(fmt.Errorf("%s didn't answer", s.Name))
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(10 * time.Millisecond):
		}
	}
}

var module = regexp.MustCompile(`libggml-cpu-(\w+)\.so`)

// Kernels is the variant of the CPU kernels that the process has mapped, by proc(5).
func (s *Server) Kernels() string {
	maps, _ := os.ReadFile(fmt.Sprintf("/proc/%d/maps", s.pid))
	if found := module.FindSubmatch(maps); found != nil {
		return string(found[1])
	}
	return "unknown"
}

// Close ends the process.
func (s *Server) Close() {
	s.stop()
	<-s.ended
}

// Complete has so many tokens generated after a prompt, greedily, past any end of turn.
func (s *Server) Complete(ctx context.Context, prompt string, tokens int) (Answer, error) {
	var a Answer
	start := time.Now()
	err := s.post(ctx, s.program.completion(prompt, tokens), func(body io.Reader) (err error) {
		a, err = readAnswer(body, func() time.Duration { return time.Since(start) })
		return err
	})
	if err == nil && a.Tokens != tokens {
		err = fmt.Errorf("%s generated %d tokens of %d", s.Name, a.Tokens, tokens)
	}
	return a, err
}

// Embed has the texts of one call embedded.
func (s *Server) Embed(ctx context.Context, texts []string) error {
	n := 0
	err := s.post(ctx, s.program.embedding(texts), func(body io.Reader) (err error) {
		n, err = countEmbeddings(body)
		return err
	})
	if err == nil && n != len(texts) {
		err = fmt.Errorf("%s sent %d embeddings of %d texts", s.Name, n, len(texts))
	}
	return err
}

// errNotReady means that a server is loading its model.
var errNotReady = errors.New("503 Service Unavailable")

func (s *Server) post(ctx context.Context, r request, read func(io.Reader) error) error {
	data, err := json.Marshal(r.body)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url+r.path, bytes.NewReader(data))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := s.http.Do(req)
	if errors.Is(err, syscall.ECONNREFUSED) {
		return err
	}
	if err != nil {
		return s.explain(err)
	}
	defer resp.Body.Close()
	switch {
	case resp.StatusCode == http.StatusServiceUnavailable:
		return fmt.Errorf("%s: %s: %w", s.Name, r.path, errNotReady)
	case resp.StatusCode >= http.StatusBadRequest:
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
		return fmt.Errorf("%s: %s: %s: %s", s.Name, r.path, resp.Status, text)
	}
	if err := read(resp.Body); err != nil {
		return s.explain(fmt.Errorf("%s: %s: %w", s.Name, r.path, err))
	}
	return nil
}

// explain adds the end of the log where the process has ended.
func (s *Server) explain(err error) error {
	select {
	case <-s.ended:
		log := s.log.Bytes()
		return fmt.Errorf("%w; %s has ended:\n%s", err, s.Name, log[max(0, len(log)-2<<10):])
	case <-time.After(time.Second): // its end follows that of its connections
		return err
	}
}
