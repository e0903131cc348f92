package gguf

import (
	"context"
	"io"
	"slices"
	"strings"

	"github.com/puna-ai/puna"
	"github.com/puna-ai/puna/models/internal/ctxio"
)

// Part is a file of a split model, wherever it is kept.
type Part struct {
	io.ReaderAt
	Size int64  // bytes
	Name string // what errors call the file
}

// Join writes the parts of a split model, which may come in any order, as one file: the
// metadata of the first but for what says that it is split, and all tensors. Errors:
// [puna.Invalid] a broken part, one that is missing or of another model; nothing has
// been written then.
func Join(ctx context.Context, w io.Writer, parts []Part) error {
	f, ordered, err := readParts(parts)
	if err != nil {
		return err
	}
	kvs := slices.DeleteFunc(slices.Clone(f.KV), func(kv KV) bool { return strings.HasPrefix(kv.Key, "split.") })
	tensors := make([]TensorData, len(f.Tensors))
	for i, t := range f.Tensors {
		data := io.NewSectionReader(ordered[t.Part], t.Offset, t.Bytes())
		tensors[i] = TensorData{Tensor: t, Data: ctxio.Reader(ctx, data)}
	}
	return Write(w, kvs, tensors)
}

// readParts reads the headers of a split model as one, and puts the parts in order.
func readParts(parts []Part) (model *File, ordered []Part, err error) {
	files := make([]*File, len(parts))
	ordered = make([]Part, len(parts))
	for _, p := range parts {
		f, err := Read(p, p.Size, p.Name, Options{})
		if err != nil {
			return nil, nil, err
		}
		i, err := f.partNumber(len(parts))
		if err != nil {
			return nil, nil, err
		}
		if files[i] != nil {
			return nil, nil, puna.Errorf(puna.Invalid, "%s and %s are both part %d of %d", files[i].Path, f.Path, i+1, len(parts))
		}
		files[i], ordered[i] = f, p
	}
	if len(files) == 0 {
		return nil, nil, puna.Errorf(puna.Invalid, "no parts of a model are given")
	}
	model = files[0]
	model.Parts = []string{model.Path}
	for i, f := range files[1:] {
		if err := model.addPart(f, f.Path, i+1); err != nil {
			return nil, nil, err
		}
	}
	return model, ordered, model.checkSplit()
}

// partNumber returns which part, from 0, of a model of n files this one is.
func (f *File) partNumber(n int) (int, error) {
	count, err := f.splitCount()
	if err != nil {
		return 0, err
	}
	if count != n {
		return 0, f.failf("split.count", "%d files are given", n)
	}
	no, ok := f.Uint("split.no")
	if !ok || no >= uint64(n) {
		return 0, f.failf("split.no", "it must be below %d", n)
	}
	return int(no), nil
}
