package kernels

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/puna-ai/puna/cgo/kernels/build"
)

// CPUInfo describes the processor as far as kernels depend on it.
type CPUInfo struct {
	Model    string   // "Intel(R) Xeon(R) Processor", "" if unknown
	Features []string // those that some variant is made for, as the kernel names them
	key      string   // identifies model and features
}

// interesting are the features that ggml's variants differ in.
var interesting = []string{
	"sse4_2", "avx", "f16c", "avx2", "bmi2", "fma", "avx_vnni", "avx512f", "avx512cd", "avx512bw", "avx512dq",
	"avx512vl", "avx512vbmi", "avx512_vnni", "avx512_bf16", "avx512_fp16", "amx_tile", "amx_int8", "amx_bf16",
	"asimd", "asimddp", "asimdhp", "sve", "sve2", "i8mm", "bf16", "sme",
}

// readCPU describes the CPU that this process runs on.
func readCPU() CPUInfo {
	f, err := os.Open("/proc/cpuinfo")
	if err != nil { // not Linux: what the variants' table knows
		var has []string
		for _, v := range build.Supported() {
			has = append(has, v.Features...)
		}
		slices.Sort(has)
		has = slices.Compact(has)
		return CPUInfo{Features: has, key: digest(runtime.GOARCH, strings.Join(has, " "))}
	}
	defer f.Close()
	return parseCPU(f)
}

// parseCPU reads the first processor of /proc/cpuinfo.
func parseCPU(r io.Reader) CPUInfo {
	id := []string{runtime.GOARCH}
	var c CPUInfo
	sc := bufio.NewScanner(r)
	for sc.Scan() && sc.Text() != "" {
		name, value, _ := strings.Cut(sc.Text(), ":")
		name, value = strings.TrimSpace(name), strings.TrimSpace(value)
		switch name {
		case "model name":
			c.Model = value
			id = append(id, value)
		case "flags", "Features":
			all := strings.Fields(value)
			slices.Sort(all)
			for _, f := range interesting {
				if _, ok := slices.BinarySearch(all, f); ok {
					c.Features = append(c.Features, f)
				}
			}
			id = append(id, strings.Join(all, " "))
		case "vendor_id", "cpu family", "model", "stepping", "CPU implementer", "CPU architecture", "CPU variant", "CPU part", "CPU revision":
			id = append(id, value)
		}
	}
	c.key = digest(id...)
	return c
}

// gpuKey identifies what a GPU backend depends on beside its code: drivers and
// device nodes. Another driver asks for another proof.
func gpuKey() string {
	driver, _ := os.ReadFile("/proc/driver/nvidia/version")
	id := []string{runtime.GOARCH, string(driver)}
	for _, pattern := range []string{"/dev/nvidia*", "/dev/dri/*", "/dev/kfd", "/dev/dxg", "/usr/share/vulkan/icd.d/*", "/etc/vulkan/icd.d/*"} {
		found, _ := filepath.Glob(pattern) // its only error is a bad pattern
		id = append(id, found...)
	}
	return digest(id...)
}

// digest is a short name for what parts say together.
func digest(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		fmt.Fprintf(h, "%d:%s", len(p), p)
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}
