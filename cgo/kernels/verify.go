package kernels

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// proofTimeout ends a proof that hangs; one takes about a second on a CPU.
const proofTimeout = 2 * time.Minute

// Verify finds modules as [Load] does and lets each that isn't proven prove itself
// in a child process of o.ProveWith, Puna's command line. It keeps the verdicts for
// later processes and returns every candidate, best first. Modules that failed
// before get another chance. It loads nothing, and may be called before or after
// [Load].
func Verify(ctx context.Context, o Options) ([]Candidate, error) {
	s, err := survey(o)
	if err != nil {
		return nil, err
	}
	for _, c := range s.candidates {
		if c.State == Proven || c.key == "" || c.lacks() != "" {
			continue
		}
		if err = s.prove(ctx, c); err != nil {
			break
		}
	}
	return s.list(), errors.Join(err, s.book.save())
}

// prove runs a module's proof in a child process and records the verdict. An error
// means that there is none.
func (s *scene) prove(ctx context.Context, c *Candidate) error {
	if s.o.ProveWith == "" {
		return fmt.Errorf("kernels: proving modules needs the puna program; run %q", DoctorCommand)
	}
	s.log.Info("proving kernels on this machine, once", "variant", c.Variant, "path", c.Path)
	files, err := c.folder.open(c.module)
	if err != nil {
		c.State, c.Reason = Bad, err.Error()
		return nil
	}
	v, err := runProof(ctx, s.o.ProveWith, files)
	if err != nil {
		return fmt.Errorf("kernels: prove %s: %w", c.Path, err)
	}
	v.Variant = c.Variant
	s.book.add(c.key, v)
	c.decide(v)
	if v.State == Bad {
		s.log.Warn("kernels don't compute what they should and are not used", "variant", c.Variant, "path", c.Path, "reason", v.Reason)
	}
	return nil
}

// runProof runs "exe kernels prove" on a module. A child that dies is a verdict; one
// that can't be started, or that the caller gave up, is an error.
func runProof(ctx context.Context, exe string, m opened) (Verdict, error) {
	start := time.Now()
	limited, cancel := context.WithTimeout(ctx, proofTimeout)
	defer cancel()
	args := []string{"kernels", "prove"}
	for i, path := range []string{m.path, m.base} {
		if m.files != nil { // descriptors have other numbers over there, from 3 on
			path = fmt.Sprintf("/proc/self/fd/%d", 3+i)
		}
		if path != "" {
			args = append(args, path)
		}
	}
	cmd := exec.CommandContext(limited, exe, args...)
	cmd.ExtraFiles = m.files
	cmd.WaitDelay = time.Second
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if ctx.Err() != nil {
		return Verdict{}, context.Cause(ctx)
	}
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return Verdict{}, err
	}
	var v Verdict
	if jsonErr := json.Unmarshal(stdout.Bytes(), &v); jsonErr == nil && (v.State == Proven) == (err == nil) && v.State != "" {
		return v, nil
	}
	if err == nil {
		return Verdict{}, fmt.Errorf("\"%s kernels prove\" says nothing: is it the puna program?", exe)
	}
	return Verdict{
		State: Bad, Reason: death(limited, exit, stderr.String()),
		At: start.UTC().Truncate(time.Second), Seconds: time.Since(start).Seconds(),
	}, nil
}

// death says how a proof ended that gave no verdict.
func death(ctx context.Context, exit *exec.ExitError, stderr string) string {
	how := "ended with " + exit.String()
	if ws, ok := exit.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		how = "was killed by " + ws.Signal().String()
	}
	if ctx.Err() != nil {
		how = fmt.Sprintf("took longer than %s", proofTimeout)
	}
	return "its proof " + how + LastWords(stderr)
}

// LastWords is what a process said on stderr about its death, after a colon, for an
// error: Go's runtime names the signal at the start of a line, after whatever C printed.
func LastWords(stderr string) string {
	var said string
	for line := range strings.Lines(stderr) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "SIG") || strings.HasPrefix(line, "fatal error:") || strings.HasPrefix(line, "panic:") {
			said = line
			break
		}
		if said == "" {
			said = line
		}
	}
	if said == "" {
		return ""
	}
	return ": " + said[:min(len(said), 200)]
}

// bookPath is verdicts.json's place; "" keeps no verdicts.
func bookPath(cacheDir string) string {
	if cacheDir == "" {
		user, err := os.UserCacheDir()
		if err != nil {
			return ""
		}
		cacheDir = user
	}
	return filepath.Join(cacheDir, "puna", "verdicts.json")
}
