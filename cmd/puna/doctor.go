package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"

	"github.com/ollama/ollama/format"
	"github.com/spf13/cobra"

	"github.com/puna-ai/puna/cgo/kernels"
)

func newDoctorCommand(c *config) *cobra.Command {
	return &cobra.Command{
		Use:   "doctor",
		Short: "Say what this machine has, and which kernels are in use and why",
		Long: `Say what this machine has: CPU features, kernels and devices, which kernels are in
use and why, and what would make it faster. Kernels that aren't proven yet, or
failed before, prove themselves again.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o := c.kernelOptions()
			_, unsure := kernels.Verify(cmd.Context(), o)
			report, err := kernels.Load(o)
			if err != nil {
				return errors.Join(unsure, err)
			}
			if unsure != nil { // such as a cache folder that can't be written
				report.Notes = append(report.Notes, unsure.Error())
			}
			c.printReport(cmd.OutOrStdout(), report)
			return nil
		},
	}
}

func (c *config) printReport(out io.Writer, r kernels.Report) {
	source := "the pinned Go module's"
	if r.System {
		source = "the system's"
	}
	line := func(name, format string, args ...any) {
		fmt.Fprintf(out, "%-12s "+format+"\n", append([]any{name}, args...)...)
	}
	line("Puna", "%s, %s/%s, %s", version(), runtime.GOOS, runtime.GOARCH, runtime.Version())
	line("llama.cpp", "%s (%s)", r.LlamaCommit, source)
	line("Models", "%s", c.models)
	line("Server", "%s", c.reachable())
	line("CPU", "%s, %d usable", r.CPU.Model, runtime.NumCPU())
	line("", "%s", strings.Join(r.CPU.Features, " "))
	line("Kernels", "%s: %s", r.Variant, r.Why)
	for _, note := range r.Notes {
		line("", "%s", note)
	}
	if len(r.Repacks) > 0 {
		line("Repacking", "%s", strings.Join(r.Repacks, ", "))
	}
	fmt.Fprintln(out)
	printCandidates(out, r.Candidates)
	printDevices(out, r.Devices)
	if r.Faster != "" {
		fmt.Fprintf(out, "This CPU could run the faster %s kernels, which are not installed:\n  %s\n", r.Faster, r.FasterCommand)
	}
}

func printCandidates(out io.Writer, candidates []kernels.Candidate) {
	if len(candidates) == 0 {
		return
	}
	table := newTable(out, "KERNELS", "STATE", "SCORE", "IN USE", "PATH")
	for _, c := range candidates {
		state := string(c.State)
		if c.Reason != "" {
			state += ": " + c.Reason
		}
		used := ""
		if c.Used {
			used = "yes"
		}
		table.row(c.Variant, state, fmt.Sprint(c.Verdict.Score), used, c.Path)
	}
	table.Flush()
	fmt.Fprintln(out)
}

func printDevices(out io.Writer, devices []kernels.Device) {
	table := newTable(out, "DEVICE", "KIND", "MEMORY", "FREE", "DESCRIPTION")
	for _, d := range devices {
		table.row(d.Name, fmt.Sprint(d.Type), memory(d.MemoryTotal), memory(d.MemoryFree), d.Description)
	}
	table.Flush()
}

// memory words a size; some devices don't tell theirs.
func memory(bytes uint64) string {
	if bytes == 0 {
		return "-"
	}
	return format.HumanBytes2(bytes)
}

// newKernelsProveCommand is what kernels.Verify runs in a child process.
func newKernelsProveCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "prove MODULE [BASE]",
		Short:  "Prove a module of kernels in this process",
		Hidden: true,
		Args:   cobra.RangeArgs(1, 2),
		Run: func(cmd *cobra.Command, args []string) {
			os.Exit(kernels.ProveMain(args, cmd.OutOrStdout()))
		},
	}
}
