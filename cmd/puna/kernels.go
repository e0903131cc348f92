package main

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/puna-ai/puna/cgo/kernels"
	"github.com/puna-ai/puna/cgo/kernels/build"
)

func newKernelsCommand(c *config) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "kernels",
		Short: "Build or list the fast kernels of this machine",
		Long: `Kernels are ggml's matrix routines, compiled for one kind of CPU or GPU and loaded
at run time. Without them Puna works on slow baseline code.`,
	}
	cmd.AddCommand(newKernelsBuildCommand(c), newKernelsListCommand(c), newKernelsProveCommand())
	return cmd
}

func newKernelsBuildCommand(c *config) *cobra.Command {
	var o build.Options
	cmd := &cobra.Command{
		Use:   "build [VARIANT...]",
		Short: "Compile kernels into the user's cache",
		Long: `Compile kernels from the sources of the pinned Go module into the user's cache,
where every program that imports Puna finds them. Without a name it compiles the
two best variants for this CPU. "all" means every CPU variant, "cuda" the kernels
of NVIDIA GPUs (it needs the CUDA toolkit).

It needs g++ or clang++, CMake and Ninja or make, and takes some two minutes.`,
		Example: "  puna kernels build\n  puna kernels build all",
		RunE: func(cmd *cobra.Command, args []string) error {
			o.Variants = args
			line := startLine(os.Stderr) // elsewhere the build's log tells
			o.Progress = func(done, total int) { line.tell("compiling", float64(done)/float64(total)) }
			result, err := build.Build(cmd.Context(), o)
			line.stop()
			if err != nil {
				return err
			}
			what := "nothing to do, already there"
			if len(result.Built) > 0 {
				what = strings.Join(result.Built, ", ")
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s: %s\n", result.Dir, what)
			return c.proveBuilt(cmd, result.Dir)
		},
	}
	cmd.Flags().IntVarP(&o.Jobs, "jobs", "j", 0, "compilers at a time (default the number of CPUs)")
	return cmd
}

// proveBuilt lets what was built prove itself, since a library that imports Puna
// uses proven kernels only and never proves any.
func (c *config) proveBuilt(cmd *cobra.Command, dir string) error {
	o := c.kernelOptions()
	o.Dir = dir
	candidates, err := kernels.Verify(cmd.Context(), o)
	if err != nil {
		return err
	}
	printCandidates(cmd.OutOrStdout(), candidates)
	return nil
}

func newKernelsListCommand(c *config) *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the kernels in the user's cache",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			root, err := build.Dir("")
			if err != nil {
				return err
			}
			dirs, err := filepath.Glob(filepath.Join(root, "*", build.ManifestName))
			if err != nil {
				return err
			}
			if c.kernels != "" {
				dirs = append(dirs, filepath.Join(c.kernels, build.ManifestName))
			}
			table := newTable(cmd.OutOrStdout(), "VARIANT", "BACKEND", "LLAMA.CPP", "FILE")
			for _, path := range dirs {
				dir := filepath.Dir(path)
				m, err := build.ReadManifest(dir)
				if err != nil {
					slog.Warn("skipping a folder of kernels", "folder", dir, "error", err)
					continue
				}
				for _, module := range m.Modules {
					table.row(module.Variant, module.Backend, m.LlamaCommit, filepath.Join(dir, module.Name))
				}
			}
			return table.Flush()
		},
	}
}
