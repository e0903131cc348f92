package build

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
)

// toolchain is what a build runs: paths, and what identifies the compiler.
type toolchain struct {
	cmake, cc, cxx string
	generator      string // a CMake generator
	compiler       string // first line of cxx --version, and its target
	nvcc           string // path, empty unless CUDA is asked for
	cuda           string // nvcc's version line and the card architectures
}

// findTools looks for the programs that a build needs in PATH. The error for
// those that are missing names the packages of Debian and Ubuntu.
func findTools(ctx context.Context, o *Options, cuda bool) (*toolchain, error) {
	t := &toolchain{}
	var missing []string
	t.cmake = find(&missing, "cmake", "cmake")
	t.cc = find(&missing, "gcc", o.CC, "gcc", "clang", "cc")
	t.cxx = find(&missing, "g++", o.CXX, "g++", "clang++", "c++")
	if _, err := exec.LookPath("ninja"); err == nil {
		t.generator = "Ninja"
	} else if _, err := exec.LookPath("make"); err == nil {
		t.generator = "Unix Makefiles"
	} else {
		missing = append(missing, "ninja-build")
	}
	if len(missing) > 0 {
		return nil, &MissingToolsError{Packages: missing}
	}
	var err error
	if t.compiler, err = compilerID(ctx, t.cxx); err != nil {
		return nil, err
	}
	if cuda {
		t.nvcc = find(&missing, "nvidia-cuda-toolkit", o.NVCC, "nvcc", "/usr/local/cuda/bin/nvcc")
		if len(missing) > 0 {
			return nil, &MissingToolsError{Packages: missing}
		}
		if t.cuda, err = nvccID(ctx, t.nvcc); err != nil {
			return nil, err
		}
		t.cuda += " for " + o.CUDAArch
	}
	return t, nil
}

// MissingToolsError says which programs a build lacks.
type MissingToolsError struct {
	Packages []string // Debian's and Ubuntu's names
}

func (e *MissingToolsError) Error() string {
	list := strings.Join(e.Packages, " ")
	return fmt.Sprintf("to build kernels these are missing: %s; install them with: sudo apt-get install -y %s",
		strings.Join(e.Packages, ", "), list)
}

// find returns the first candidate that is there; else it adds the package.
func find(missing *[]string, pkg string, candidates ...string) string {
	for _, c := range candidates {
		if c == "" {
			continue
		}
		if p, err := exec.LookPath(c); err == nil {
			return p
		}
	}
	*missing = append(*missing, pkg)
	return ""
}

func compilerID(ctx context.Context, cxx string) (string, error) {
	version, err := output(ctx, cxx, "--version")
	if err != nil {
		return "", err
	}
	target, err := output(ctx, cxx, "-dumpmachine")
	if err != nil {
		return "", err
	}
	first, _, _ := strings.Cut(version, "\n")
	return first + ", " + strings.TrimSpace(target), nil
}

func nvccID(ctx context.Context, nvcc string) (string, error) {
	version, err := output(ctx, nvcc, "--version")
	if err != nil {
		return "", err
	}
	lines := strings.Split(strings.TrimSpace(version), "\n")
	return "nvcc " + strings.TrimSpace(lines[len(lines)-1]), nil
}

// output runs a program and returns what it prints; its error holds what it
// printed to stderr.
func output(ctx context.Context, name string, args ...string) (string, error) {
	var stderr strings.Builder
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, strings.TrimSpace(stderr.String()))
	}
	return string(out), nil
}
