package create

import (
	"errors"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/puna-ai/puna"
	"github.com/puna-ai/puna/models/gguf"
	"github.com/puna-ai/puna/models/name"
	"github.com/puna-ai/puna/models/store"
)

// base gathers the layers that the model begins with: those of another model or
// of a file, and uploaded files, a projector beside a model, say.
func (j *job) base() error {
	var err error
	switch from := j.req.From; {
	case from == "":
	case j.creator.AllowPaths && isPath(from):
		err = j.fromPath(from)
	default:
		err = j.fromModel(from)
	}
	if err != nil {
		return err
	}
	return j.fromFiles()
}

// isPath tells a file's path from a model's name.
func isPath(from string) bool {
	return filepath.IsAbs(from) || strings.HasPrefix(from, ".") || strings.HasSuffix(strings.ToLower(from), ".gguf")
}

// fromModel takes over the layers of another model.
func (j *job) fromModel(from string) error {
	n, err := name.Parse(from)
	if err != nil {
		return err
	}
	man, err := j.creator.Store.Manifest(n)
	if err != nil {
		return err
	}
	config, err := j.creator.Store.Config(man)
	if err != nil {
		return err
	}
	if config.RemoteHost != "" {
		return puna.Errorf(puna.Unsupported, "model '%s' runs at %s only: no model can be made of it here", n, config.RemoteHost)
	}
	j.config.Renderer, j.config.Parser, j.config.Requires = config.Renderer, config.Parser, config.Requires
	for _, l := range man.Layers {
		used, err := j.change.Use(l.MediaType, l.Digest)
		if err != nil {
			return err
		}
		used.From, used.Name = n.String(), l.Name
		j.add(used, true)
		if l.MediaType == store.MediaModel && j.model == nil {
			if err := j.openModel(l.Digest); err != nil {
				return err
			}
		}
	}
	if j.model == nil {
		return puna.Errorf(puna.Unsupported, "model '%s' is in the format %q, not GGUF: no model can be made of it", n, config.ModelFormat)
	}
	return j.readParams(man)
}

// openModel reads the header of the model's blob.
func (j *job) openModel(digest string) error {
	path, err := j.creator.Store.BlobPath(digest)
	if err != nil {
		return err
	}
	j.path = path
	j.model, err = gguf.Open(path)
	return err
}

// fromFiles takes over blobs that have been uploaded.
func (j *job) fromFiles() error {
	for _, file := range slices.Sorted(maps.Keys(j.req.Files)) {
		if err := refuseOther(file); err != nil {
			return err
		}
		if err := j.addGGUF(file, j.req.Files[file]); err != nil {
			return err
		}
	}
	if j.model == nil {
		return puna.Errorf(puna.Invalid, "none of the files is a model")
	}
	return nil
}

// refuseOther refuses files of formats that have to be converted first.
func refuseOther(file string) error {
	switch strings.ToLower(filepath.Ext(file)) {
	case ".safetensors", ".bin", ".pth", ".pt":
		return puna.Errorf(puna.Unsupported, "%s: only GGUF files can be imported: convert the model with llama.cpp's convert_hf_to_gguf.py first", file)
	}
	return nil
}

// fromPath takes over a file of this machine.
func (j *job) fromPath(path string) error {
	digest, err := j.copyFile(path)
	if err != nil {
		return err
	}
	return j.addGGUF(path, digest)
}

// copyFile copies a file of this machine into the store.
func (j *job) copyFile(path string) (digest string, err error) {
	if err := refuseOther(path); err != nil {
		return "", err
	}
	in, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", puna.Errorf(puna.NotFound, "%w", err)
	}
	if err != nil {
		return "", puna.Errorf(puna.Invalid, "%w", err)
	}
	defer in.Close()
	stat, err := in.Stat()
	if err != nil || !stat.Mode().IsRegular() {
		return "", puna.Errorf(puna.Invalid, "%s is not a file", path)
	}
	if _, err := gguf.Read(in, stat.Size(), path, gguf.Options{}); err != nil { // before gigabytes are copied
		return "", err
	}
	l, _, err := j.change.Put(j.ctx, store.MediaModel, j.counted(in, "copying "+filepath.Base(path), stat.Size()))
	return l.Digest, err
}

// addGGUF checks a blob and adds it as what it is: a model, a projector.
func (j *job) addGGUF(file, digest string) error {
	if err := j.emit(puna.Progress{Status: "parsing GGUF"}); err != nil {
		return err
	}
	f, l, err := j.useGGUF(file, digest)
	if err != nil {
		return err
	}
	switch f.Kind() {
	case gguf.Projector:
		l.MediaType = store.MediaProjector
	case gguf.Adapter:
		return puna.Errorf(puna.Invalid, "%s is an adapter: name it with ADAPTER, or in 'adapters', beside a model", file)
	default:
		if j.model != nil {
			return puna.Errorf(puna.Invalid, "%s is a second model: a model has one file of weights, and perhaps a projector", file)
		}
		l.MediaType = store.MediaModel
		if j.path, err = j.creator.Store.BlobPath(digest); err != nil {
			return err
		}
		j.model = f
	}
	j.add(l, true)
	return nil
}

// useGGUF leases and validates a blob that errors call file.
func (j *job) useGGUF(file, digest string) (*gguf.File, store.Layer, error) {
	l, err := j.change.Use("", digest)
	if err != nil {
		return nil, l, err
	}
	path, err := j.creator.Store.BlobPath(digest)
	if err != nil {
		return nil, l, err
	}
	in, err := os.Open(path)
	if err != nil {
		return nil, l, puna.Errorf(puna.Internal, "%w", err)
	}
	defer in.Close()
	f, err := gguf.Read(in, l.Size, file, gguf.Options{})
	if err != nil {
		return nil, l, err
	}
	if parts, _ := f.Uint("split.count"); parts > 1 {
		return nil, l, puna.Errorf(puna.Unsupported, "%s is one of %d parts: merge them first with llama.cpp's llama-gguf-split --merge", file, parts)
	}
	return f, l, f.Validate()
}

// adapters adds the request's adapters to the base's.
func (j *job) adapters() error {
	for _, file := range slices.Sorted(maps.Keys(j.req.Adapters)) {
		if err := refuseOther(file); err != nil {
			return err
		}
		f, l, err := j.useGGUF(file, j.req.Adapters[file])
		if err != nil {
			return err
		}
		if err := f.ValidateAdapter(j.model); err != nil {
			return err
		}
		l.MediaType = store.MediaAdapter
		j.add(l, true)
	}
	return nil
}

// counted reports the progress of reading r, which has total bytes.
func (j *job) counted(r io.Reader, status string, total int64) io.Reader {
	return &progressReader{r: r, job: j, step: puna.Progress{Status: status, Total: total}}
}

// progressReader reports what has been read, now and then.
type progressReader struct {
	r    io.Reader
	job  *job
	step puna.Progress
	next int64 // when to report
}

func (p *progressReader) Read(b []byte) (int, error) {
	n, err := p.r.Read(b)
	p.step.Completed += int64(n)
	if p.step.Completed >= p.next || err == io.EOF {
		p.next = p.step.Completed + max(p.step.Total/100, 1<<20)
		if err := p.job.emit(p.step); err != nil {
			return n, err
		}
	}
	return n, err
}
