package kernels

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/puna-ai/puna/cgo/ggml"
	"github.com/puna-ai/puna/cgo/kernels/build"
)

func TestLoadWithoutKernels(t *testing.T) {
	r := runLoad(t, loadOptions{CacheDir: t.TempDir(), ProveWith: os.Args[0]})
	assert.Empty(t, r.Err)
	assert.Equal(t, Baseline, r.Report.Variant)
	assert.Equal(t, "no kernels are installed", r.Report.Why)
	assert.Empty(t, r.Report.Candidates)
	require.Len(t, r.Report.Devices, 1)
	assert.Equal(t, "CPU", r.Report.Devices[0].Name)
	assert.True(t, r.Paused)
	if s := build.Supported(); len(s) > 0 && !ggml.System {
		assert.Equal(t, s[len(s)-1].Name, r.Report.Faster)
		assert.Equal(t, BuildCommand, r.Report.FasterCommand)
		assert.Regexp(t, `^time=\S+ level=WARN msg="no kernels .* command="`+BuildCommand+`"\n$`, r.Log)
	}
}

// A library uses what the puna program proved, and nothing else.
func TestLoadProvesOnce(t *testing.T) {
	real := realKernels(t)
	best := bestOf(t, real)
	o := loadOptions{Dir: real.dir, CacheDir: t.TempDir()}

	r := runLoad(t, o)
	assert.Empty(t, r.Err)
	assert.Equal(t, Baseline, r.Report.Variant)
	assert.Equal(t, Unproven, r.Report.Candidates[0].State)
	assert.Contains(t, r.Log, DoctorCommand)
	assert.NoFileExists(t, filepath.Join(o.CacheDir, "puna/verdicts.json.tmp"))

	o.ProveWith = os.Args[0]
	r = runLoad(t, o)
	assert.Empty(t, r.Err)
	assert.Equal(t, best.Variant, r.Report.Variant)
	assert.Contains(t, r.Log, "proving kernels")

	o.ProveWith = ""
	r = runLoad(t, o)
	assert.Empty(t, r.Err)
	assert.Empty(t, r.Log)
	assert.Equal(t, best.Variant, r.Report.Variant)
	assert.Equal(t, "the best of the proven variants for this CPU", r.Report.Why)
	path := filepath.Join(real.dir, best.Name)
	assert.Equal(t, path, r.Report.Path)
	used := r.Report.Candidates[0]
	assert.True(t, used.Used)
	assert.Equal(t, Proven, used.State)
	assert.Greater(t, used.Verdict.Cases, len(proofTypes)*len(shapes)/2)
	assert.Positive(t, used.Verdict.Score)
	t.Logf("%s: loaded in %.1f ms, proof took %.2f s, largest error %.1e",
		used.Variant, 1e3*r.Seconds, used.Verdict.Seconds, used.Verdict.Error)

	// Threads and logs are the module's.
	assert.Equal(t, path, r.PoolOf)
	assert.True(t, r.Paused)
	assert.Contains(t, r.CLog, "ggml_aligned_malloc")
	require.Len(t, r.Report.Devices, 1, "the baseline's device isn't listed beside the module's")
	assert.NotEmpty(t, r.Report.Devices[0].Features)
	for typ, layout := range r.Layouts {
		assert.Contains(t, r.Report.Repacks, layout, typ)
	}
	assert.NotContains(t, r.Layouts, "f32")
}

func TestLoadNamedVariant(t *testing.T) {
	real := realKernels(t)
	o := loadOptions{Dir: real.dir, CacheDir: t.TempDir(), ProveWith: os.Args[0], Variant: Baseline}
	r := runLoad(t, o)
	assert.Empty(t, r.Err)
	assert.Empty(t, r.Log)
	assert.Equal(t, Baseline, r.Report.Variant)
	assert.Equal(t, "it was asked for", r.Report.Why)

	o.Variant = real.m.Modules[0].Variant
	r = runLoad(t, o)
	if rank(real.m.Modules[0]) > 0 {
		assert.Empty(t, r.Err)
		assert.Equal(t, o.Variant, r.Report.Variant)
	}

	o.Variant = "pentium"
	r = runLoad(t, o)
	assert.Equal(t, `kernels: the variant "pentium" is not installed; run "`+BuildCommand+` pentium"`, r.Err)
	assert.Equal(t, Baseline, r.Report.Variant)
}

func TestLoadBadFolder(t *testing.T) {
	dir := t.TempDir()
	r := runLoad(t, loadOptions{Dir: dir, CacheDir: dir})
	assert.Contains(t, r.Err, "no kernels in "+dir)
	assert.Equal(t, Baseline, r.Report.Variant)

	f := &diskFolder{FromDir, dir, &build.Manifest{LlamaCommit: "0000000", Arch: "amd64", Base: build.File{Name: "b"}}}
	f.save(t)
	r = runLoad(t, loadOptions{Dir: dir, CacheDir: dir})
	assert.Contains(t, r.Err, "are for llama.cpp 0000000 on amd64, this program needs "+commit())
}

