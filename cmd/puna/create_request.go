package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/puna-ai/puna"
	"github.com/puna-ai/puna/local"
	"github.com/puna-ai/puna/models/modelfile"
)

// createRequest reads a Modelfile and puts the files that it names into the
// service's store. Paths are relative to the Modelfile's folder, as with Ollama.
func createRequest(ctx context.Context, svc puna.Service, model, path string, bars *progressBars) (*puna.CreateRequest, error) {
	f, err := readModelfile(path)
	if err != nil {
		return nil, err
	}
	req, err := f.Request(model)
	if err != nil {
		return nil, err
	}
	req.Files, req.Adapters = map[string]string{}, map[string]string{}
	u := uploader{ctx: ctx, svc: svc, dir: filepath.Dir(path), bars: bars}
	for _, from := range f.From {
		known, err := u.put(from, req.Files)
		if err != nil {
			return nil, err
		}
		if !known {
			req.From = from // no file: a model's name
		}
	}
	for _, adapter := range f.Adapters {
		known, err := u.put(adapter, req.Adapters)
		if err != nil {
			return nil, err
		}
		if !known {
			return nil, fmt.Errorf("ADAPTER %s: there is no such file", adapter)
		}
	}
	req.Draft, err = u.draft(f.Draft)
	return req, err
}

func readModelfile(path string) (*modelfile.File, error) {
	if path == "-" {
		return modelfile.Parse(os.Stdin)
	}
	in, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no Modelfile at %q; -f names another, - reads standard input", path)
	}
	if err != nil {
		return nil, err
	}
	defer in.Close()
	return modelfile.Parse(in)
}

// uploader puts files into a service's store.
type uploader struct {
	ctx  context.Context
	svc  puna.Service
	dir  string // what relative paths start from
	bars *progressBars
}

// put stores a file and adds its name and digest to blobs. The name begins with a
// number, since services take files in the order of their names, and files of two
// folders may have one name. It returns false for what isn't a file and doesn't look
// like a path.
func (u uploader) put(name string, blobs map[string]string) (known bool, err error) {
	path := name
	if rest, ok := strings.CutPrefix(path, "~/"); ok {
		if home, err := os.UserHomeDir(); err == nil {
			path = filepath.Join(home, rest)
		}
	}
	if !filepath.IsAbs(path) {
		path = filepath.Join(u.dir, path)
	}
	info, err := os.Stat(path)
	switch {
	case err != nil && local.IsPath(name):
		return false, fmt.Errorf("%s: %w", name, err)
	case err != nil:
		return false, nil
	case info.IsDir():
		return false, fmt.Errorf("%s is a folder: convert its weights to a GGUF file first", name)
	}
	digest, err := u.digest(path, info.Size())
	if err != nil {
		return false, err
	}
	blobs[fmt.Sprintf("%03d-%s", len(blobs), filepath.Base(path))] = digest
	have, err := u.svc.HasBlob(u.ctx, digest)
	if err != nil || have {
		return true, err
	}
	in, err := os.Open(path)
	if err != nil {
		return true, err
	}
	defer in.Close()
	return true, u.svc.PutBlob(u.ctx, digest, u.counted(in, "copying "+filepath.Base(path), info.Size()))
}

// draft is what a request says of a DRAFT: a file's digest, or a model's name.
func (u uploader) draft(from string) (string, error) {
	if from == "" {
		return "", nil
	}
	blobs := map[string]string{}
	if _, err := u.put(from, blobs); err != nil {
		return "", err
	}
	for _, digest := range blobs {
		return digest, nil
	}
	return from, nil
}

func (u uploader) digest(path string, size int64) (string, error) {
	in, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer in.Close()
	hash := sha256.New()
	if _, err := io.Copy(hash, u.counted(in, "reading "+filepath.Base(path), size)); err != nil {
		return "", err
	}
	return "sha256:" + hex.EncodeToString(hash.Sum(nil)), nil
}

// counted shows the progress of reading r.
func (u uploader) counted(r io.Reader, status string, size int64) io.Reader {
	return &countingReader{r: r, show: func(n int64) {
		u.bars.show(puna.Progress{Status: status, Total: size, Completed: n})
	}, ctx: u.ctx}
}

// countingReader reports how much was read, and stops with ctx.
type countingReader struct {
	ctx  context.Context
	r    io.Reader
	n    int64
	show func(n int64)
}

func (c *countingReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := c.r.Read(p)
	c.n += int64(n)
	c.show(c.n)
	return n, err
}
