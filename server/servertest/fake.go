package servertest

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"iter"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/puna-ai/puna"
)

// Fake is a [puna.Service] in memory. Answer may be set before it is used.
type Fake struct {
	// Answer, where set, answers in place of the fake models.
	Answer func(ctx context.Context, req *puna.Request) iter.Seq2[puna.Event, error]

	mu       sync.Mutex
	models   map[string]*puna.ModelCard // by full name
	blobs    map[string][]byte          // by digest
	loaded   map[string]puna.RunningModel
	requests []*puna.Request
	embeds   []*puna.EmbedRequest
}

var _ puna.Service = (*Fake)(nil)

// New returns a service with models of these names, which complete and call tools.
func New(names ...string) *Fake {
	f := &Fake{models: map[string]*puna.ModelCard{}, blobs: map[string][]byte{}, loaded: map[string]puna.RunningModel{}}
	for _, name := range names {
		f.Add(puna.ModelCard{Name: name, Capabilities: []puna.Capability{puna.CanComplete, puna.CanTools}})
	}
	return f
}

// Add adds a model, or replaces one.
func (f *Fake) Add(card puna.ModelCard) {
	f.mu.Lock()
	defer f.mu.Unlock()
	card.Name = full(card.Name)
	card.Modified = time.Now()
	card.Details = puna.Details{
		ParentModel: card.Details.ParentModel, Format: "gguf", Family: "llama", Families: []string{"llama"},
		ParameterSize: "6.1M", QuantizationLevel: cmp.Or(card.Details.QuantizationLevel, "Q8_0"),
		ContextLength: 4096, EmbeddingLength: 256,
	}
	if card.Info == nil {
		card.Info = map[string]any{"general.architecture": "llama", "llama.context_length": 4096.0}
	}
	f.models[card.Name] = &card
}

// Requests returns what was asked of Load, Generate and Embed so far (of Embed what
// the others have, too).
func (f *Fake) Requests() []*puna.Request {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.requests)
}

// Last returns the last of [Fake.Requests].
func (f *Fake) Last() *puna.Request {
	all := f.Requests()
	return all[len(all)-1]
}

func full(name string) string {
	if strings.Contains(name, ":") {
		return name
	}
	return name + ":latest"
}

// find returns a model, with mu held.
func (f *Fake) find(name string) (*puna.ModelCard, error) {
	if card := f.models[full(name)]; card != nil {
		return card, nil
	}
	return nil, puna.Errorf(puna.NotFound, "model '%s' not found", name)
}

// hold loads a model, or renews its keep-alive, with mu held.
func (f *Fake) hold(req *puna.Request) (*puna.ModelCard, error) {
	f.requests = append(f.requests, req)
	card, err := f.find(req.Model)
	if err != nil {
		return nil, err
	}
	if req.Think.Enabled() && !slices.Contains(card.Capabilities, puna.CanThink) {
		return nil, puna.Errorf(puna.Unsupported, "%q does not support thinking", req.Model)
	}
	if err := req.Options.Validate(); err != nil {
		return nil, err
	}
	running := puna.RunningModel{
		Name: card.Name, Digest: digestOf(card.Name), Details: card.Details, Size: 1 << 20, ContextLength: contextOf(req),
	}
	if keep := puna.Or(req.KeepAlive, 5*time.Minute); keep >= 0 {
		running.Expires = time.Now().Add(keep)
	}
	f.loaded[card.Name] = running
	return card, nil
}

// Load implements [puna.Loader].
func (f *Fake) Load(ctx context.Context, req *puna.Request) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	_, err := f.hold(req)
	return err
}

// Unload implements [puna.Loader].
func (f *Fake) Unload(ctx context.Context, model string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	card, err := f.find(model)
	if err != nil {
		return err
	}
	delete(f.loaded, card.Name)
	return nil
}

