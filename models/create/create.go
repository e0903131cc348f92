package create

import (
	"context"
	"errors"
	"iter"
	"log/slog"
	"slices"
	"strings"

	"github.com/puna-ai/puna"
	"github.com/puna-ai/puna/models/gguf"
	"github.com/puna-ai/puna/models/name"
	"github.com/puna-ai/puna/models/store"
	"github.com/puna-ai/puna/models/template"
)

// Quantizer writes the model in the GGUF file in to the file out, which exists and
// is empty, with most tensors of a type. It returns early when ctx ends; what it
// still writes then goes nowhere.
type Quantizer func(ctx context.Context, in, out string, to gguf.FileType) error

// Creator makes models in a store. It is safe for concurrent use.
type Creator struct {
	Store    *store.Store
	Quantize Quantizer    // nil: llama.cpp's
	Log      *slog.Logger // nil: slog.Default()

	// AllowPaths has From name files of this machine, too: only for callers that
	// are trusted with this user's files.
	AllowPaths bool
}

// errStopped says that the consumer of the progress has left its loop.
var errStopped = errors.New("stopped")

// Create makes a model, in place of what has its name. The sequence reports
// progress and can be ranged over once; it ends with the status "success", or after
// one error. Leaving the loop, or canceling ctx, leaves nothing behind.
// Errors: [puna.Invalid] the request or a file is wrong, [puna.NotFound] no such
// model or blob, [puna.Unsupported] llama.cpp can't run the model.
func (c *Creator) Create(ctx context.Context, req *puna.CreateRequest) iter.Seq2[puna.Progress, error] {
	return func(yield func(puna.Progress, error) bool) {
		emit := func(p puna.Progress) error {
			if !yield(p, nil) {
				return errStopped
			}
			return nil
		}
		err := c.create(ctx, req, emit)
		if err != nil && !errors.Is(err, errStopped) {
			if cause := context.Cause(ctx); cause != nil {
				err = puna.Errorf(puna.Canceled, "creating %q: %w", req.Model, cause)
			}
			yield(puna.Progress{}, err)
		}
	}
}

// job is one creation.
type job struct {
	creator *Creator
	ctx     context.Context
	req     *puna.CreateRequest
	emit    func(puna.Progress) error
	change  *store.Change

	options  puna.Options   // that the request sets
	params   map[string]any // that the base model has
	quantize gguf.FileType  // the type asked for; [gguf.UnknownFileType]: none
	layers   []store.Layer
	statuses []string // of the layers
	config   store.Config
	path     string // of the model's file
	model    *gguf.File
}

func (c *Creator) create(ctx context.Context, req *puna.CreateRequest, emit func(puna.Progress) error) error {
	n, err := name.Parse(req.Model)
	if err != nil {
		return err
	}
	j := &job{creator: c, ctx: ctx, req: req, emit: emit, quantize: gguf.UnknownFileType}
	if err := j.check(); err != nil {
		return err
	}
	if j.change, err = c.Store.Begin(); err != nil {
		return err
	}
	defer func() {
		if err := j.change.Close(); err != nil {
			c.log().Warn("what a creation left could not be removed", "model", n.String(), "error", err)
		}
	}()
	for _, step := range []func() error{j.base, j.adapters, j.draft, j.quantizeModel, j.texts, j.parameters} {
		if err := step(); err != nil {
			return err
		}
	}
	config, err := j.configLayer()
	if err != nil {
		return err
	}
	for _, status := range append(j.statuses, "writing manifest") {
		if err := emit(puna.Progress{Status: status}); err != nil {
			return err
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := j.change.Commit(n, config, j.layers); err != nil {
		return err
	}
	return emit(puna.Progress{Status: "success"})
}

func (c *Creator) log() *slog.Logger {
	if c.Log == nil {
		return slog.Default()
	}
	return c.Log
}

// check finds out what is wrong with the request before anything is written.
func (j *job) check() (err error) {
	req := j.req
	if req.From == "" && len(req.Files) == 0 {
		return puna.Errorf(puna.Invalid, "neither 'from' or 'files' was specified")
	}
	if req.Quantize != "" {
		if j.quantize, err = ParseQuantization(req.Quantize); err != nil {
			return err
		}
	}
	if req.Template != "" {
		if _, err := template.New(template.Source{Modelfile: req.Template}); err != nil {
			return err
		}
	}
	if req.Renderer != "" {
		if _, err := template.New(template.Source{Renderer: req.Renderer, Parser: req.Parser}); err != nil {
			return err
		}
	}
	for key, value := range req.Parameters {
		known, err := j.options.Set(key, value)
		if err != nil {
			return err
		}
		if !known {
			return puna.Errorf(puna.Invalid, "unknown parameter %q", key)
		}
	}
	for i, m := range req.Messages {
		if !slices.Contains([]puna.Role{puna.System, puna.User, puna.Assistant, puna.ToolRole}, m.Role) {
			return puna.Errorf(puna.Invalid, "messages[%d]: the role %q is none of system, user, assistant and tool", i, m.Role)
		}
	}
	return nil
}

// ParseQuantization returns the file type that a name stands for, in any case.
// "Q4_K" is short for "Q4_K_M", as "Q3_K" and "Q5_K" are for theirs. Errors list
// the names.
func ParseQuantization(text string) (gguf.FileType, error) {
	upper := strings.ToUpper(text)
	if t, ok := gguf.ParseFileType(upper); ok {
		return t, nil
	}
	if t, ok := gguf.ParseFileType(upper + "_M"); ok && strings.HasPrefix(upper, "Q") {
		return t, nil
	}
	return 0, puna.Errorf(puna.Invalid, "unsupported quantization type %q: supported types are %s", text, strings.Join(gguf.FileTypes(), ", "))
}

// add takes a layer over and remembers its status.
func (j *job) add(l store.Layer, existed bool) {
	status := "creating new layer "
	if existed {
		status = "using existing layer "
	}
	j.layers = append(j.layers, l)
	j.statuses = append(j.statuses, status+l.Digest)
}

// putText adds a layer that holds a text.
func (j *job) putText(mediaType, text string) error {
	l, existed, err := j.change.Put(j.ctx, mediaType, strings.NewReader(text))
	if err != nil {
		return err
	}
	j.add(l, existed)
	return nil
}

// drop leaves out the base's layers of a type.
func (j *job) drop(mediaTypes ...string) {
	var layers []store.Layer
	var statuses []string
	for i, l := range j.layers {
		if !slices.Contains(mediaTypes, l.MediaType) {
			layers, statuses = append(layers, l), append(statuses, j.statuses[i])
		}
	}
	j.layers, j.statuses = layers, statuses
}
