package reference

import (
	"bufio"
	"cmp"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

//go:embed c/reference.c
var source []byte

// ErrNoLibrary means that pkg-config knows no llama: there is nothing to link.
var ErrNoLibrary = errors.New("no shared libllama: 'make libllama' builds it, and PKG_CONFIG_PATH must name its lib/pkgconfig")

// Options say what to run.
type Options struct {
	Model   string // GGUF file
	Module  string // CPU kernels, libggml-cpu-*.so; "": the baseline
	Threads int
	Ctx     int // tokens
	Ubatch  int // tokens of a batch and of a ubatch
	Repack  bool
}

// Loop is a running reference. It serves one goroutine; Close ends it.
type Loop struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

// Result is one greedy answer.
type Result struct {
	Tokens []int
	Prompt time.Duration // until the first token is known
	Eval   time.Duration // of the other len(Tokens)-1
}

// Build compiles the program into dir and returns its path.
func Build(dir string) (string, error) {
	flags, err := exec.Command("pkg-config", "--cflags", "--libs", "llama").Output()
	if err != nil {
		return "", ErrNoLibrary
	}
	libdir, err := exec.Command("pkg-config", "--variable=libdir", "llama").Output()
	if err != nil {
		return "", ErrNoLibrary
	}
	c, bin := filepath.Join(dir, "reference.c"), filepath.Join(dir, "reference")
	if err := os.WriteFile(c, source, 0o644); err != nil {
		return "", err
	}
	args := append([]string{"-O2", "-o", bin, c}, strings.Fields(string(flags))...)
	args = append(args, "-lggml", "-lggml-base", "-Wl,-rpath,"+strings.TrimSpace(string(libdir)))
	if out, err := exec.Command("cc", args...).CombinedOutput(); err != nil {
		return "", fmt.Errorf("compiling the reference: %w\n%s", err, out)
	}
	return bin, nil
}

// Start runs the program that Build made.
func Start(bin string, o Options) (*Loop, error) {
	repack := "0"
	if o.Repack {
		repack = "1"
	}
	cmd := exec.Command(bin, o.Model, cmp.Or(o.Module, "-"), strconv.Itoa(o.Threads), strconv.Itoa(o.Ctx), strconv.Itoa(o.Ubatch), repack)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	return &Loop{cmd, in, bufio.NewReaderSize(out, 1<<20)}, cmd.Start()
}

// Run generates n tokens greedily after prompt, end-of-turn tokens included.
func (l *Loop) Run(prompt []int, n int) (Result, error) {
	var job strings.Builder
	job.WriteString(strconv.Itoa(n))
	for _, token := range prompt {
		fmt.Fprintf(&job, " %d", token)
	}
	if _, err := io.WriteString(l.in, job.String()+"\n"); err != nil {
		return Result{}, fmt.Errorf("the reference has ended: %w", err)
	}
	line, err := l.out.ReadString('\n')
	if err != nil {
		return Result{}, fmt.Errorf("the reference has ended: %w", err)
	}
	var numbers []int
	for word := range strings.FieldsSeq(line) {
		number, err := strconv.Atoi(word)
		if err != nil {
			return Result{}, fmt.Errorf("the reference printed %q: %w", line, err)
		}
		numbers = append(numbers, number)
	}
	if len(numbers) != 2+n {
		return Result{}, fmt.Errorf("the reference printed %d numbers, not %d", len(numbers), 2+n)
	}
	micro := func(n int) time.Duration { return time.Duration(n) * time.Microsecond }
	return Result{Tokens: numbers[2:], Prompt: micro(numbers[0]), Eval: micro(numbers[1])}, nil
}

// Close ends the program.
func (l *Loop) Close() error {
	l.in.Close()
	return l.cmd.Wait()
}
