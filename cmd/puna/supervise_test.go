//go:build linux

package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// patience bounds every wait; nothing is asserted about speed.
const patience = 3 * time.Minute

// program is a running puna. Its log ends when it and its children have.
type program struct {
	t   *testing.T
	cmd *exec.Cmd
	log chan string
}

// command is puna with a store of its own, and any free port or no server.
func command(t *testing.T, env []string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), asProgram+"=1", "PUNA_HOST=127.0.0.1:0", "PUNA_MODELS="+t.TempDir(), "PUNA_LISTEN_FD=")
	cmd.Env = append(cmd.Env, env...)
	return cmd
}

// launch starts puna and reads its log.
func launch(t *testing.T, env []string, args ...string) *program {
	t.Helper()
	r, w, err := os.Pipe()
	require.NoError(t, err)
	p := &program{t: t, cmd: command(t, env, args...), log: make(chan string, 10_000)}
	p.cmd.Stderr = w
	require.NoError(t, p.cmd.Start())
	require.NoError(t, w.Close())
	go func() {
		defer close(p.log)
		defer r.Close()
		for lines := bufio.NewScanner(r); lines.Scan(); {
			p.log <- lines.Text()
		}
	}()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		_ = p.cmd.Wait()
		p.ends()
	})
	return p
}

// logs waits for a line of the log, and returns what the pattern's group matches of it.
func (p *program) logs(pattern string) string {
	p.t.Helper()
	want := regexp.MustCompile(pattern)
	deadline := time.After(patience)
	for {
		select {
		case line, ok := <-p.log:
			require.True(p.t, ok, "the log ended without a line like %q", pattern)
			p.t.Log(line)
			if m := want.FindStringSubmatch(line); m != nil {
				return m[len(m)-1]
			}
		case <-deadline:
			require.Fail(p.t, "no such line in the log", pattern)
		}
	}
}

// ends waits until no process has the log.
func (p *program) ends() {
	p.t.Helper()
	deadline := time.After(patience)
	for {
		select {
		case line, ok := <-p.log:
			if !ok {
				return
			}
			p.t.Log(line)
		case <-deadline:
			require.Fail(p.t, "a process is left")
		}
	}
}

// engine waits until an engine serves.
func (p *program) engine() (pid int, url string) {
	p.t.Helper()
	pid, err := strconv.Atoi(p.logs(`started the engine's process.* pid=(\d+)`))
	require.NoError(p.t, err)
	return pid, "http://" + p.logs(`msg=serving address=(\S+)`)
}

const long = "How do I run a model, how do I list those that are on this machine, and what does Puna do with the memory that they take?"

// generate posts a request to guide.
func generate(t *testing.T, url string, body map[string]any) *http.Response {
	t.Helper()
	body["model"] = "guide"
	data, err := json.Marshal(body)
	require.NoError(t, err)
	client := http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Post(url+"/api/generate", "application/json", bytes.NewReader(data))
	require.NoError(t, err)
	t.Cleanup(func() { resp.Body.Close() })
	require.Equal(t, http.StatusOK, resp.StatusCode)
	return resp
}

type answer struct {
	Response string
	Cached   int `json:"prompt_eval_cached_count"`
	Done     bool
}

func ask(t *testing.T, url string) (a answer) {
	t.Helper()
	resp := generate(t, url, map[string]any{"prompt": long, "stream": false, "think": false,
		"options": map[string]any{"temperature": 0, "num_thread": 1, "num_predict": 16}})
	require.NoError(t, json.NewDecoder(resp.Body).Decode(&a))
	require.True(t, a.Done)
	return a
}

// endless starts a stream that goes on until somebody ends it, and reads its first line.
func endless(t *testing.T, url string) *bufio.Reader {
	t.Helper()
	resp := generate(t, url, map[string]any{"prompt": long, "shift": true,
		"options": map[string]any{"num_thread": 1, "num_predict": 1 << 30, "ignore_eos": true}})
	r := bufio.NewReader(resp.Body)
	_, err := r.ReadString('\n')
	require.NoError(t, err)
	return r
}

