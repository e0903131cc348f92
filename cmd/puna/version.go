package main

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// release is set by the linker in released binaries (-X main.release=1.2.3).
var release string

// version is the release, or what the Go toolchain recorded of the module.
func version() string {
	if release != "" {
		return release
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return "0.1.0-dev"
}

// executable is this program's path, or "" where the system can't tell.
func executable() string {
	path, err := os.Executable()
	if err != nil {
		return ""
	}
	return path
}

func newVersionCommand(*config) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  cobra.NoArgs,
		Run: func(cmd *cobra.Command, _ []string) {
			fmt.Fprintf(cmd.OutOrStdout(), "puna %s %s/%s\n", version(), runtime.GOOS, runtime.GOARCH)
		},
	}
}
