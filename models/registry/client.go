package registry

import (
	"context"
	"errors"
	"iter"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"

	"github.com/puna-ai/puna"
	"github.com/puna-ai/puna/models/name"
	"github.com/puna-ai/puna/models/store"
)

// Client moves models between a store and registries. Its fields must not change
// while it is in use. It is safe for concurrent use.
type Client struct {
	Store      *store.Store
	KeyFile    string            // the key that registries know the user by; "": ~/.ollama/id_ed25519; made when one is asked for
	HFEndpoint string            // "": https://huggingface.co
	HFToken    string            // for private and gated models of Hugging Face
	Transport  http.RoundTripper // nil: one with the environment's proxies
	Transfer   Transfer
	Log        *slog.Logger // nil: slog.Default()
}

// Request says what to pull or push.
type Request struct {
	// Model is a name, "llama3.2", "host/namespace/model:tag" or "hf.co/user/repo:quant";
	// for a pull also the address of a GGUF file, "https://host/path/file.gguf".
	Model string

	// As is the name that a GGUF file from an address gets; "": the file's, so that
	// https://host/Some-Model.Q8_0.gguf becomes Some-Model.Q8_0.
	As string

	// Insecure asks registries by http, and lets addresses be http.
	Insecure bool
}

// Pull brings a model into the store, in place of what has its name. The sequence
// reports progress and can be ranged over once; it ends with the status "success",
// or after one error. Leaving the loop, or canceling ctx, leaves what has come for
// the next pull of the same blobs, as any error does.
//
// Errors: [puna.Invalid] no such name, or a broken manifest or file;
// [puna.NotFound] the registry has no such model; [puna.Forbidden] it wants another
// key or token; [puna.Busy], [puna.Unavailable] it can't be reached or the disk is
// full: try again later; [puna.Unsupported] a model that llama.cpp can't run.
func (c *Client) Pull(ctx context.Context, req Request) iter.Seq2[puna.Progress, error] {
	return sequence(ctx, "pulling "+req.Model, func(ctx context.Context, emit emitter) error {
		return c.pull(ctx, req, emit)
	})
}

// Push sends a model of the store to the registry that its name says. The sequence
// is as that of [Client.Pull]; errors also: [puna.NotFound] the store has no such
// model, or a blob of it is missing.
func (c *Client) Push(ctx context.Context, req Request) iter.Seq2[puna.Progress, error] {
	return sequence(ctx, "pushing "+req.Model, func(ctx context.Context, emit emitter) error {
		return c.push(ctx, req, emit)
	})
}

// emitter hands progress to the consumer. It may be called by several goroutines,
// all of which end before the work does.
type emitter func(puna.Progress)

// sequence runs work on a goroutine of its own and yields what it emits.
func sequence(ctx context.Context, what string, work func(context.Context, emitter) error) iter.Seq2[puna.Progress, error] {
	return func(yield func(puna.Progress, error) bool) {
		caller := ctx
		ctx, cancel := context.WithCancel(ctx)
		steps := make(chan puna.Progress)
		var err error // the goroutine's until it closes steps
		go func() {
			defer close(steps)
			err = work(ctx, func(p puna.Progress) {
				select {
				case steps <- p:
				case <-ctx.Done():
				}
			})
		}()
		defer func() {
			cancel()
			for range steps { // until the goroutine has ended
			}
		}()
		for p := range steps {
			if !yield(p, nil) {
				return
			}
		}
		if cause := context.Cause(caller); err != nil && cause != nil {
			err = puna.Errorf(puna.Canceled, "%s: %w", what, cause)
		}
		if err != nil {
			yield(puna.Progress{}, err)
		}
	}
}

func (c *Client) log() *slog.Logger {
	if c.Log == nil {
		return slog.Default()
	}
	return c.Log
}

func (c *Client) keyFile() (string, error) {
	if c.KeyFile != "" {
		return c.KeyFile, nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", puna.Errorf(puna.Invalid, "no file for the key is given, and there is no home folder: %w", err)
	}
	return filepath.Join(home, ".ollama", "id_ed25519"), nil
}

// parse reads the name of a model at a registry.
func parse(req Request) (name.Name, error) {
	n, err := name.Parse(req.Model)
	if err != nil {
		return n, err
	}
	switch {
	case n.Scheme != "http" && n.Scheme != "https":
		return n, puna.Errorf(puna.Invalid, "model name %q: %s:// is no protocol of registries: leave it out", req.Model, n.Scheme)
	case req.Insecure:
		n.Scheme = "http"
	case n.Scheme == "http":
		return n, errInsecure
	}
	return n, nil
}

var errInsecure = puna.Errorf(puna.Invalid, "insecure protocol http: use https, or allow it with \"insecure\"")

// final reports an error with a kind: another try doesn't help it.
func final(err error) bool {
	var known *puna.Error
	return errors.As(err, &known)
}
