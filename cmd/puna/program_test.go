//go:build linux

package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/puna-ai/puna/cgo/kernels/build"
	"github.com/puna-ai/puna/internal/testmodel"
)

// The tests of this file run the real program and the built-in model. Nothing depends
// on what that says.

// result is what a program that ended left.
type result struct {
	out, log string
	status   int
}

// outcome runs the program to its end. Input is what a pipe gives it; "" is no pipe.
func outcome(t *testing.T, env []string, input string, args ...string) result {
	t.Helper()
	cmd := command(t, env, args...)
	if input != "" {
		cmd.Stdin = strings.NewReader(input)
	}
	var out, log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &log
	return result{status: statusOf(t, cmd.Run()), out: out.String(), log: log.String()}
}

func statusOf(t *testing.T, err error) int {
	t.Helper()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode()
	}
	require.NoError(t, err)
	return 0
}

// brief are flags of an answer that comes soon, lasting ones of one that never ends.
var (
	brief   = []string{"--think=false", "-o", "num_thread=1", "-o", "num_predict=8", "-o", "ignore_eos=true"}
	lasting = []string{"--think=false", "--nowordwrap", "-o", "num_thread=1", "-o", "num_predict=1000000000", "-o", "ignore_eos=true"}
)

func runGuide(flags []string, rest ...string) []string {
	return append(append([]string{"run"}, flags...), append([]string{"guide"}, rest...)...)
}

func TestRunAnswers(t *testing.T) {
	for name, c := range map[string]struct{ input, prompt string }{
		"arguments": {"", "How do I list models?"},
		"a pipe":    {"How do I list models?", ""},
		"both":      {"llama: an animal", "What is that?"},
	} {
		r := outcome(t, nil, c.input, runGuide(brief, strings.Fields(c.prompt)...)...)
		assert.Zero(t, r.status, "%s: %s", name, r.log)
		assert.NotEmpty(t, strings.TrimSpace(r.out), name)
		assert.Empty(t, r.log, name)
	}
	figures := outcome(t, nil, "", runGuide(brief, "Hello", "--verbose")...)
	assert.Contains(t, figures.log, "eval count:            8 tokens")
}

// What is too long for the context is cut, here and by a server.
func TestRunCutsLongPrompts(t *testing.T) {
	prompt := strings.Repeat("How do I list models? ", 200)
	for _, env := range [][]string{nil, {"PUNA_HOST=" + serve(t)}} {
		r := outcome(t, env, prompt, runGuide(brief, "-o", "num_ctx=128")...)
		assert.Zero(t, r.status)
		assert.NotEmpty(t, strings.TrimSpace(r.out))
		assert.Regexp(t, `its first \d+ tokens were cut`, r.log)
	}
}

func TestRunReportsErrors(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"run", "nobody", "Hello"}, "model 'nobody' not found"},
		{[]string{"run", "./nothing.gguf", "Hello"}, `there is no file "./nothing.gguf"`},
		{[]string{"run", "guide", "--think=maybe", "Hello"}, `--think "maybe"`},
		{[]string{"run", "guide", "-o", "num_ctx=x", "Hello"}, "num_ctx"},
		{[]string{"ps"}, "start one with 'puna serve'"},
		{[]string{"stop", "guide"}, "start one with 'puna serve'"},
	} {
		r := outcome(t, nil, "", c.args...)
		assert.Equal(t, reportedError, r.status, c.args)
		assert.Contains(t, r.log, c.want, c.args)
		assert.Empty(t, r.out, c.args)
	}
}

func TestAnInterruptEndsAnAnswerFromArguments(t *testing.T) {
	cmd := command(t, nil, runGuide(lasting, "Hello")...)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	_, err = out.Read(make([]byte, 1))
	require.NoError(t, err, "it answers")
	require.NoError(t, cmd.Process.Signal(syscall.SIGINT))
	assert.Equal(t, 128+int(syscall.SIGINT), statusOf(t, cmd.Wait()))
}

// serve starts a server and returns its address.
func serve(t *testing.T) (url string) {
	t.Helper()
	return "http://" + launch(t, nil, "serve").logs(`msg=serving address=(\S+)`)
}