func TestAKilledEngineIsReplaced(t *testing.T) {
	cache := t.TempDir()
	p := launch(t, []string{"XDG_CACHE_HOME=" + cache}, "serve", "--supervise", "--cache-disk=1GiB")
	pid, url := p.engine()
	want := ask(t, url)
	require.Eventually(t, func() bool {
		kept, err := filepath.Glob(filepath.Join(cache, "puna", "prefixes", "*", "*.kv"))
		return err == nil && len(kept) > 0
	}, patience, 10*time.Millisecond, "a quiet engine keeps what it computed")
	for range 2 {
		stream := endless(t, url)
		require.NoError(t, syscall.Kill(pid, syscall.SIGKILL))
		again := ask(t, url) // the port is open, whether the next engine serves yet or not
		assert.Equal(t, want.Response, again.Response)
		assert.Greater(t, again.Cached, 10, "the prefix on disk is used")
		rest, err := io.ReadAll(stream)
		assert.Error(t, err, "a client can tell a broken answer from a whole one")
		assert.NotContains(t, string(rest), `"done":true`)
		assert.Contains(t, p.logs(`another one takes its place(.*)`), "signal: killed")
		next, sameURL := p.engine()
		assert.NotEqual(t, pid, next)
		assert.Equal(t, url, sameURL)
		pid = next
	}
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGTERM))
	assert.NoError(t, p.cmd.Wait(), "it ends in order")
	p.ends()
}

func TestASupervisorTakesItsEngineAlong(t *testing.T) {
	p := launch(t, nil, "serve", "--supervise")
	_, url := p.engine()
	endless(t, url)
	require.NoError(t, p.cmd.Process.Kill())
	p.ends()
}

func TestAnErrorAtTheStartEndsASupervisor(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	p := launch(t, []string{"PUNA_MODELS=" + file}, "serve", "--supervise")
	p.logs("Error: .*is a file")
	var exit *exec.ExitError
	require.ErrorAs(t, p.cmd.Wait(), &exit)
	assert.Equal(t, reportedError, exit.ExitCode())
	p.ends()
}

// supervised runs shell scripts under a supervisor, one after the other.
func supervised(signals <-chan os.Signal, scripts ...string) (unused int, err error) {
	s := supervisor{signals: signals, command: func() *exec.Cmd {
		script := scripts[0]
		scripts = scripts[1:]
		return exec.Command("sh", "-c", script)
	}}
	err = s.run()
	return len(scripts), err
}

func TestEndsOfChildren(t *testing.T) {
	for _, c := range []struct {
		scripts string // one for each child, until it ends
		want    error
		unused  int
	}{
		{"exit 0", nil, 0},
		{"exit 1|exit 0", exitStatus(1), 1},
		{"exit 2|exit 0", nil, 0},
		{"exit 2|exit 1|exit 0", nil, 0},
		{"kill -9 $$|kill -ABRT $$|exit 0", nil, 0},
	} {
		unused, err := supervised(nil, strings.Split(c.scripts, "|")...)
		assert.Equal(t, c.want, err, c.scripts)
		assert.Equal(t, c.unused, unused, c.scripts)
	}
	signals := make(chan os.Signal, 1)
	signals <- syscall.SIGTERM
	_, err := supervised(signals, "exec sleep 1000")
	assert.Equal(t, exitStatus(128+int(syscall.SIGTERM)), err, "its status is the child's")
}

func TestPauses(t *testing.T) {
	var last time.Duration
	for range 20 {
		next := nextPause(last, time.Second)
		assert.Greater(t, next, min(last, maxPause-1))
		last = next
	}
	assert.Equal(t, maxPause, last)
	assert.Zero(t, nextPause(last, settled))
}
