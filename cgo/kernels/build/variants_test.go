package build

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	thirdparty "github.com/puna-ai/puna/third_party"
)

// TestVariantsAreTheSources compares our tables with what CMake is told: the
// pinned module's list and ours.
func TestVariantsAreTheSources(t *testing.T) {
	dir, _, err := findSource(t.Context(), "")
	require.NoError(t, err)
	upstream, err := os.ReadFile(filepath.Join(dir, "ml/backend/ggml/ggml/src/CMakeLists.txt"))
	require.NoError(t, err)
	ours, err := thirdparty.CMake.ReadFile("variants.cmake")
	require.NoError(t, err)

	told := map[string]string{} // features by variant
	list := regexp.MustCompile(`ggml_add_cpu_backend_variant\(([a-z0-9._]+)([A-Z0-9_ ]*)\)`)
	for _, m := range list.FindAllStringSubmatch(string(upstream)+string(ours), -1) {
		told[m[1]] = strings.Join(strings.Fields(m[2]), " ")
	}
	for _, v := range append(Variants("amd64"), Variants("arm64")...) {
		features, listed := told[v.Name]
		require.True(t, listed, v.Name)
		require.Equal(t, features, strings.Join(v.Features, " "), v.Name)
	}
	require.Len(t, Variants("amd64"), 9)
	require.Nil(t, Variants("riscv64"))
}

// TestVariantsAscendByScore repeats ggml's score (arch/*/cpu-feats.cpp).
func TestVariantsAscendByScore(t *testing.T) {
	weights := map[string]int{
		"FMA": 1, "F16C": 1 << 1, "SSE42": 1 << 2, "BMI2": 1 << 3, "AVX": 1 << 4, "AVX2": 1 << 5, "AVX_VNNI": 1 << 6,
		"AVX512": 1 << 7, "AVX512_VBMI": 1 << 8, "AVX512_BF16": 1 << 9, "AVX512_VNNI": 1 << 10, "AMX_INT8": 1 << 11, "AMX_TILE": 0,
		"DOTPROD": 1 << 1, "FP16_VECTOR_ARITHMETIC": 1 << 2, "SVE": 1 << 3, "MATMUL_INT8": 1 << 4, "SVE2": 1 << 5,
	}
	for _, arch := range []string{"amd64", "arm64"} {
		last := -1
		for _, v := range Variants(arch) {
			score := 0
			for _, f := range v.Features {
				w, known := weights[f]
				require.True(t, known, f)
				score += w
			}
			require.Greater(t, score, last, v.Name)
			last = score
		}
	}
}

func TestSupported(t *testing.T) {
	cpu := func(features ...string) map[string]bool {
		has := map[string]bool{}
		for _, f := range features {
			has[f] = true
		}
		return has
	}
	amx := Variants("amd64")[8].Features
	for _, c := range []struct {
		arch string
		has  map[string]bool
		want string // the last two
	}{
		{"amd64", cpu(), "x64"},
		{"amd64", cpu("SSE42", "AVX"), "sse42 sandybridge"},
		{"amd64", cpu("SSE42", "AVX", "F16C", "AVX2", "BMI2", "FMA", "AVX_VNNI"), "haswell alderlake"},
		{"amd64", cpu(amx...), "zen4 sapphirerapids"},
		{"amd64", cpu(amx[:len(amx)-2]...), "icelake zen4"}, // AMX switched off
		{"arm64", cpu("DOTPROD"), "armv8.0_1 armv8.2_1"},
		{"arm64", cpu("DOTPROD", "FP16_VECTOR_ARITHMETIC", "SVE", "MATMUL_INT8", "SVE2"), "armv8.6_1 armv8.6_2"},
	} {
		got := names(supported(Variants(c.arch), c.has))
		require.Equal(t, c.want, strings.Join(got[max(0, len(got)-2):], " "))
	}
}

// TestCPUFeatures compares with what the kernel says of this CPU.
func TestCPUFeatures(t *testing.T) {
	if runtime.GOOS != "linux" || runtime.GOARCH != "amd64" {
		t.Skip("compares with the flags in /proc/cpuinfo: run on Linux with an amd64 CPU")
	}
	info, err := os.ReadFile("/proc/cpuinfo")
	require.NoError(t, err)
	m := regexp.MustCompile(`(?m)^flags\s*:(.*)$`).FindSubmatch(info)
	require.NotNil(t, m)
	flags := map[string]bool{}
	for f := range strings.FieldsSeq(string(m[1])) {
		flags[f] = true
	}
	for feature, flag := range map[string]string{
		"SSE42": "sse4_2", "AVX": "avx", "F16C": "f16c", "AVX2": "avx2", "BMI2": "bmi2", "FMA": "fma", "AVX_VNNI": "avx_vnni",
		"AVX512": "avx512bw", "AVX512_VBMI": "avx512vbmi", "AVX512_VNNI": "avx512_vnni", "AVX512_BF16": "avx512_bf16",
		"AMX_TILE": "amx_tile", "AMX_INT8": "amx_int8",
	} {
		require.Equal(t, flags[flag], cpuFeatures()[feature], feature)
	}
}

func TestResolve(t *testing.T) {
	got, err := resolve([]string{"icelake", "cuda", "icelake"}, "amd64")
	require.NoError(t, err)
	require.Equal(t, []string{"icelake", CUDA}, got)

	got, err = resolve([]string{"zen4", "all"}, "amd64")
	require.NoError(t, err)
	require.Len(t, got, 9)
	require.Equal(t, "zen4", got[0])

	_, err = resolve([]string{"m1"}, "amd64")
	require.ErrorContains(t, err, `"m1" is no variant for amd64`)
	require.ErrorContains(t, err, "sapphirerapids, cuda")

	got, err = resolve(nil, runtime.GOARCH)
	require.NoError(t, err)
	require.Equal(t, Default(), got)
}

func TestConstantsAreThePin(t *testing.T) {
	version, err := exec.Command("go", "list", "-m", "-f", "{{.Version}}", thirdparty.OllamaModule).Output()
	require.NoError(t, err)
	require.Equal(t, thirdparty.OllamaVersion, strings.TrimSpace(string(version)))
	_, commit, err := findSource(t.Context(), "")
	require.NoError(t, err)
	require.Equal(t, thirdparty.LlamaCommit, commit)
}
