//go:build puna_embed_kernels && linux

package kernels

import (
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The test binary holds kernels itself, proves them and runs them from memory.
func TestEmbedded(t *testing.T) {
	e, err := embedded()
	require.NoError(t, err)
	require.NotEmpty(t, e.manifest().Modules)

	o := loadOptions{CacheDir: t.TempDir(), ProveWith: os.Args[0]}
	proving := runLoad(t, o)
	assert.Empty(t, proving.Err)
	o.ProveWith = ""
	r := runLoad(t, o)
	assert.Empty(t, r.Err)
	assert.Empty(t, r.Log)
	require.NotEqual(t, Baseline, r.Report.Variant, proving.Log)
	used := r.Report.Candidates[0]
	assert.Equal(t, FromEmbedded, used.Source)
	assert.Equal(t, "embedded:libggml-cpu-"+r.Report.Variant+".so", used.Path)
	assert.Contains(t, r.PoolOf, "memfd:libggml-cpu-"+r.Report.Variant+".so")
	assert.True(t, r.Paused)
	assert.Contains(t, r.CLog, "ggml_aligned_malloc")
	assert.Empty(t, r.Report.Faster)
	t.Logf("%s of %d modules: loaded in %.1f ms", r.Report.Variant, len(r.Report.Candidates), 1e3*r.Seconds)
}

func TestEmbeddedUnpacksOnce(t *testing.T) {
	e, err := embedded()
	require.NoError(t, err)
	first, err := e.open(e.manifest().Modules[0])
	require.NoError(t, err)
	again, err := e.open(e.manifest().Modules[0])
	require.NoError(t, err)
	assert.Equal(t, first, again)
	last, err := e.open(e.manifest().Modules[len(e.manifest().Modules)-1])
	require.NoError(t, err)
	assert.Equal(t, first.base, last.base, "one libggml-base for all")
	sum, err := hashFile(last.path)
	require.NoError(t, err)
	assert.Equal(t, e.manifest().Modules[len(e.manifest().Modules)-1].SHA256, sum)

	missing := e.manifest().Modules[0]
	missing.Name = "libggml-cpu-none.so"
	_, err = e.open(missing)
	assert.ErrorContains(t, err, "libggml-cpu-none.so")
}
