// Command synthgguf writes a synthetic model in a real model's shape, for
// measurements: synthgguf OUT.gguf SHAPE.
package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/puna-ai/puna/internal/testmodel"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintf(os.Stderr, "usage: synthgguf OUT.gguf SHAPE\n\nSHAPE is one of: %s\n", strings.Join(testmodel.Names(), ", "))
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "synthgguf:", err)
		os.Exit(1)
	}
}

func run(out, name string) error {
	shape, err := testmodel.ByName(name)
	if err != nil {
		return err
	}
	return testmodel.Write(out, shape)
}
