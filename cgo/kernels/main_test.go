package kernels

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/puna-ai/puna/cgo/ggml"
	"github.com/puna-ai/puna/cgo/kernels/build"
)

// TestMain plays Puna's command line for proofs, and a program that loads kernels:
// a process can do that only once.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == "kernels" && os.Args[2] == "prove" {
		os.Exit(ProveMain(os.Args[3:], os.Stdout))
	}
	if in := os.Getenv("PUNA_TEST_LOAD"); in != "" {
		os.Exit(hostProgram(in))
	}
	os.Exit(m.Run())
}

// loadOptions are the Options of a host program.
type loadOptions struct{ Dir, CacheDir, ProveWith, Variant string }

// loadResult is what a host program says.
type loadResult struct {
	Report  Report
	Err     string
	Log     string // of this package
	CLog    string // of ggml
	Seconds float64

	PoolOf  string // the file that ggml_threadpool_new comes from
	Paused  bool
	Layouts map[string]string // where 4096 x 4096 weights of a type go
}

func hostProgram(in string) int {
	var o loadOptions
	if err := json.Unmarshal([]byte(in), &o); err != nil {
		panic(err)
	}
	var log, clog bytes.Buffer
	ggml.SetLogger(slog.New(slog.NewTextHandler(&clog, nil)))
	start := time.Now()
	r, err := Load(Options{o.Dir, o.CacheDir, o.ProveWith, o.Variant, slog.New(slog.NewTextHandler(&log, nil))})
	out := loadResult{Report: r, Seconds: time.Since(start).Seconds(), Log: log.String(), Layouts: map[string]string{}}
	if err != nil {
		out.Err = err.Error()
	}
	pool, err := NewThreadpool(ggml.ThreadpoolParams{Threads: 2})
	if err != nil {
		panic(err)
	}
	out.Paused = pool.Pause() && pool.Resume()
	pool.Close()
	cpu, _ := ggml.DeviceByType(ggml.CPU)
	out.PoolOf = fileAt(uintptr(cpu.Reg().ProcAddress("ggml_threadpool_new")))
	for _, t := range proofTypes {
		if layout, ok := RepacksTo(t, 4096, 4096); ok {
			out.Layouts[t.String()] = layout.Name()
		}
	}
	ctx := ggml.NewContext(1)
	ctx.NewTensor2D(ggml.F32, 1<<22, 1<<22) // 64 TiB: the backend in use logs that it can't
	if _, err := ctx.Alloc(cpu.BufferType()); err == nil {
		panic("64 TiB allocated")
	}
	ctx.Close()
	out.CLog = clog.String()
	if err := json.NewEncoder(os.Stdout).Encode(out); err != nil {
		panic(err)
	}
	return 0
}

// fileAt returns the file that an address of this process is mapped from.
func fileAt(addr uintptr) string {
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		panic(err)
	}
	for line := range strings.Lines(string(maps)) {
		fields := strings.Fields(line)
		from, to, _ := strings.Cut(fields[0], "-")
		if hexAddr(from) <= addr && addr < hexAddr(to) {
			return strings.Join(fields[5:], " ")
		}
	}
	return ""
}

func hexAddr(s string) uintptr {
	var a uintptr
	for _, c := range []byte(s) {
		a = a<<4 | uintptr(strings.IndexByte("0123456789abcdef", c))
	}
	return a
}

// runLoad runs a host program that loads kernels.
func runLoad(t *testing.T, o loadOptions) loadResult {
	t.Helper()
	in, err := json.Marshal(o)
	require.NoError(t, err)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "PUNA_TEST_LOAD="+string(in))
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	require.NoError(t, err, stderr.String())
	var r loadResult
	require.NoError(t, json.Unmarshal(out, &r))
	return r
}

// realKernels returns the kernels that were built for this machine.
func realKernels(t *testing.T) *diskFolder {
	t.Helper()
	found, err := cachedFolders("")
	require.NoError(t, err)
	if len(found) == 0 {
		t.Skip("no kernels are built: run \"make kernels\"")
	}
	needVariants(t, 2)
	return found[0].(*diskFolder)
}

// needVariants skips a test that tells so many kernels of this CPU apart.
func needVariants(t *testing.T, n int) {
	t.Helper()
	if all := build.Supported(); len(all) < n {
		t.Skipf("this CPU supports %d variants of the kernels, not %d: run on one with AVX, or on arm64 with FP16", len(all), n)
	}
}

// bestOf returns the folder's best module for this CPU.
func bestOf(t *testing.T, f *diskFolder) build.Module {
	t.Helper()
	best := slices.MaxFunc(f.m.Modules, func(a, b build.Module) int { return rank(a) - rank(b) })
	require.Positive(t, rank(best), "no module for this CPU")
	return best
}

// testFolder makes a kernels folder with the real libggml-base.
func testFolder(t *testing.T, real *diskFolder) *diskFolder {
	t.Helper()
	f := &diskFolder{FromDir, t.TempDir(), &build.Manifest{LlamaCommit: commit(), Arch: runtime.GOARCH}}
	f.m.Base = f.copyFrom(t, filepath.Join(real.dir, real.m.Base.Name))
	return f
}

// copyFrom adds a file to the folder.
func (d *diskFolder) copyFrom(t *testing.T, path string) build.File {
	t.Helper()
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(d.dir, filepath.Base(path)), data, 0o755))
	sum := sha256.Sum256(data)
	return build.File{Name: filepath.Base(path), SHA256: hex.EncodeToString(sum[:])}
}

// add adds a module to the folder and its manifest.
func (d *diskFolder) add(t *testing.T, path, variant string) {
	t.Helper()
	d.m.Modules = append(d.m.Modules, build.Module{File: d.copyFrom(t, path), Variant: variant, Backend: "cpu"})
	d.save(t)
}

func (d *diskFolder) save(t *testing.T) {
	t.Helper()
	data, err := json.Marshal(d.m)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(d.dir, build.ManifestName), data, 0o644))
}

// compileModule compiles testdata/NAME.c to a module.
func compileModule(t *testing.T, name string, real *diskFolder, flags ...string) string {
	t.Helper()
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/ollama/ollama").Output()
	require.NoError(t, err)
	src := filepath.Join(strings.TrimSpace(string(dir)), "ml/backend/ggml/ggml/src")
	out := filepath.Join(t.TempDir(), "libggml-cpu-"+name+".so")
	args := append([]string{"-shared", "-fPIC", "-o", out, "testdata/" + name + ".c", "-I" + src, "-I" + src + "/../include"}, flags...)
	if name == "wrong" {
		args = append(args, filepath.Join(real.dir, real.m.Base.Name), "-Wl,-rpath,$ORIGIN")
	}
	msg, err := exec.Command("cc", args...).CombinedOutput()
	require.NoError(t, err, string(msg))
	return out
}
