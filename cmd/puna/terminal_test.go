//go:build linux

package main

import (
	"context"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"regexp"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/puna-ai/puna"
	"github.com/puna-ai/puna/internal/testmodel"
	"github.com/puna-ai/puna/server"
	"github.com/puna-ai/puna/server/servertest"
)

// terminal is one with a puna on it.
type terminal struct {
	t      *testing.T
	cmd    *exec.Cmd
	typing *os.File
	output chan []byte
	seen   string // and not yet asked for
}

const (
	prompt = ">>> "
	ctrlC  = "\x03"
	ctrlD  = "\x04"
)

// openTerminal starts puna on a terminal of its own.
func openTerminal(t *testing.T, env []string, args ...string) *terminal {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skip("no terminals here:", err)
	}
	number, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	require.NoError(t, err)
	require.NoError(t, unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0))
	require.NoError(t, unix.IoctlSetWinsize(int(master.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: 120}))
	slave, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	require.NoError(t, err)
	defer slave.Close()

	x := &terminal{t: t, cmd: command(t, env, args...), typing: master, output: make(chan []byte, 10_000)}
	cache, err := os.UserCacheDir()
	require.NoError(t, err)
	x.cmd.Env = append(x.cmd.Env, "XDG_CACHE_HOME="+cache, "HOME="+t.TempDir()) // where the history goes
	x.cmd.Stdin, x.cmd.Stdout, x.cmd.Stderr = slave, slave, slave
	x.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	require.NoError(t, x.cmd.Start())
	go x.read()
	t.Cleanup(func() {
		_ = x.cmd.Process.Kill()
		_ = x.cmd.Wait()
		for range x.output { // until nobody has the terminal
		}
		master.Close()
	})
	return x
}

func (x *terminal) read() {
	defer close(x.output)
	for {
		buf := make([]byte, 4096)
		n, err := x.typing.Read(buf)
		if err != nil { // the program ended
			return
		}
		x.output <- buf[:n]
	}
}

func (x *terminal) types(text string) {
	x.t.Helper()
	_, err := x.typing.WriteString(text)
	require.NoError(x.t, err)
}

var controls = regexp.MustCompile("\x1b\\[[0-9;?]*[a-zA-Z]")

// shows waits until the terminal shows the pattern, colours and the like apart, after
// what was waited for last.
func (x *terminal) shows(pattern string) {
	x.t.Helper()
	want := regexp.MustCompile(pattern)
	deadline := time.After(patience)
	for {
		x.seen = controls.ReplaceAllString(x.seen, "")
		if at := want.FindStringIndex(x.seen); at != nil {
			x.seen = x.seen[at[1]:]
			return
		}
		select {
		case more, ok := <-x.output:
			require.True(x.t, ok, "the program ended without showing %q after %q", pattern, x.seen)
			x.seen += string(more)
		case <-deadline:
			require.Fail(x.t, "not shown", "%q after %q", pattern, x.seen)
		}
	}
}

// enters types a line at the prompt.
func (x *terminal) enters(line string) {
	x.t.Helper()
	x.shows(prompt)
	x.types(line + "\r")
}

// ends waits for the program's end and returns its status.
func (x *terminal) ends() int {
	x.t.Helper()
	deadline := time.After(patience)
	for {
		select {
		case _, ok := <-x.output:
			if !ok {
				return statusOf(x.t, x.cmd.Wait())
			}
		case <-deadline:
			require.Fail(x.t, "the program goes on")
		}
	}
}

func TestAChat(t *testing.T) {
	for name, env := range map[string][]string{"in this process": nil, "by a server": {"PUNA_HOST=" + serve(t)}} {
		t.Run(name, func(t *testing.T) {
			x := openTerminal(t, env, runGuide(lasting, "--verbose")...)
			x.enters("/?")
			x.shows("Available commands")
			x.enters("/set parameter num_predict 5")
			x.shows("Set parameter num_predict")
			x.enters("Hello!")
			x.shows(`\neval count: +5 tokens`)
			x.enters("/nonsense")
			x.shows("there is no command /nonsense")
			x.enters("/show parameters")
			x.enters("/list")
			x.shows("guide:latest")
			x.enters("/clear")
			x.shows("Cleared the chat")
			x.enters("/load nobody")
			x.shows("model 'nobody' not found")
			x.shows(prompt)
			x.types(ctrlC)
			x.shows("/bye to exit")
			x.enters("/bye")
			assert.Zero(t, x.ends())
		})
	}
}

func TestAnInterruptEndsAnAnswerAndNotTheChat(t *testing.T) {
	x := openTerminal(t, nil, runGuide(lasting)...)
	for range 2 {
		x.enters("go on")
		x.shows(`go on\r\n[\s⠀-⣿]*[^\s⠀-⣿\x1b]`) // more than the spinner
		x.types(ctrlC)
	}
	x.shows(prompt)
	x.types(ctrlD)
	assert.Zero(t, x.ends())
}

// slow is a service whose model "slow" never loads.
type slow struct {
	*servertest.Fake
	loading chan struct{}
}

func (s slow) Load(ctx context.Context, req *puna.Request) error {
	if req.Model != "slow" {
		return s.Fake.Load(ctx, req)
	}
	s.loading <- struct{}{}
	<-ctx.Done()
	return puna.Errorf(puna.Canceled, "%w", ctx.Err())
}

func serveSlow(t *testing.T) (svc slow, env []string) {
	t.Helper()
	svc = slow{servertest.New("quick", "slow"), make(chan struct{})}
	web := httptest.NewServer(&server.Server{Service: svc, Version: ollamaVersion})
	t.Cleanup(web.Close)
	return svc, []string{"PUNA_HOST=" + web.URL}
}

func TestAnInterruptEndsALoad(t *testing.T) {
	svc, env := serveSlow(t)
	x := openTerminal(t, env, "run", "slow")
	<-svc.loading
	x.types(ctrlC)
	assert.Equal(t, 128+int(syscall.SIGINT), x.ends(), "there is nothing to chat with")

	x = openTerminal(t, env, "run", "quick")
	x.enters("/load slow")
	<-svc.loading
	x.types(ctrlC)
	x.shows("Stopped.")
	x.enters("Hello!")
	x.enters("/bye")
	assert.Zero(t, x.ends())
	assert.Equal(t, "quick", svc.Last().Model, "the chat goes on with its model")
}

func TestEntriesOfSeveralLines(t *testing.T) {
	svc, env := serveSlow(t)
	x := openTerminal(t, env, "run", "quick")
	x.enters(`/set system """Be brief.`)
	x.shows(`\.\.\. `)
	x.types("Be kind.\"\"\"\r")
	x.shows("Set system.")
	x.shows(prompt)
	x.types("\x1b[200~/etc/hosts\rWhat is that?\x1b[201~\r")
	x.enters("/load " + testmodel.Path(t))
	x.shows("it opens no files")
	x.enters("/bye")
	assert.Zero(t, x.ends())
	assert.Equal(t, []puna.Message{
		{Role: puna.System, Content: "Be brief.\nBe kind."},
		{Role: puna.User, Content: "/etc/hosts\nWhat is that?"},
	}, svc.Last().Messages)
}
