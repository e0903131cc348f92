// Command quantize writes a GGUF file in another type, by llama.cpp's quantizer.
//
//	go run ./tools/guide/quantize IN OUT TYPE
package main

import (
	"fmt"
	"os"

	"github.com/puna-ai/puna/cgo/llama"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "quantize:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 3 {
		return fmt.Errorf("%d arguments: need IN OUT TYPE", len(args))
	}
	ftype, err := llama.ParseFType(args[2])
	if err != nil {
		return err
	}
	params := llama.QuantizeDefaultParams()
	params.FType = ftype
	return llama.Quantize(args[0], args[1], params)
}
