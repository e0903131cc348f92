package kernels

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/puna-ai/puna/cgo/ggml"
)

func TestParseCPU(t *testing.T) {
	const one = "processor\t: 0\nvendor_id\t: GenuineIntel\nmodel name\t: Some CPU\nflags\t\t: sse4_2 avx2 avx fma amx_int8 other\ncpu MHz\t\t: %s\n\nprocessor\t: 1\nmodel name\t: not read\n"
	c := parseCPU(strings.NewReader(fmt.Sprintf(one, "2100.000")))
	assert.Equal(t, "Some CPU", c.Model)
	assert.Equal(t, []string{"sse4_2", "avx", "avx2", "fma", "amx_int8"}, c.Features)
	same := parseCPU(strings.NewReader(fmt.Sprintf(one, "800.000")))
	assert.Equal(t, c.key, same.key, "the clock is no feature")
	other := parseCPU(strings.NewReader(strings.Replace(one, " amx_int8", "", 1)))
	assert.NotEqual(t, c.key, other.key)

	arm := parseCPU(strings.NewReader("processor\t: 0\nFeatures\t: fp asimd sve i8mm\nCPU part\t: 0xd40\n"))
	assert.Equal(t, []string{"asimd", "sve", "i8mm"}, arm.Features)
	assert.Equal(t, readCPU(), readCPU())
}

func TestDigestSeparatesParts(t *testing.T) {
	assert.NotEqual(t, digest("ab", "c"), digest("a", "bc"))
	assert.NotEqual(t, digest("a"), digest("a", ""))
}

func TestBookKeepsVerdictsAndStamps(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "puna", "verdicts.json")
	file := filepath.Join(dir, "module.so")
	require.NoError(t, os.WriteFile(file, []byte("one"), 0o644))

	b := openBook(path)
	require.NoError(t, b.save())
	assert.NoFileExists(t, path, "nothing to write")
	sum, err := b.fileDigest(file)
	require.NoError(t, err)
	b.add("k", Verdict{State: Proven, Score: 3})
	require.NoError(t, b.save())

	b = openBook(path)
	assert.Equal(t, Verdict{State: Proven, Score: 3}, b.Verdicts["k"])
	again, err := b.fileDigest(file)
	require.NoError(t, err)
	assert.Equal(t, sum, again)
	assert.False(t, b.changed)

	// A file that changed is read again; one that looks the same isn't.
	require.NoError(t, os.WriteFile(file, []byte("longer"), 0o644))
	again, err = b.fileDigest(file)
	require.NoError(t, err)
	assert.NotEqual(t, sum, again)
	stamp := b.Files[file]
	stamp.SHA256 = "remembered"
	b.Files[file] = stamp
	again, err = b.fileDigest(file)
	require.NoError(t, err)
	assert.Equal(t, "remembered", again)

	entries, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	assert.Len(t, entries, 1, "no temporary files stay")
}

func TestBookMergesAndPrunes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "verdicts.json")
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	a, b := openBook(path), openBook(path)
	a.add("both", Verdict{State: Bad, At: at})
	a.add("a", Verdict{State: Proven, At: at})
	b.add("both", Verdict{State: Proven, At: at.Add(time.Hour)})
	for i := range maxBookLines + 10 {
		b.add(fmt.Sprint("b", i), Verdict{State: Proven, At: at.Add(time.Duration(i-100) * time.Minute)})
	}
	b.Files["/gone"] = fileStamp{Size: 1}
	require.NoError(t, b.save())
	require.NoError(t, a.save())
	got := openBook(path)
	assert.Equal(t, Proven, got.Verdicts["both"].State, "the later one counts")
	assert.Contains(t, got.Verdicts, "a")
	assert.Len(t, got.Verdicts, maxBookLines)
	assert.NotContains(t, got.Verdicts, "b0")
	assert.Empty(t, got.Files)
}

func TestBookIgnoresDamage(t *testing.T) {
	path := filepath.Join(t.TempDir(), "verdicts.json")
	for _, text := range []string{"", "{", `{"version":99,"verdicts":{"k":{"state":"proven"}}}`, `{"version":1}`, `[]`} {
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
		b := openBook(path)
		assert.Empty(t, b.Verdicts, text)
		b.add("k", Verdict{State: Proven})
		require.NoError(t, b.save())
		assert.Contains(t, openBook(path).Verdicts, "k")
	}
	b := openBook(filepath.Join("/proc/none", "verdicts.json"))
	b.add("k", Verdict{})
	assert.ErrorContains(t, b.save(), "keep the verdicts of kernels")
}

func TestFirstLine(t *testing.T) {
	assert.Equal(t, "", LastWords(" \n"))
	assert.Equal(t, ": a", LastWords("a\nb\n"))
	assert.Equal(t, ": SIGILL: illegal instruction", LastWords("loading\nSIGILL: illegal instruction\nPC=0x1\n"))
	assert.Len(t, LastWords(strings.Repeat("x", 1000)), 202)
}

func TestNMSE(t *testing.T) {
	assert.Zero(t, nmse([]float32{1, 2}, []float32{1, 2}))
	assert.InDelta(t, 1, nmse([]float32{0, 0}, []float32{1, 2}), 1e-12)
	nan := nmse([]float32{0, 0}, []float32{0, 0})
	assert.False(t, nan <= cpuTolerance)
}

// Blocks of random bits must stand for finite weights of ordinary size, or the
// comparison would prove nothing.
func TestCodebookBlocks(t *testing.T) {
	cpu, ok := ggml.DeviceByType(ggml.CPU)
	require.True(t, ok)
	r, err := newRunner(cpu)
	require.NoError(t, err)
	defer r.close()
	p := proof{baseline: r, refs: map[string]*reference{}}
	for typ := range codebooks {
		ref, err := p.reference(product(typ, 8, 768, 2))
		require.NoError(t, err)
		for _, v := range ref.result {
			assert.Less(t, v*v, float32(1e8), typ)
		}
		assert.Greater(t, nmse(make([]float32, len(ref.result)), ref.result), 0.5, typ)
	}
}

func TestRepacksToRefusesNonsense(t *testing.T) {
	for _, bad := range []struct {
		t       ggml.Type
		in, out int64
	}{{ggml.Type(4), 256, 256}, {ggml.Type(-1), 256, 256}, {ggml.Q4K, 100, 256}, {ggml.Q4K, 0, 1}, {ggml.Q4K, 256, -1}} {
		_, ok := RepacksTo(bad.t, bad.in, bad.out)
		assert.False(t, ok)
	}
}
