package gguf

import (
	"fmt"
	"math"
	"path/filepath"
	"strings"

	"github.com/puna-ai/puna"
)

// maxParts limits the parts of a split model; their numbers have five digits.
const maxParts = 999

// SplitPath returns the path of part i (from 0) of a model split into n files, as
// llama_split_path of llama.h builds it.
func SplitPath(prefix string, i, n int) string {
	return fmt.Sprintf("%s-%05d-of-%05d.gguf", prefix, i+1, n)
}

// openParts reads the other parts of a split model.
func (f *File) openParts(o Options) error {
	n, err := f.splitCount()
	if err != nil || n < 2 {
		return err
	}
	suffix := SplitPath("", 0, n)
	prefix, ok := strings.CutSuffix(f.Path, suffix)
	if no, _ := f.Get("split.no"); no.Value != uint16(0) {
		return puna.Errorf(puna.Invalid, "%s is part %v of a model of %d files: open the first, whose name ends in %q", f.Path, no.Value, n, suffix)
	}
	if !ok {
		return puna.Errorf(puna.Invalid, "%s is the first of %d files: its name must end in %q so that the others are found", f.Path, n, suffix)
	}
	f.Parts = []string{f.Path}
	for i := 1; i < n; i++ {
		path := SplitPath(prefix, i, n)
		part, err := openOne(path, o)
		if err != nil {
			return fmt.Errorf("part %d of %s: %w", i+1, f.Path, err)
		}
		if err := f.addPart(part, filepath.Clean(path), i); err != nil {
			return err
		}
	}
	return f.checkSplit()
}

// checkSplit checks that all tensors of a split model are there.
func (f *File) checkSplit() error {
	total, ok := f.Uint("split.tensors.count")
	if !ok || total != uint64(len(f.Tensors)) {
		return f.failf("split.tensors.count", "the parts hold %d tensors", len(f.Tensors))
	}
	return nil
}

// splitCount returns how many files the model has; 0 or 1 for a whole model.
func (f *File) splitCount() (int, error) {
	kv, ok := f.Get("split.count")
	if !ok {
		return 0, nil
	}
	n, ok := kv.Value.(uint16) // gguf.cpp asserts the type
	if !ok || n > maxParts {
		return 0, f.failf("split.count", "it must be a u16 of at most %d", maxParts)
	}
	if no, ok := f.Get("split.no"); n > 1 && (!ok || no.Type != Uint16) {
		return 0, f.failf("split.no", "the part's number must be a u16")
	}
	return int(n), nil
}

// addPart makes the tensors of part i those of the model.
func (f *File) addPart(part *File, path string, i int) error {
	if no, _ := part.Get("split.no"); no.Value != uint16(i) {
		return part.failf("split.no", "expected %d", i)
	}
	if part.Size > math.MaxInt64-f.Size {
		return puna.Errorf(puna.Invalid, "%s: the parts are too large", f.Path)
	}
	f.Size += part.Size
	f.Parts = append(f.Parts, path)
	for _, t := range part.Tensors {
		if f.Tensor(t.Name) != nil {
			return puna.Errorf(puna.Invalid, "%s: the tensor %q is in an earlier part too", path, t.Name)
		}
		t.Part = i
		f.tensors[t.Name] = len(f.Tensors)
		f.Tensors = append(f.Tensors, t)
	}
	return nil
}
