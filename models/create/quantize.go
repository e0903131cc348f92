package create

import (
	"context"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/puna-ai/puna"
	"github.com/puna-ai/puna/models/gguf"
	"github.com/puna-ai/puna/models/store"
)

// pollEvery is how often progress of a quantization is reported.
const pollEvery = 200 * time.Millisecond

// quantizeModel replaces the model's file by a quantized one, if asked to.
func (j *job) quantizeModel() error {
	to, from := j.quantize, j.model.FileType()
	if to == gguf.UnknownFileType || to == from {
		return nil
	}
	if !slices.Contains([]string{"F32", "F16", "BF16"}, from.String()) {
		return puna.Errorf(puna.Invalid, "quantization is only supported for F16, BF16 and F32 models, this one is %s: start from its original", from)
	}
	if err := j.model.Validate(); err != nil { // of a model in the store; nobody has checked it yet
		return err
	}
	out, err := j.change.Temp()
	if err != nil {
		return err
	}
	if err := j.runQuantizer(out, from, to); err != nil {
		return err
	}
	info, err := os.Stat(out)
	if err != nil {
		return puna.Errorf(puna.Internal, "%w", err)
	}
	l, existed, err := j.change.PutTemp(j.ctx, store.MediaModel, out, func(r io.Reader) io.Reader {
		return j.counted(r, "verifying conversion", info.Size())
	})
	if err != nil {
		return err
	}
	i := slices.IndexFunc(j.layers, func(l store.Layer) bool { return l.MediaType == store.MediaModel })
	l.From = j.layers[i].From
	j.drop(store.MediaModel)
	j.add(l, existed)
	if err := j.openModel(l.Digest); err != nil {
		return puna.Errorf(puna.Internal, "the quantized file is broken: %w", err)
	}
	return nil
}

// runQuantizer runs the quantizer and reports how much of its output is there.
func (j *job) runQuantizer(out string, from, to gguf.FileType) error {
	quantize := j.creator.Quantize
	if quantize == nil {
		quantize = llamaQuantize
	}
	ctx, cancel := context.WithCancel(j.ctx)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- quantize(ctx, j.path, out, to) }()
	step := puna.Progress{Status: fmt.Sprintf("quantizing %s model to %s", from, to), Total: j.model.Size}
	expected := estimate(j.model, to)
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		if err := j.emit(step); err != nil {
			return err
		}
		select {
		case err := <-done:
			if err != nil {
				return fmt.Errorf("quantizing to %s: %w", to, err)
			}
			step.Completed = step.Total
			return j.emit(step)
		case <-j.ctx.Done():
			return j.ctx.Err()
		case <-tick.C:
			if info, err := os.Stat(out); err == nil {
				share := min(float64(info.Size())/float64(expected), 0.99)
				step.Completed = max(step.Completed, int64(share*float64(step.Total)))
			}
		}
	}
}

// estimate returns about how large the quantized file will be.
func estimate(f *gguf.File, to gguf.FileType) int64 {
	t := tensorTypeOf(to)
	n := f.DataOffset
	for i := range f.Tensors {
		w := &f.Tensors[i]
		if len(w.Shape) > 1 && strings.HasSuffix(w.Name, "weight") && w.Shape[0]%t.BlockSize() == 0 {
			n += int64(math.Ceil(float64(w.Elements()) / float64(t.BlockSize()) * float64(t.BlockBytes())))
		} else {
			n += w.Bytes()
		}
	}
	return max(n, 1)
}

// tensorTypeOf returns the type of most tensors: the one whose name the file
// type's begins with.
func tensorTypeOf(to gguf.FileType) gguf.TensorType {
	best := gguf.F16
	for t := gguf.F32; t < 64; t++ {
		if t.Known() && strings.HasPrefix(to.String(), t.String()) && (best == gguf.F16 || len(t.String()) > len(best.String())) {
			best = t
		}
	}
	return best
}
