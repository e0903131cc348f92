package engine

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/puna-ai/puna"
	"github.com/puna-ai/puna/cgo/llama"
	"github.com/puna-ai/puna/internal/atomicfile"
)

// Prover lets each model compute a token in another process before this one loads it,
// once: a file that gets past every check and ends the process that it is loaded in then
// ends that one. How it ended is kept in a file, by the model's digest, llama.cpp's
// commit, the kernels and the devices.
type Prover struct {
	Dir     string // of the verdicts; "": puna/proofs in the user's cache folder
	Version string // of the program: another one tries models again that died

	// Try runs [Engine.Try] with these options in another process. Death says how that
	// ended where it was the model's fault, "" where it ended in good order, with or without an
	// error: the load here will say which.
	Try func(ctx context.Context, o LoadOptions) (death string, err error)
}

// verdict is what is kept of a proof.
type verdict struct {
	Model   string    `json:"model"`
	Path    string    `json:"path"`
	Death   string    `json:"death,omitempty"` // "": it computed
	Version string    `json:"version"`
	At      time.Time `json:"at"`
}

// prove returns an error where the model died in another process, now or earlier. What
// can't be kept is proven again.
func (e *Engine) prove(ctx context.Context, o LoadOptions) error {
	p := e.prover
	if p == nil || o.Proven || o.Digest == "" {
		return nil
	}
	path := p.path(e.proofKey(o))
	v, ok := readVerdict(path)
	if !ok || v.Death != "" && v.Version != p.Version {
		e.log.Info("trying a model in another process, once", "model", o.Name)
		death, err := p.Try(ctx, o)
		if ctx.Err() != nil {
			return puna.Errorf(puna.Canceled, "trying %q: %w", o.Name, context.Cause(ctx))
		}
		if err != nil {
			return puna.Errorf(puna.KindOf(err), "trying %q in another process: %w", o.Name, err)
		}
		v = verdict{Model: o.Name, Path: o.Path, Death: death, Version: p.Version, At: time.Now().UTC().Truncate(time.Second)}
		if err := v.write(path); err != nil {
			e.log.Warn("the proof of a model can't be kept, and will be made again", "model", o.Name, "error", err)
		}
	}
	if v.Death == "" {
		return nil
	}
	again := ""
	if path != "" {
		again = fmt.Sprintf("; to try this one again, remove %s", path)
	}
	return puna.Errorf(puna.Invalid, "%q is not loaded, since it ended the process that tried it: %s. "+
		"The file is broken, or llama.cpp has a fault: take another file of the model, or another version of Puna%s", o.Name, v.Death, again)
}

// proofKey names what a proof holds for.
func (e *Engine) proofKey(o LoadOptions) string {
	devices := ""
	for _, d := range e.report.Devices {
		devices += d.Backend + " " + d.Description + "\n"
	}
	gpu := puna.Or(o.Options.NumGPU, -1)
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\n%s\n%d %d\n%s", e.report.LlamaCommit, e.report.Variant, gpu, puna.Or(o.Options.MainGPU, 0), devices))
	return fmt.Sprintf("%.64s-%x", filepath.Base(o.Digest), sum[:8])
}

// path is where a verdict is kept; "" keeps none.
func (p *Prover) path(key string) string {
	dir := p.Dir
	if dir == "" {
		user, err := os.UserCacheDir()
		if err != nil {
			return ""
		}
		dir = filepath.Join(user, "puna", "proofs")
	}
	return filepath.Join(dir, key+".json")
}

func readVerdict(path string) (v verdict, ok bool) {
	data, err := os.ReadFile(path)
	return v, err == nil && json.Unmarshal(data, &v) == nil && v.Version != ""
}

// write replaces the file in one step.
func (v verdict) write(path string) error {
	if path == "" {
		return errors.New("there is no cache folder")
	}
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return atomicfile.Write(path, atomicfile.Options{Temp: ".proof-*.json"}, func(w *bufio.Writer) error {
		w.Write(append(data, '\n'))
		return nil
	})
}

// Try loads a model and lets it compute a token, or an embedding, at little cost: its
// pages are mapped and not copied, the context is small. It is the other process's side of
// [Prover].
func (e *Engine) Try(ctx context.Context, o LoadOptions) error {
	const cells = 256
	o.Options.UseMmap, o.Repack = nil, RepackOff
	o.Options.NumCtx, o.Options.NumBatch = new(cells), new(32)
	o.PoolTokens, o.NumParallel, o.CacheRAM, o.Digest = cells, 1, -1, ""
	if o.Draft.Path != "" { // drafts need not pay for a token
		if err := e.Try(ctx, LoadOptions{Path: o.Draft.Path, Options: o.Options}); err != nil {
			return err
		}
	}
	m, err := e.Load(ctx, o)
	if err != nil {
		return err
	}
	defer m.Close(context.WithoutCancel(ctx))
	switch {
	case m.pooling() == llama.PoolingRank:
		_, err = m.Rerank(ctx, &puna.RerankRequest{Query: "a", Documents: []string{"b"}})
	case !m.generates() || m.pools():
		_, err = m.Embed(ctx, &puna.EmbedRequest{Input: []string{"a"}})
	}
	if !m.generates() {
		return err
	}
	for _, e := range m.Generate(ctx, &puna.Request{Raw: true, Prompt: "a b", Options: puna.Options{NumPredict: new(1)}}) {
		err = errors.Join(err, e)
	}
	return err
}
