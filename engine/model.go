package engine

import (
	"context"
	"iter"
	"time"

	"github.com/puna-ai/puna"
)

// LoadOptions describe a model: the file, and what a Modelfile says about it.
//
// It has more than 15 fields because it is what a Modelfile and a load can say.
type LoadOptions struct {
	Path     string    // the GGUF file
	Name     string    // what errors and templates call the model; "": the file's base name
	Adapters []Adapter // in effect for every request

	Options  puna.Options   // the model's own; requests go over them
	Template string         // Go template syntax; goes before Renderer and the GGUF's own
	Renderer string         // a name that Ollama's renderers know
	Parser   string         // a name that Ollama's parsers know
	System   string         // the system message of requests without one
	Messages []puna.Message // go before the messages of every chat

	// Progress is called with the loaded share, 0 to 1, from the loading goroutine.
	Progress func(fraction float64)

	Repack      Repack
	PoolTokens  int           // cells of the KV cache that all requests share; 0: twice num_ctx
	NumParallel int           // requests that run at once, others wait; 0: as many as fit, at most 64
	MaxGap      time.Duration // the longest gap between two tokens of a stream that a long prompt beside it may cause; 0: 250 ms
	NoReuse     bool          // compute every prompt from its start
}

// Adapter is a LoRA adapter file.
type Adapter struct {
	Path  string
	Scale float64 // 0: 1
}

// Repack says whether weights are copied into the layout that this CPU multiplies
// fastest (AMX, interleaved rows). The copy is private memory of about the size of
// the file, and takes about a second for each gigabyte; without it the pages of
// the mapped file are shared by every process that runs the model.
type Repack int

// The choices; the zero value decides by what pays.
const (
	RepackAuto Repack = iota
	RepackOn
	RepackOff
)

// Model is a loaded model. It is safe for concurrent use.
type Model struct {
	engine *Engine
	opts   LoadOptions
}

// Info describes a loaded model.
type Info struct {
	Name          string
	Path          string
	Architecture  string // "llama"
	Description   string // "llama 1B Q4_K - Medium"
	Parameters    int64
	Size          int64 // bytes of weights, KV cache and compute buffers
	SizeVRAM      int64 // of these, bytes in the memory of GPUs
	Layers        int
	GPULayers     int
	TrainContext  int // tokens that the model was trained for
	ContextLength int // tokens that a request may have in the largest context there is now
	Vocabulary    int // tokens
	Embedding     int // width
	Capabilities  []puna.Capability
	Variant       string // the CPU kernels: "sapphirerapids"
	Threads       int
	Reuse         bool // whether prompts reuse computed prefixes
}

// Stats are counters of a model since its load, and gauges of now.
type Stats struct {
	Requests        int64 // answered, canceled and failed ones included
	Running         int   // requests in the batch
	Waiting         int   // requests that wait for room
	Steps           int64 // decodes
	PromptTokens    int64 // computed
	CachedTokens    int64 // of prompts, reused instead
	GeneratedTokens int64
	Preempted       int64 // times a request lost its cells to others and was computed again
	Cells           int   // of the KV cache
	CellsUsed       int   // by running requests and cached prefixes
	CachedPrefixes  int
	DecodeTime      time.Duration // inside llama_decode
	StepTime        time.Duration // of all steps, DecodeTime included
}

// Generate answers req: a chat, or a completion. The sequence can be ranged over
// once; leaving it early, or canceling ctx, cancels the request at the next step.
// Of req, Model, KeepAlive, OnLoad and the options of loading (num_gpu, main_gpu,
// use_mmap) don't count here. A nil Truncate means an error for a prompt that is
// too long, a nil Shift means that a full context ends the answer.
//
// A request with neither messages nor a prompt is answered with [puna.DoneLoad].
func (m *Model) Generate(ctx context.Context, req *puna.Request) iter.Seq2[puna.Event, error] {
	return func(yield func(puna.Event, error) bool) {
		yield(puna.Event{}, puna.Errorf(puna.Unsupported, "the engine is not here yet"))
	}
}

// Tokenize splits text into tokens. Special says whether the texts of control
// tokens become these tokens, and a beginning-of-sequence token is added where the
// model wants one.
func (m *Model) Tokenize(text string, special bool) ([]int, error) {
	return nil, puna.Errorf(puna.Unsupported, "the engine is not here yet")
}

// Detokenize is the text of tokens, control tokens included; it may not be valid
// UTF-8 where a character is split over tokens outside the slice.
func (m *Model) Detokenize(tokens []int) (string, error) {
	return "", puna.Errorf(puna.Unsupported, "the engine is not here yet")
}

// Info describes the model.
func (m *Model) Info() Info { return Info{} }

// Stats reads the counters.
func (m *Model) Stats() Stats { return Stats{} }

// Close waits until the running requests end, or until ctx is done and then
// cancels them, and frees the model. Requests that come later fail with
// [puna.Unavailable]. Idempotent.
func (m *Model) Close(ctx context.Context) error { return nil }
