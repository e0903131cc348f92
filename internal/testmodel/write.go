package testmodel

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/x448/float16"

	"github.com/puna-ai/puna/internal/atomicfile"
)

// GGUF value types and tensor types.
const (
	ggufUint32  = 4
	ggufInt32   = 5
	ggufFloat32 = 6
	ggufBool    = 7
	ggufString  = 8
	ggufArray   = 9

	tensorF32 = 0
	tensorF16 = 1

	alignment = 32
)

// Write writes a model of the shape to path. The same shape gives the same bytes.
func Write(path string, s Shape) error {
	if err := s.check(); err != nil {
		return err
	}
	return write(path, s.Seed, s.metadata(), s.tensors())
}

// WriteLora writes a LoRA adapter for the query projections of a model of the shape.
func WriteLora(path string, s Shape, rank int) error {
	if err := s.check(); err != nil {
		return err
	}
	if rank < 1 {
		return fmt.Errorf("testmodel: an adapter of rank %d: need at least 1", rank)
	}
	h := &header{}
	h.str("general.type", "adapter")
	h.str("general.architecture", "llama")
	h.str("general.name", "synth-lora-"+s.Name)
	h.str("adapter.type", "lora")
	h.f32("adapter.lora.alpha", float32(2*rank))
	return write(path, s.Seed+1, h, s.loraTensors(rank))
}

func (s Shape) metadata() *header {
	h := &header{}
	arch := s.arch()
	h.str("general.architecture", arch)
	h.str("general.name", "synth-"+s.Name)
	h.u32("general.file_type", 1) // mostly F16
	h.u32("general.quantization_version", 2)
	h.u32(arch+".vocab_size", s.Vocab)
	h.u32(arch+".context_length", s.Ctx)
	h.u32(arch+".embedding_length", s.Embd)
	h.u32(arch+".block_count", s.Layers)
	h.u32(arch+".feed_forward_length", s.FF)
	switch arch {
	case "mamba2":
		h.u32(arch+".attention.head_count", 0)
	case "granitehybrid":
		h.u32(arch+".attention.head_count", s.Heads)
		h.i32s(arch+".attention.head_count_kv", s.headsByLayer())
	default:
		h.u32(arch+".attention.head_count", s.Heads)
		h.u32(arch+".attention.head_count_kv", s.KVHeads)
	}
	if s.Pooling > 0 {
		h.u32(arch+".pooling_type", s.Pooling)
	}
	if s.Attention != "" {
		h.bool(arch+".attention.causal", s.Attention == "causal")
	}
	if s.Rerank != "" {
		h.str("tokenizer.chat_template.rerank", s.Rerank)
	}
	if labels := s.labels(); labels != nil {
		h.strs(arch+".classifier.output_labels", labels)
	}
	if arch == "bert" {
		s.encoderMetadata(h)
	} else {
		s.decoderMetadata(h)
	}
	return h
}

func (s Shape) decoderMetadata(h *header) {
	tokens, types, special := s.vocabulary()
	template := s.Template
	if template == "" {
		template = llama3Template
	}
	switch s.arch() {
	case "gemma3":
		h.u32("gemma3.attention.sliding_window", Window)
	case "mamba2", "granitehybrid":
		s.recurrentMetadata(h)
	}
	h.u32(s.arch()+".rope.dimension_count", s.Embd/s.Heads)
	h.f32(s.arch()+".rope.freq_base", 500000)
	h.f32(s.arch()+".attention.layer_norm_rms_epsilon", 1e-5)
	h.str("tokenizer.ggml.model", "gpt2")
	h.str("tokenizer.ggml.pre", "llama-bpe")
	h.strs("tokenizer.ggml.tokens", tokens)
	h.i32s("tokenizer.ggml.token_type", types)
	h.strs("tokenizer.ggml.merges", merges)
	h.u32("tokenizer.ggml.bos_token_id", special)
	h.u32("tokenizer.ggml.eos_token_id", special+1)
	h.bool("tokenizer.ggml.add_bos_token", true)
	h.str("tokenizer.chat_template", template)
}

// header collects GGUF's key-value pairs.
type header struct {
	buf bytes.Buffer
	n   uint64
}

func (h *header) key(key string, typ uint32) {
	h.n++
	putString(&h.buf, key)
	put(&h.buf, typ)
}

func (h *header) u32(key string, v int)     { h.key(key, ggufUint32); put(&h.buf, uint32(v)) }
func (h *header) f32(key string, v float32) { h.key(key, ggufFloat32); put(&h.buf, v) }
func (h *header) bool(key string, v bool)   { h.key(key, ggufBool); put(&h.buf, v) }
func (h *header) str(key, v string)         { h.key(key, ggufString); putString(&h.buf, v) }

