package puna

import (
	"context"
	"io"
	"iter"
	"time"
)

// Service answers requests about models by name. The engine in this process and
// a remote server both implement it. Methods are safe for concurrent use; their
// errors are [Error]s.
type Service interface {
	Generator
	Embedder
	Loader
	Library
}

// Generator makes text.
type Generator interface {
	// Generate answers req. The sequence can be ranged over once; it yields events
	// as they come and ends after the one with Done set, or after one error.
	// Leaving the loop early, or canceling ctx, cancels the work at the next step.
	Generate(ctx context.Context, req *Request) iter.Seq2[Event, error]
}

// Loader controls what is in memory.
type Loader interface {
	// Load loads a model, or renews its keep-alive, and returns once it can answer.
	// Only Model, Options, KeepAlive and Think of req count; a model that can't think
	// as asked is [Unsupported], as in Generate.
	Load(ctx context.Context, req *Request) error
	// Unload unloads a model when its running requests end. A model that isn't
	// loaded is no error; one that doesn't exist is [NotFound].
	Unload(ctx context.Context, model string) error
	// Running lists the loaded models, latest to expire first.
	Running(ctx context.Context) ([]RunningModel, error)
}

// Library keeps models.
type Library interface {
	// List returns the models of the store, last modified first.
	List(ctx context.Context) ([]Model, error)
	// Show describes one model. Verbose adds large metadata arrays and tensors.
	Show(ctx context.Context, model string, verbose bool) (*ModelCard, error)
	// Create makes a model; the sequence reports progress and can be ranged over
	// once. Leaving the loop early cancels and leaves no half-made model behind.
	Create(ctx context.Context, req *CreateRequest) iter.Seq2[Progress, error]
	// Copy gives a model a second name, replacing what had it.
	Copy(ctx context.Context, from, to string) error
	// Delete removes a model, and every blob that no other model uses.
	Delete(ctx context.Context, model string) error
	// HasBlob reports whether the store holds a blob. Digests read "sha256:<64 hex>".
	HasBlob(ctx context.Context, digest string) (bool, error)
	// PutBlob stores what r holds; a digest that doesn't match is [Invalid] and
	// nothing is stored.
	PutBlob(ctx context.Context, digest string, r io.Reader) error
}

// Model is a line of the store's list.
type Model struct {
	Name         string // short form where it can be: "guide:latest"
	Modified     time.Time
	Size         int64  // bytes of all layers
	Digest       string // of the manifest, 64 hex digits
	Details      Details
	Capabilities []Capability
}

// Details is the summary that Ollama's API gives of a model.
type Details struct {
	ParentModel       string
	Format            string // "gguf"
	Family            string // architecture
	Families          []string
	ParameterSize     string // "6.1M"
	QuantizationLevel string // "Q4_K_M"
	ContextLength     int    // tokens that the model was trained for
	EmbeddingLength   int
}

// Capability is something that a model can do.
type Capability string

// Ollama's capabilities.
const (
	CanComplete Capability = "completion"
	CanTools    Capability = "tools"
	CanInsert   Capability = "insert"
	CanVision   Capability = "vision"
	CanEmbed    Capability = "embedding"
	CanThink    Capability = "thinking"
	CanAudio    Capability = "audio"
)

// ModelCard is the full description of a model.
type ModelCard struct {
	Name         string
	License      string
	Modelfile    string
	Parameters   string // one line each: name, spaces, value
	Template     string
	System       string
	Details      Details
	Messages     []Message
	Info         map[string]any // the GGUF's metadata; arrays over 5 items are nil unless verbose
	Projector    map[string]any
	Tensors      []Tensor // verbose only
	Capabilities []Capability
	Modified     time.Time
}

// Tensor describes one tensor of a model file.
type Tensor struct {
	Name  string
	Type  string   // ggml's name, "Q4_K"
	Shape []uint64 // ggml's order: the fastest-varying dimension first
}

// RunningModel is a model in memory.
type RunningModel struct {
	Name          string
	Digest        string
	Details       Details
	Size          int64     // bytes of weights, KV cache and compute buffers
	SizeVRAM      int64     // of these, bytes in the memory of GPUs
	Expires       time.Time // zero: never
	ContextLength int       // tokens of the largest context
}

// CreateRequest asks for a new model. One of From and Files says where the
// weights come from.
type CreateRequest struct {
	Model      string
	From       string            // a model in the store, or a local path for local callers
	Files      map[string]string // file name to blob digest
	Adapters   map[string]string // file name to blob digest
	Draft      string            // a model that drafts for this one: its name, a blob's digest, or a local path for local callers; empty: that of From
	Template   string
	License    []string
	System     string
	Parameters map[string]any // by option name
	Messages   []Message
	Quantize   string // "Q4_K_M"; empty: as it is
	Renderer   string // what renders chats instead of a template, by Ollama's name; empty: that of From
	Parser     string // what parses answers, by Ollama's name; empty: that of From
	Requires   string // the version of Ollama that the model needs, "0.14.0"; recorded, not enforced
}

// Progress is a step of a long operation.
type Progress struct {
	Status    string
	Digest    string
	Total     int64 // units of the step (bytes or tensors); 0: not known
	Completed int64
}
