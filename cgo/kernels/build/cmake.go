package build

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// tree is one CMake build folder, thrown away after the build.
type tree struct {
	o     *Options
	tools *toolchain
	dir   string   // holds src/, build/, install/ and build.log
	flags []string // -D flags that shape the product; they are part of its key
}

// configure runs CMake over the embedded files.
func (t *tree) configure(ctx context.Context, ollamaDir string, local ...string) error {
	if err := os.CopyFS(filepath.Join(t.dir, "src"), cmakeFiles()); err != nil {
		return err
	}
	args := append([]string{
		"-S", filepath.Join(t.dir, "src"), "-B", filepath.Join(t.dir, "build"), "-G", t.tools.generator,
		"-DOLLAMA_DIR=" + ollamaDir,
		"-DCMAKE_C_COMPILER=" + t.tools.cc, "-DCMAKE_CXX_COMPILER=" + t.tools.cxx,
	}, t.flags...)
	return t.run(ctx, append(args, local...)...)
}

// make builds targets; none is all.
func (t *tree) make(ctx context.Context, targets ...string) error {
	args := []string{"--build", filepath.Join(t.dir, "build"), "--parallel", strconv.Itoa(t.o.Jobs)}
	if len(targets) > 0 {
		args = append(append(args, "--target"), targets...)
	}
	return t.run(ctx, args...)
}

// run runs CMake. Its output goes to build.log; the error holds the lines that
// tell why. When ctx ends, the compilers it started end with it.
func (t *tree) run(ctx context.Context, args ...string) error {
	log, err := os.OpenFile(filepath.Join(t.dir, "build.log"), os.O_CREATE|os.O_APPEND|os.O_RDWR, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.CommandContext(ctx, t.tools.cmake, args...)
	pr, pw := io.Pipe()
	cmd.Stdout, cmd.Stderr = pw, pw
	endTogether(cmd)
	done := make(chan struct{})
	go func() {
		defer close(done)
		t.follow(pr, log)
	}()
	err = cmd.Run()
	pw.Close()
	<-done
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		return fmt.Errorf("cmake %s: %w\n%s", args[0], err, whyFailed(log.Name()))
	}
	return nil
}

// follow copies the build's output to the log and reports its progress.
func (t *tree) follow(r io.Reader, log io.Writer) {
	lines := bufio.NewReader(r)
	for {
		line, err := lines.ReadString('\n')
		io.WriteString(log, line)
		if done, total, ok := progress(line); ok && t.o.Progress != nil {
			t.o.Progress(done, total)
		}
		if err != nil {
			return
		}
	}
}

var (
	ninjaStep = regexp.MustCompile(`^\[(\d+)/(\d+)\] `)
	makeStep  = regexp.MustCompile(`^\[ *(\d+)%\] `)
)

// progress reads a line of Ninja's or make's output.
func progress(line string) (done, total int, ok bool) {
	if m := ninjaStep.FindStringSubmatch(line); m != nil {
		done, _ = strconv.Atoi(m[1])
		total, _ = strconv.Atoi(m[2])
		return done, total, true
	}
	if m := makeStep.FindStringSubmatch(line); m != nil {
		done, _ = strconv.Atoi(m[1])
		return done, 100, true
	}
	return 0, 0, false
}

// whyFailed picks from a build's log the lines around the first error, and
// its end.
func whyFailed(path string) string {
	data, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(data)), "\n")
	for i, l := range lines {
		if strings.Contains(l, "error:") || strings.Contains(l, "CMake Error") {
			lines = lines[max(0, i-2):min(len(lines), i+18)]
			break
		}
	}
	return strings.Join(lines[max(0, len(lines)-20):], "\n")
}