func (h *header) strs(key string, all []string) {
	h.key(key, ggufArray)
	put(&h.buf, uint32(ggufString))
	put(&h.buf, uint64(len(all)))
	for _, v := range all {
		putString(&h.buf, v)
	}
}

func (h *header) i32s(key string, all []int32) {
	h.key(key, ggufArray)
	put(&h.buf, uint32(ggufInt32))
	put(&h.buf, uint64(len(all)))
	put(&h.buf, all)
}

// put writes to a buffer, which can't fail.
func put(b *bytes.Buffer, v any) {
	if err := binary.Write(b, binary.LittleEndian, v); err != nil {
		panic(err)
	}
}

func putString(b *bytes.Buffer, s string) {
	put(b, uint64(len(s)))
	b.WriteString(s)
}

func (t tensor) elements() int {
	n := 1
	for _, d := range t.dims {
		n *= d
	}
	return n
}

func (t tensor) bytes() int {
	if t.f32 {
		return 4 * t.elements()
	}
	return 2 * t.elements()
}

func pad(n int) int { return (alignment - n%alignment) % alignment }

// write replaces the GGUF file at path in one step.
func write(path string, seed uint64, h *header, tensors []tensor) error {
	return atomicfile.Write(path, atomicfile.Options{Temp: ".synth-*.gguf", Mode: 0o644}, func(w *bufio.Writer) error {
		return writeTo(w, seed, h, tensors)
	})
}

func writeTo(w *bufio.Writer, seed uint64, h *header, tensors []tensor) error {
	var head bytes.Buffer
	head.WriteString("GGUF")
	put(&head, uint32(3))
	put(&head, uint64(len(tensors)))
	put(&head, h.n)
	head.Write(h.buf.Bytes())
	offset := 0
	for _, t := range tensors {
		putString(&head, t.name)
		put(&head, uint32(len(t.dims)))
		for _, d := range t.dims {
			put(&head, uint64(d))
		}
		typ := uint32(tensorF16)
		if t.f32 {
			typ = tensorF32
		}
		put(&head, typ)
		put(&head, uint64(offset))
		offset += t.bytes() + pad(t.bytes())
	}
	head.Write(make([]byte, pad(head.Len())))
	if _, err := w.Write(head.Bytes()); err != nil {
		return err
	}
	weights := newWeights(seed)
	for _, t := range tensors {
		if err := weights.write(w, t); err != nil {
			return err
		}
		if _, err := w.Write(make([]byte, pad(t.bytes()))); err != nil {
			return err
		}
	}
	return nil
}

// weights draws normal F16 numbers by looking 16 random bits up in a table of the
// distribution's quantiles: about a gigabyte per second.
type weights struct {
	rng       *rand.PCG
	quantiles map[float64]*[1 << 16]uint16 // by standard deviation
}

func newWeights(seed uint64) *weights {
	return &weights{rng: rand.NewPCG(seed, 0x70756e61), quantiles: map[float64]*[1 << 16]uint16{}}
}

func (w *weights) table(scale float64) *[1 << 16]uint16 {
	if t, ok := w.quantiles[scale]; ok {
		return t
	}
	t := new([1 << 16]uint16)
	for i := range t {
		p := (float64(i) + 0.5) / float64(len(t))
		t[i] = float16.Fromfloat32(float32(scale * math.Sqrt2 * math.Erfinv(2*p-1))).Bits()
	}
	w.quantiles[scale] = t
	return t
}

func (w *weights) write(out io.Writer, t tensor) error {
	if t.f32 {
		return binary.Write(out, binary.LittleEndian, slices.Repeat([]float32{t.fill}, t.elements()))
	}
	table := w.table(t.scale)
	buf := make([]byte, 64<<10)
	for left := t.bytes(); left > 0; {
		n := min(left, len(buf))
		for i := 0; i < n; i += 8 {
			r := w.rng.Uint64()
			binary.LittleEndian.PutUint64(buf[i:], uint64(table[r&0xffff])|uint64(table[r>>16&0xffff])<<16|
				uint64(table[r>>32&0xffff])<<32|uint64(table[r>>48])<<48)
		}
		if _, err := out.Write(buf[:n]); err != nil {
			return err
		}
		left -= n
	}
	return nil
}

func sqrt(n int) float64 { return math.Sqrt(float64(n)) }
