package kernels

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/puna-ai/puna/cgo/kernels/build"
)

// State says whether a module may be used.
type State string

const (
	Proven      State = "proven"      // it computes what the baseline computes
	Unproven    State = "unproven"    // no verdict yet for this module on this CPU
	Bad         State = "bad"         // it crashed or computed something else
	Unsupported State = "unsupported" // this machine lacks what it needs
)

// Candidate is a module that was found.
type Candidate struct {
	Variant string // "icelake", "cuda"
	Backend string // "cpu", "cuda", "vulkan"
	Source  Source
	Path    string // of the file; "embedded:NAME" for one in the program
	SHA256  string // of its content
	State   State
	Reason  string  // why it isn't proven
	Verdict Verdict // zero without one
	Used    bool    // [Load] loaded it

	folder folder
	module build.Module
	rank   int    // higher is better; among CPU variants alone
	key    string // of its verdict
}

// candidates lists the modules of the folders, best CPU variant first, then other
// backends. Where folders hold the same one, the earlier folder's comes first.
func candidates(folders []folder, b *book, cpu CPUInfo) []*Candidate {
	var all []*Candidate
	for _, f := range folders {
		m := f.manifest()
		base, baseErr := f.digest(m.Base, b)
		for _, mod := range m.Modules {
			c := &Candidate{
				Variant: mod.Variant, Backend: mod.Backend, Source: f.source(), State: Unproven,
				Path: path(f, mod), folder: f, module: mod, rank: rank(mod),
			}
			sum, err := f.digest(mod.File, b)
			if err == nil {
				err = baseErr
			}
			c.SHA256 = sum
			c.judge(base, err, b, cpu)
			all = append(all, c)
		}
	}
	slices.SortStableFunc(all, func(a, b *Candidate) int {
		if byKind := boolInt(b.isCPU()) - boolInt(a.isCPU()); byKind != 0 {
			return byKind
		}
		return b.rank - a.rank
	})
	return all
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

func path(f folder, m build.Module) string {
	if f.source() == FromEmbedded {
		return "embedded:" + m.Name
	}
	return filepath.Join(f.name(), m.Name)
}

func (c *Candidate) isCPU() bool { return c.Backend == "cpu" }

// rank orders CPU variants as ggml's scores do, without running anything of theirs:
// their place among those that this CPU supports, 0 for variants that the table
// doesn't know. Other backends rank alike.
func rank(m build.Module) int {
	return 1 + slices.IndexFunc(build.Supported(), func(v build.Variant) bool { return v.Name == m.Variant })
}

// judge sets state, reason and key from what is known without running the module.
func (c *Candidate) judge(base string, err error, b *book, cpu CPUInfo) {
	if err != nil {
		c.State, c.Reason = Bad, err.Error()
		return
	}
	machine := cpu.key
	if !c.isCPU() {
		machine = digest(cpu.key, gpuKey())
	}
	c.key = strings.Join([]string{digest(c.SHA256, base), fmt.Sprint("proof", proofVersion), machine}, "/")
	if why := c.lacks(); why != "" {
		c.State, c.Reason = Unsupported, why
		return
	}
	if v, ok := b.Verdicts[c.key]; ok {
		c.decide(v)
	}
}

// lacks says what this machine is without that the module needs, or "".
func (c *Candidate) lacks() string {
	if c.Backend == "cuda" && runtime.GOOS == "linux" && !exists("/proc/driver/nvidia/version") && !exists("/dev/dxg") {
		return "no NVIDIA driver is loaded"
	}
	if !c.isCPU() || c.rank > 0 {
		return ""
	}
	variants := build.Variants(runtime.GOARCH)
	known := slices.IndexFunc(variants, func(v build.Variant) bool { return v.Name == c.Variant })
	if known < 0 {
		return "" // its proof finds out
	}
	var has []string
	for _, v := range build.Supported() {
		has = append(has, v.Features...)
	}
	needs := slices.DeleteFunc(slices.Clone(variants[known].Features), func(f string) bool { return slices.Contains(has, f) })
	return "this CPU lacks " + strings.Join(needs, " or ")
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// decide applies a verdict.
func (c *Candidate) decide(v Verdict) {
	c.Verdict, c.State, c.Reason = v, v.State, v.Reason
}
