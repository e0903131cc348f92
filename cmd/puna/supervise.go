package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	settled  = 10 * time.Second       // a child that lived so long didn't die at once
	minPause = 100 * time.Millisecond // before the next child, after one that did
	maxPause = 30 * time.Second
)

// exitStatus is the error of a command that ends this program with a child's status.
type exitStatus int

func (s exitStatus) Error() string { return fmt.Sprintf("exit status %d", int(s)) }

// supervise listens, and has children of this program serve, one after the other. The
// socket is open all the time: who connects while no child runs waits in its backlog.
func (c *config) supervise() error {
	ln, err := c.listen()
	if err != nil {
		return err
	}
	defer ln.Close()
	shared, ok := ln.(interface{ File() (*os.File, error) })
	if !ok {
		return fmt.Errorf("the listener at %s can't be passed to another process", ln.Addr())
	}
	socket, err := shared.File()
	if err != nil {
		return fmt.Errorf("passing on the listener at %s: %w", ln.Addr(), err)
	}
	defer socket.Close()
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)
	s := supervisor{command: func() *exec.Cmd { return serveCommand(socket) }, signals: signals}
	return s.run()
}

// listen opens the socket that config names, or takes the one that is open already.
func (c *config) listen() (net.Listener, error) {
	if c.listenFD == 0 {
		ln, err := net.Listen("tcp", c.host.Host)
		if err != nil {
			err = fmt.Errorf("listening on %s: %w (another server may be running; PUNA_HOST sets the address)", c.host.Host, err)
		}
		return ln, err
	}
	f := os.NewFile(uintptr(c.listenFD), "listener")
	defer f.Close() // the listener has a duplicate, which no child inherits
	ln, err := net.FileListener(f)
	if err != nil {
		err = fmt.Errorf("PUNA_LISTEN_FD=%d: %w (it must be the number of an open, listening socket)", c.listenFD, err)
	}
	return ln, err
}

// serveCommand is this program, as it was called, but serving from socket itself.
func serveCommand(socket *os.File) *exec.Cmd {
	const firstExtra = 3
	args := slices.DeleteFunc(slices.Clone(os.Args[1:]), func(a string) bool { return strings.HasPrefix(a, "--supervise") })
	cmd := exec.Command(executable(), args...)
	cmd.Env = append(os.Environ(), "PUNA_LISTEN_FD="+strconv.Itoa(firstExtra))
	cmd.ExtraFiles = []*os.File{socket}
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	dieWithParent(cmd)
	return cmd
}

// supervisor keeps a child running.
type supervisor struct {
	command func() *exec.Cmd
	signals <-chan os.Signal // passed on to the child, which is expected to end
}

// run starts a child, and the next one when it dies. It ends with the child that was
// asked to end, that ended of itself without an error, or that is the first and
// reports an error: neither its configuration nor the socket gets better by another try.
func (s *supervisor) run() error {
	runtime.LockOSThread() // children die with the thread that started them
	defer runtime.UnlockOSThread()
	var pause time.Duration
	for first := true; ; first = false {
		began := time.Now()
		end := s.runChild()
		code, lived := end.code(), time.Since(began)
		switch {
		case code == 0:
			return nil
		case end.asked, first && code == reportedError:
			return exitStatus(code)
		case first && end.state == nil:
			return fmt.Errorf("starting the engine's process: %w", end.err)
		}
		pause = nextPause(pause, lived)
		slog.Error("the engine's process died; another one takes its place", "pid", end.pid, "how", end.how(),
			"lived", lived.Round(time.Millisecond), "pause", pause)
		select {
		case <-s.signals:
			return nil
		case <-time.After(pause):
		}
	}
}

// nextPause is how long to wait after a child that lived so long, the last wait being
// given: not at all, but longer and longer where one after the other dies at once.
func nextPause(last, lived time.Duration) time.Duration {
	if lived >= settled {
		return 0
	}
	return min(max(2*last, minPause), maxPause)
}

// ending says how a child ended.
type ending struct {
	pid   int
	asked bool             // by a signal that was passed on
	state *os.ProcessState // nil: it didn't start
	err   error            // why not
}

// runChild runs a child to its end.
func (s *supervisor) runChild() ending {
	cmd := s.command()
	if err := cmd.Start(); err != nil {
		return ending{err: err}
	}
	end := ending{pid: cmd.Process.Pid}
	slog.Info("started the engine's process", "pid", end.pid)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		end.err = cmd.Wait()
	}()
	for {
		select {
		case sig := <-s.signals:
			end.asked = true
			if err := cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
				slog.Warn("a signal could not be passed on", "signal", sig, "pid", end.pid, "error", err)
			}
		case <-ended:
			end.state = cmd.ProcessState
			return end
		}
	}
}

// code is the status as a shell has it: 128 and more for signals.
func (e ending) code() int {
	if e.state == nil {
		return -1
	}
	if ws, ok := e.state.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		return 128 + int(ws.Signal())
	}
	return e.state.ExitCode()
}

func (e ending) how() string {
	switch {
	case e.state == nil:
		return "it could not be started: " + e.err.Error()
	case e.code() == 128+int(syscall.SIGKILL):
		return e.state.String() + " (by someone, or by the system for want of memory)"
	default:
		return e.state.String() // "signal: aborted (core dumped)"
	}
}
