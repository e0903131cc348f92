package convert

import (
	"bytes"
	"encoding/json"
	"io"
	"io/fs"
	"time"

	"github.com/ollama/ollama/convert"

	"github.com/puna-ai/puna"
)

// overlay is the folder that Ollama's converters see: files that this package wrote.
type overlay map[string]any

// Open returns a file as JSON.
func (o overlay) Open(name string) (fs.File, error) {
	v, ok := o[name]
	if !ok {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	b, err := json.Marshal(v)
	return &overlayFile{name: name, size: int64(len(b)), Reader: bytes.NewReader(b)}, err
}

type overlayFile struct {
	io.Reader
	name string
	size int64
}

func (f *overlayFile) Stat() (fs.FileInfo, error) { return f, nil }
func (f *overlayFile) Close() error               { return nil }
func (f *overlayFile) Name() string               { return f.name }
func (f *overlayFile) Size() int64                { return f.size }
func (f *overlayFile) Mode() fs.FileMode          { return 0o444 }
func (f *overlayFile) ModTime() time.Time         { return time.Time{} }
func (f *overlayFile) IsDir() bool                { return false }
func (f *overlayFile) Sys() any                   { return nil }

// ollamaConverter returns Ollama's converter for an architecture, which sees the numbers
// of c and an empty vocabulary: how tokenizers are read here says tokenizer.go.
func ollamaConverter(architecture string, c config) (conv convert.ModelConverter, err error) {
	err = guard(func() error {
		kv, _, err := convert.LoadModelMetadata(overlay{
			"config.json":    c.forOllama(architecture),
			"tokenizer.json": config{},
			"modules.json":   []string{},
		})
		if err != nil {
			return err
		}
		conv = kv.(convert.ModelConverter)
		return nil
	})
	if err != nil {
		return nil, puna.Errorf(puna.Invalid, "config.json: %w", err)
	}
	return conv, nil
}

// guard makes an error of a panic: converters index and divide by what files say, and a
// tensor library panics on shapes that it doesn't like.
func guard(do func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = puna.Errorf(puna.Invalid, "the checkpoint can't be converted: %v", p)
		}
	}()
	return do()
}
