package build

import (
	"fmt"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sys/cpu"
)

// CUDA is the name of the CUDA backend's module where variants are named. It
// needs the CUDA toolkit and is never chosen by default.
const CUDA = "cuda"

// A Variant is ggml's CPU backend compiled for one set of CPU features.
type Variant struct {
	Name     string   // as in libggml-cpu-<name>.so
	Features []string // as ggml's CMake list names them
}

// amd64Variants are upstream's list and the two of third_party/variants.cmake,
// ascending by ggml's score (arch/x86/cpu-feats.cpp).
var amd64Variants = []Variant{
	{"x64", nil},
	{"sse42", []string{"SSE42"}},
	{"sandybridge", []string{"SSE42", "AVX"}},
	{"haswell", []string{"SSE42", "AVX", "F16C", "AVX2", "BMI2", "FMA"}},
	{"alderlake", []string{"SSE42", "AVX", "F16C", "AVX2", "BMI2", "FMA", "AVX_VNNI"}},
	{"skylakex", []string{"SSE42", "AVX", "F16C", "AVX2", "BMI2", "FMA", "AVX512"}},
	{"icelake", []string{"SSE42", "AVX", "F16C", "AVX2", "BMI2", "FMA", "AVX512", "AVX512_VBMI", "AVX512_VNNI"}},
	{"zen4", []string{"SSE42", "AVX", "F16C", "AVX2", "BMI2", "FMA", "AVX512", "AVX512_VBMI", "AVX512_VNNI", "AVX512_BF16"}},
	{"sapphirerapids", []string{"SSE42", "AVX", "F16C", "AVX2", "BMI2", "FMA", "AVX512", "AVX512_VBMI", "AVX512_VNNI", "AVX512_BF16", "AMX_TILE", "AMX_INT8"}},
}

// arm64Variants are upstream's list without the two SME ones: at the pin SME
// changes no kernel without KleidiAI, whose sources are a download, and GCC
// before 14 cannot compile for it.
var arm64Variants = []Variant{
	{"armv8.0_1", nil},
	{"armv8.2_1", []string{"DOTPROD"}},
	{"armv8.2_2", []string{"DOTPROD", "FP16_VECTOR_ARITHMETIC"}},
	{"armv8.2_3", []string{"DOTPROD", "FP16_VECTOR_ARITHMETIC", "SVE"}},
	{"armv8.6_1", []string{"DOTPROD", "FP16_VECTOR_ARITHMETIC", "SVE", "MATMUL_INT8"}},
	{"armv8.6_2", []string{"DOTPROD", "FP16_VECTOR_ARITHMETIC", "SVE", "MATMUL_INT8", "SVE2"}},
}

// Variants returns every CPU variant that can be built for an architecture (a
// GOARCH), ascending by ggml's score, or nil for one without variants.
func Variants(goarch string) []Variant {
	switch goarch {
	case "amd64":
		return slices.Clone(amd64Variants)
	case "arm64":
		return slices.Clone(arm64Variants)
	}
	return nil
}

// Supported returns the variants that this machine's CPU has every feature of,
// ascending by ggml's score: the last one is what ggml prefers.
func Supported() []Variant {
	return supported(Variants(runtime.GOARCH), cpuFeatures())
}

func supported(variants []Variant, has map[string]bool) []Variant {
	return slices.DeleteFunc(variants, func(v Variant) bool {
		return slices.ContainsFunc(v.Features, func(f string) bool { return !has[f] })
	})
}

// Default returns the names of the variants that Build makes when none is
// named: the best that this CPU supports, and the next best, which serves
// where the best fails its proof.
func Default() []string {
	s := Supported()
	if len(s) > 2 {
		s = s[len(s)-2:]
	}
	return names(s)
}

// cpuFeatures says which of the table's features this CPU and kernel offer.
func cpuFeatures() map[string]bool {
	avx512 := cpu.X86.HasAVX512F && cpu.X86.HasAVX512CD && cpu.X86.HasAVX512VL &&
		cpu.X86.HasAVX512DQ && cpu.X86.HasAVX512BW
	return map[string]bool{
		"SSE42":       cpu.X86.HasSSE42,
		"AVX":         cpu.X86.HasAVX,
		"F16C":        cpu.X86.HasF16C,
		"AVX2":        cpu.X86.HasAVX2,
		"BMI2":        cpu.X86.HasBMI2,
		"FMA":         cpu.X86.HasFMA,
		"AVX_VNNI":    cpu.X86.HasAVXVNNI,
		"AVX512":      avx512,
		"AVX512_VBMI": avx512 && cpu.X86.HasAVX512VBMI,
		"AVX512_VNNI": avx512 && cpu.X86.HasAVX512VNNI,
		"AVX512_BF16": avx512 && cpu.X86.HasAVX512BF16,
		"AMX_TILE":    cpu.X86.HasAMXTile,
		"AMX_INT8":    cpu.X86.HasAMXInt8,

		"DOTPROD":                cpu.ARM64.HasASIMDDP,
		"FP16_VECTOR_ARITHMETIC": cpu.ARM64.HasFPHP,
		"SVE":                    cpu.ARM64.HasSVE,
		"SVE2":                   cpu.ARM64.HasSVE2,
		"MATMUL_INT8":            cpu.ARM64.HasI8MM,
	}
}

// resolve turns the names that a caller gave into names to build, without
// duplicates: none is Default, "all" is every CPU variant.
func resolve(given []string, goarch string) ([]string, error) {
	known := names(Variants(goarch))
	if len(given) == 0 {
		return Default(), nil
	}
	var out []string
	for _, name := range given {
		switch {
		case name == "all":
			out = append(out, known...)
		case name == CUDA || slices.Contains(known, name):
			out = append(out, name)
		default:
			return nil, fmt.Errorf("build kernels: %q is no variant for %s; variants are all, %s, %s",
				name, goarch, strings.Join(known, ", "), CUDA)
		}
	}
	seen := map[string]bool{}
	return slices.DeleteFunc(out, func(n string) bool {
		dup := seen[n]
		seen[n] = true
		return dup
	}), nil
}

func names(variants []Variant) []string {
	out := make([]string, len(variants))
	for i, v := range variants {
		out[i] = v.Name
	}
	return out
}
