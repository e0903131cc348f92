package kernels

import (
	"fmt"
	"slices"

	"github.com/puna-ai/puna/cgo/ggml"
	"github.com/puna-ai/puna/cgo/kernels/build"
)

// VariantError says why a variant that the caller named can't be used.
type VariantError struct{ Variant, State, Reason, Path string }

func (e *VariantError) Error() string {
	s := fmt.Sprintf("kernels: the variant %q is %s", e.Variant, e.State)
	if e.Path != "" {
		s += " (" + e.Path + ")"
	}
	if e.Reason != "" {
		s += ": " + e.Reason
	}
	switch e.State {
	case "not installed":
		return s + fmt.Sprintf("; run %q", BuildCommand+" "+e.Variant)
	case string(Unproven):
		return s + fmt.Sprintf("; run %q", DoctorCommand)
	default:
		return s
	}
}

// report describes what is loaded. used is the CPU variant in use, nil for the
// baseline.
func (s *scene) report(used *Candidate) Report {
	r := Report{
		LlamaCommit: commit(), System: ggml.System, CPU: s.cpu, Variant: Baseline,
		Candidates: s.list(), Notes: s.notes,
	}
	if used != nil {
		r.Variant, r.Path = used.Variant, used.Path
	}
	r.Why = s.why(used)
	s.faster(&r, used)
	r.Devices = devices()
	for _, bt := range Repackings() {
		r.Repacks = append(r.Repacks, bt.Name())
	}
	return r
}

// why explains the variant in use.
func (s *scene) why(used *Candidate) string {
	if s.o.Variant != "" && (used != nil || s.o.Variant == Baseline) {
		return "it was asked for"
	}
	for _, c := range s.candidates {
		if c == used {
			return "the best of the proven variants for this CPU"
		}
		if c.isCPU() && c.State != Unsupported { // better than what is in use
			return fmt.Sprintf("%s would be better, but is %s: %s", c.Variant, c.State, c.because())
		}
	}
	if len(s.candidates) > 0 {
		return "no installed module is for this CPU"
	}
	return "no kernels are installed"
}

func (c *Candidate) because() string {
	if c.State == Unproven {
		return fmt.Sprintf("run %q once", DoctorCommand)
	}
	return c.Reason
}

// faster names a better variant for this CPU that isn't installed.
func (s *scene) faster(r *Report, used *Candidate) {
	supported := build.Supported()
	if ggml.System || len(supported) == 0 {
		return
	}
	best := supported[len(supported)-1].Name
	if used != nil && used.Variant == best {
		return
	}
	if slices.ContainsFunc(s.candidates, func(c *Candidate) bool { return c.Variant == best }) {
		return // the report's Why tells what is wrong with it
	}
	r.Faster, r.FasterCommand = best, BuildCommand
}

// devices lists what models can run on: of the CPU backends the one in use.
func devices() []Device {
	cpu, _ := ggml.DeviceByType(ggml.CPU)
	var list []Device
	for _, d := range ggml.Devices() {
		if d.Type() == ggml.CPU && d != cpu {
			continue
		}
		list = append(list, Device{Props: d.Props(), Backend: d.Reg().Name(), Features: d.Reg().Features()})
	}
	return list
}
