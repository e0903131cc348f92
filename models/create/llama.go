package create

import (
	"context"
	"os"

	"github.com/puna-ai/puna"
	"github.com/puna-ai/puna/cgo/llama"
	"github.com/puna-ai/puna/models/gguf"
)

// llamaQuantize is the [Quantizer] of llama.cpp.
func llamaQuantize(ctx context.Context, in, out string, to gguf.FileType) error {
	params := llama.QuantizeDefaultParams()
	params.FType = llama.FType(to)
	done := make(chan error, 1)
	go func() {
		err := llama.Quantize(in, out, params)
		if ctx.Err() != nil { // the caller has removed the file, but llama.cpp may have made it anew
			os.Remove(out)
		}
		done <- err
	}()
	select {
	case err := <-done:
		if err != nil {
			return puna.Errorf(puna.Invalid, "%w", err)
		}
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
