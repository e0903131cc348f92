package fit

// Memory is an amount of each kind of memory, in bytes.
type Memory struct {
	Host   int64 // main memory, that of integrated GPUs included
	Device int64 // the memory of dedicated GPUs together
}

// Add returns the sum of both.
func (m Memory) Add(n Memory) Memory { return Memory{m.Host + n.Host, m.Device + n.Device} }

// Within reports whether m is no more than limit, of which a zero kind is unbounded.
func (m Memory) Within(limit Memory) bool {
	return (limit.Host == 0 || m.Host <= limit.Host) && (limit.Device == 0 || m.Device <= limit.Device)
}

// Model is what the memory of a model depends on.
type Model struct {
	Weights     int64 // bytes of all tensors, those of adapters included
	Embedding   int64 // width of the residual stream
	FeedForward int64 // the widest feed-forward layer; of experts, all that a token goes through
	Heads       int64 // width of all query heads of a layer
	Vocabulary  int64
	Cell        int64 // elements of a cell: keys and values of all layers
	State       int64 // elements (F32) of a sequence's recurrent state
}

// Context is what the memory of a context depends on.
type Context struct {
	Cells     int64
	Batch     int64 // tokens that one llama_decode computes (n_ubatch)
	Sequences int64 // n_seq_max
	CellType  Type
}

// Type is the type of KV cells: so many elements take so many bytes.
type Type struct{ Elements, Bytes int64 }

// Estimate is what a model and one context take, in bytes.
type Estimate struct {
	Weights int64
	Cache   int64 // KV cells and recurrent states
	Compute int64 // intermediate results and logits
}

// Total is the sum.
func (e Estimate) Total() int64 { return e.Weights + e.Cache + e.Compute }

const f32, f16 = 4, 2 // bytes

// Of estimates what m and a context c of it take.
func Of(m Model, c Context) Estimate {
	return Estimate{Weights: m.Weights, Cache: cache(m, c), Compute: compute(m, c)}
}

func cache(m Model, c Context) int64 {
	cell := float64(m.Cell) / float64(c.CellType.Elements) * float64(c.CellType.Bytes)
	return bytes(float64(c.Cells)*cell + float64(c.Sequences)*float64(m.State)*f32)
}

// bytes rounds an amount, and bounds what a broken file may claim so that sums of many
// don't overflow.
func bytes(n float64) int64 { return int64(min(n, 1<<50)) }

// compute follows the graph that llama_context reserves: a full batch of which every
// token has logits, with flash attention. Its buffer is reused from node to node, so
// the widest moment counts. Inside a layer that is the feed-forward product (gate and
// up) or the attention's queries, keys, values and result, each beside the residual
// stream, its copy and the layer's input, and the mask over all cells in F32 and F16,
// which a model of states alone has not; after the last layer, the logits. The output
// buffer has a row for each sequence.
func compute(m Model, c Context) int64 {
	batch := float64(min(c.Batch, c.Cells))
	mask := batch * float64(c.Cells) * (f32 + f16)
	if m.State > 0 && m.Cell == 0 {
		mask = 0
	}
	layer := batch*float64(max(2*m.FeedForward, 4*m.Heads)+3*m.Embedding)*f32 + mask
	logits := batch * float64(m.Vocabulary+m.Embedding) * f32
	output := float64(c.Sequences*(m.Vocabulary+m.Embedding)) * f32
	return bytes(max(layer, logits) + output)
}

// Split says where an estimate's bytes lie when the share of layers (0 to 1) is on
// dedicated GPUs.
func (e Estimate) Split(share float64) Memory {
	device := int64(float64(e.Total()) * share)
	return Memory{Host: e.Total() - device, Device: device}
}