// The variant with the best score crashes, the next one computes nonsense: the third
// is used, and none of it reaches the host program.
func TestBadModulesAreNotUsed(t *testing.T) {
	real := realKernels(t)
	needVariants(t, 3)
	supported := build.Supported()
	names := supported[len(supported)-3:]
	good := filepath.Join(real.dir, bestOf(t, real).Name)
	f := testFolder(t, real)
	f.add(t, good, names[0].Name)
	f.add(t, compileModule(t, "wrong", real, `-DREAL="`+filepath.Join(f.dir, filepath.Base(good))+`"`), names[1].Name)
	f.add(t, compileModule(t, "crash", real), names[2].Name)

	o := loadOptions{Dir: f.dir, CacheDir: t.TempDir(), ProveWith: os.Args[0]}
	for range 2 { // from proofs, then from verdicts
		r := runLoad(t, o)
		assert.Empty(t, r.Err)
		assert.Equal(t, names[0].Name, r.Report.Variant)
		c := r.Report.Candidates
		require.Len(t, c, 3)
		assert.Equal(t, []State{Bad, Bad, Proven}, []State{c[0].State, c[1].State, c[2].State})
		assert.Contains(t, c[0].Reason, "SIGILL")
		assert.Contains(t, c[1].Reason, "differs from the baseline's")
		assert.Contains(t, r.Report.Why, names[2].Name+" would be better, but is bad")
		o.ProveWith = ""
	}

	o.Variant = names[2].Name
	r := runLoad(t, o)
	assert.Contains(t, r.Err, "is bad")
	assert.Contains(t, r.Err, "SIGILL")
}

func TestCorruptModule(t *testing.T) {
	real := realKernels(t)
	f := testFolder(t, real)
	best := bestOf(t, real)
	f.add(t, filepath.Join(real.dir, best.Name), best.Variant)
	path := filepath.Join(f.dir, best.Name)
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, data[:len(data)/2], 0o755))

	r := runLoad(t, loadOptions{Dir: f.dir, CacheDir: t.TempDir(), ProveWith: os.Args[0]})
	assert.Equal(t, Baseline, r.Report.Variant)
	assert.Equal(t, Bad, r.Report.Candidates[0].State)
	assert.Contains(t, r.Report.Candidates[0].Reason, "isn't the file that was built")
}

// ggml's scores order the variants as our table does.
func TestVerifyAll(t *testing.T) {
	real := realKernels(t)
	o := Options{Dir: real.dir, CacheDir: t.TempDir(), ProveWith: os.Args[0]}
	list, err := Verify(context.Background(), o)
	require.NoError(t, err)
	require.Len(t, list, len(real.m.Modules))
	last := 1 << 30
	for _, c := range list {
		if c.State == Unsupported {
			assert.Contains(t, c.Reason, "this CPU lacks")
			continue
		}
		assert.Equal(t, Proven, c.State, c.Reason)
		assert.Less(t, c.Verdict.Score, last)
		last = c.Verdict.Score
	}
	cached, err := Verify(context.Background(), Options{Dir: o.Dir, CacheDir: o.CacheDir})
	require.NoError(t, err, "verdicts are there, no proof is needed")
	for i := range cached {
		assert.Equal(t, list[i].Verdict, cached[i].Verdict)
	}
}

func TestVerifyNeedsAProver(t *testing.T) {
	real := realKernels(t)
	o := Options{Dir: real.dir, CacheDir: t.TempDir()}
	_, err := Verify(context.Background(), o)
	assert.ErrorContains(t, err, DoctorCommand)

	o.ProveWith = "/nonexistent/puna"
	_, err = Verify(context.Background(), o)
	assert.ErrorContains(t, err, "/nonexistent/puna")

	o.ProveWith = "/bin/true"
	_, err = Verify(context.Background(), o)
	assert.ErrorContains(t, err, `"/bin/true kernels prove" says nothing`)

	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	o.ProveWith = os.Args[0]
	list, err := Verify(ctx, o)
	assert.ErrorIs(t, err, context.Canceled)
	for _, c := range list {
		assert.NotEqual(t, Bad, c.State, "giving up is no verdict")
	}
}

func TestProveMain(t *testing.T) {
	var out lineWriter
	assert.Equal(t, 2, ProveMain(nil, &out))
	assert.Contains(t, string(out), "usage")

	out = nil
	assert.Equal(t, 1, ProveMain([]string{"/nonexistent.so"}, &out))
	var v Verdict
	require.NoError(t, json.Unmarshal(out, &v))
	assert.Equal(t, Bad, v.State)
	assert.Contains(t, v.Reason, "/nonexistent.so")
}

type lineWriter []byte

func (w *lineWriter) Write(p []byte) (int, error) {
	*w = append(*w, p...)
	return len(p), nil
}
