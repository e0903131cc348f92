package convert

import (
	"cmp"
	"context"
	"log/slog"
	"os"
)

// Options say how to convert. The zero value is silent.
type Options struct {
	Log      *slog.Logger            // what was left out; nil: nowhere
	Progress func(done, total int64) // bytes of the GGUF file that are written, often
}

func (o Options) log() *slog.Logger { return cmp.Or(o.Log, slog.New(slog.DiscardHandler)) }

// Model converts a checkpoint and writes the GGUF file to out, an empty file. Files are
// paths by the names that the files have in the model's folder, with slashes
// ("1_Pooling/config.json"). The file passes [gguf.File.Validate]; after an error out is
// empty. Errors: [puna.Unsupported] an architecture or a tokenizer that can't be
// converted, [puna.Invalid] files that are broken, missing or don't belong together,
// [puna.Canceled].
func Model(ctx context.Context, files map[string]string, out *os.File, o Options) error {
	t, err := planModel(files, o.log())
	if err != nil {
		return err
	}
	return t.write(ctx, out, o)
}

// Size returns how many bytes the GGUF file of a checkpoint will have. It reads all but the
// weights, and fails where [Model] would for what it read.
func Size(files map[string]string) (int64, error) {
	t, err := planModel(files, Options{}.log())
	if err != nil {
		return 0, err
	}
	header, err := t.header()
	if err != nil {
		return 0, err
	}
	return header.Size, nil
}

// planModel decides what the file holds and checks that llama.cpp can take it.
func planModel(f files, log *slog.Logger) (*target, error) {
	m, err := readModel(f, log)
	if err != nil {
		return nil, err
	}
	m.kv["general.file_type"] = fileType(m.outputs)
	t := newTarget(m.kv, m.outputs)
	header, err := t.header()
	if err != nil {
		return nil, err
	}
	return t, header.Validate()
}