// Running implements [puna.Loader].
func (f *Fake) Running(ctx context.Context) ([]puna.RunningModel, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	maps.DeleteFunc(f.loaded, func(_ string, m puna.RunningModel) bool {
		return !m.Expires.IsZero() && !m.Expires.After(time.Now())
	})
	return slices.SortedFunc(maps.Values(f.loaded), func(a, b puna.RunningModel) int {
		if a.Expires.IsZero() != b.Expires.IsZero() {
			return cmp.Compare(b2i(b.Expires.IsZero()), b2i(a.Expires.IsZero()))
		}
		return b.Expires.Compare(a.Expires)
	}), nil
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// List implements [puna.Library].
func (f *Fake) List(ctx context.Context) ([]puna.Model, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	models := make([]puna.Model, 0, len(f.models))
	for name, card := range f.models {
		models = append(models, puna.Model{
			Name: name, Modified: card.Modified, Size: 1 << 20, Digest: digestOf(name), Details: card.Details, Capabilities: card.Capabilities,
		})
	}
	slices.SortFunc(models, func(a, b puna.Model) int {
		return cmp.Or(b.Modified.Compare(a.Modified), cmp.Compare(a.Name, b.Name))
	})
	return models, nil
}

// Show implements [puna.Library].
func (f *Fake) Show(ctx context.Context, model string, verbose bool) (*puna.ModelCard, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	card, err := f.find(model)
	if err != nil {
		return nil, err
	}
	out := *card
	if verbose {
		out.Tensors = []puna.Tensor{{Name: "token_embd.weight", Type: "Q8_0", Shape: []uint64{256, 2048}}}
	}
	return &out, nil
}

// Create implements [puna.Library].
func (f *Fake) Create(ctx context.Context, req *puna.CreateRequest) iter.Seq2[puna.Progress, error] {
	return func(yield func(puna.Progress, error) bool) {
		card, err := f.create(req)
		if err != nil {
			yield(puna.Progress{}, err)
			return
		}
		for _, status := range []string{"using existing layer sha256:" + digestOf(card.Name), "writing manifest"} {
			if !yield(puna.Progress{Status: status}, nil) {
				return
			}
		}
		f.Add(*card)
		yield(puna.Progress{Status: "success"}, nil)
	}
}

func (f *Fake) create(req *puna.CreateRequest) (*puna.ModelCard, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	card := puna.ModelCard{Capabilities: []puna.Capability{puna.CanComplete}}
	switch {
	case req.From != "":
		base, err := f.find(req.From)
		if err != nil {
			return nil, err
		}
		card = *base
		card.Details.ParentModel = base.Name
	case len(req.Files) == 0:
		return nil, puna.Errorf(puna.Invalid, "neither 'from' or 'files' was specified")
	}
	for name, digest := range req.Files {
		if _, ok := f.blobs[digest]; !ok {
			return nil, puna.Errorf(puna.NotFound, "file %q: blob %q not found", name, digest)
		}
	}
	var options puna.Options
	for name, value := range req.Parameters {
		switch known, err := options.Set(name, value); {
		case err != nil:
			return nil, err
		case !known:
			return nil, puna.Errorf(puna.Invalid, "unknown parameter %q", name)
		}
		card.Parameters += name + " ...\n"
	}
	card.Name, card.Messages = req.Model, req.Messages
	card.System, card.Template = cmp.Or(req.System, card.System), cmp.Or(req.Template, card.Template)
	card.License = cmp.Or(strings.Join(req.License, "\n"), card.License)
	card.Details.QuantizationLevel = cmp.Or(req.Quantize, card.Details.QuantizationLevel)
	return &card, nil
}

// Copy implements [puna.Library].
func (f *Fake) Copy(ctx context.Context, from, to string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	card, err := f.find(from)
	if err != nil {
		return err
	}
	second := *card
	second.Name = full(to)
	f.models[second.Name] = &second
	return nil
}

// Delete implements [puna.Library].
func (f *Fake) Delete(ctx context.Context, model string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	card, err := f.find(model)
	if err != nil {
		return err
	}
	delete(f.models, card.Name)
	delete(f.loaded, card.Name)
	return nil
}

var digestPattern = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)

// HasBlob implements [puna.Library].
func (f *Fake) HasBlob(ctx context.Context, digest string) (bool, error) {
	if !digestPattern.MatchString(digest) {
		return false, puna.Errorf(puna.Invalid, "invalid digest %q", digest)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	_, ok := f.blobs[digest]
	return ok, nil
}

// PutBlob implements [puna.Library].
func (f *Fake) PutBlob(ctx context.Context, digest string, r io.Reader) error {
	data, err := io.ReadAll(r)
	if err != nil {
		return puna.Errorf(puna.Canceled, "read the blob: %w", err)
	}
	if got := "sha256:" + digestOf(string(data)); got != digest {
		return puna.Errorf(puna.Invalid, "digest mismatch, expected %q, got %q", digest, got)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.blobs[digest] = data
	return nil
}

func digestOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}