func TestCommandsOfAServer(t *testing.T) {
	env := []string{"PUNA_HOST=" + serve(t)}
	ask := func(args ...string) string {
		t.Helper()
		r := outcome(t, env, "", args...)
		require.Zero(t, r.status, "%v: %s", args, r.log)
		return r.out
	}
	loaded := func() (models [][]string) {
		t.Helper()
		return rows(t, ask("ps"), "NAME", "ID", "SIZE", "PROCESSOR", "CONTEXT", "UNTIL")
	}
	assert.NotEmpty(t, ask(runGuide(brief, "Hello", "--local")...))
	assert.Empty(t, loaded(), "--local leaves the server alone")
	assert.NotEmpty(t, ask(runGuide(brief, "Hello", "--keepalive=-1")...))
	running := loaded()
	require.Len(t, running, 1, "the server answered")
	assert.Equal(t, "guide:latest", running[0][0])
	assert.Regexp(t, `^\d+$`, running[0][4])
	assert.Equal(t, "Forever", running[0][5])
	ask("stop", "guide")
	require.Eventually(t, func() bool { return len(loaded()) == 0 }, patience, frameTime)

	guide := rows(t, ask("list"), "NAME", "ID", "SIZE", "MODIFIED")
	assert.Equal(t, "guide:latest", guide[0][0])
	assert.Contains(t, ask("show", "guide"), "architecture")
	assert.Contains(t, ask("show", testmodel.Path(t)), "architecture", "a path is this process's")
	assert.Equal(t, "copied 'guide' to 'mine'\n", ask("cp", "guide", "mine"))
	assert.Len(t, rows(t, ask("list", "MI"), "NAME", "ID", "SIZE", "MODIFIED"), 1)
	assert.Equal(t, "deleted 'mine'\n", ask("rm", "mine"))
}

// rows are those of a table with these columns.
func rows(t *testing.T, table string, header ...string) (cells [][]string) {
	t.Helper()
	columns := regexp.MustCompile(`\s{2,}`)
	for i, line := range strings.Split(strings.TrimSpace(table), "\n") {
		row := columns.Split(strings.TrimSpace(line), -1)
		if i == 0 {
			require.Equal(t, header, row)
			continue
		}
		require.Len(t, row, len(header), line)
		cells = append(cells, row)
	}
	return cells
}

func TestCommandsWithoutAServer(t *testing.T) {
	cache := t.TempDir() // without kernels
	env := []string{"XDG_CACHE_HOME=" + cache}
	ask := func(args ...string) string {
		t.Helper()
		r := outcome(t, env, "", args...)
		require.Zero(t, r.status, "%v: %s", args, r.log)
		return r.out
	}
	assert.Equal(t, "puna "+version()+" "+runtime.GOOS+"/"+runtime.GOARCH+"\n", ask("version"))
	guide := rows(t, ask("list"), "NAME", "ID", "SIZE", "MODIFIED")
	require.Len(t, guide, 1)
	assert.Equal(t, "guide:latest", guide[0][0])
	assert.Equal(t, "built in", guide[0][3])
	for flag, want := range map[string]string{
		"--verbose": "general.architecture", "--modelfile": "FROM ", "--parameters": "", "--template": "{",
	} {
		assert.Contains(t, ask("show", "guide", flag), want, flag)
	}

	report := ask("doctor")
	for _, line := range []string{"Puna", "llama.cpp", "Models", "Server", "CPU", "Kernels"} {
		assert.Regexp(t, `(?m)^`+line+` +\S`, report)
	}
	assert.Regexp(t, `(?m)^DEVICE +KIND +MEMORY +FREE +DESCRIPTION$`, report)

	columns := []string{"VARIANT", "BACKEND", "LLAMA.CPP", "FILE"}
	assert.Empty(t, rows(t, ask("kernels", "list"), columns...))
	dir := filepath.Join(cache, "puna", "kernels", "some")
	require.NoError(t, os.MkdirAll(dir, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(dir, build.ManifestName),
		[]byte(`{"llama_commit": "abc", "base": {"file": "base.so"}, "modules": [{"file": "k.so", "variant": "fast", "backend": "cpu"}]}`), 0o644))
	assert.Equal(t, [][]string{{"fast", "cpu", "abc", filepath.Join(dir, "k.so")}}, rows(t, ask("kernels", "list"), columns...))
}
