package convert

import (
	"encoding/binary"
	"fmt"
	"log/slog"
	"regexp"
	"slices"
	"strconv"
	"strings"

	ollama "github.com/ollama/ollama/convert"

	"github.com/puna-ai/puna"
)

// model is a checkpoint on its way into a GGUF file.
type model struct {
	family
	files   files
	config  config
	vocab   *vocabulary
	kv      map[string]any
	outputs []output
}

// readModel reads all of a checkpoint but its weights.
func readModel(f files, log *slog.Logger) (*model, error) {
	m := &model{files: f}
	if err := m.readConfig(); err != nil {
		return nil, err
	}
	sources, err := readWeights(f)
	if err != nil {
		return nil, err
	}
	sources = m.drop(sources, log)
	rows, err := m.settle(sources)
	if err != nil {
		return nil, err
	}
	conv, err := ollamaConverter(m.ollama, m.config)
	if err != nil {
		return nil, err
	}
	if m.vocab, err = readVocabulary(f, m.config, rows); err != nil {
		return nil, err
	}
	if err := m.describe(conv, rows); err != nil {
		return nil, err
	}
	if err := guard(func() error { return m.place(conv, sources) }); err != nil {
		return nil, err
	}
	if err := m.complete(); err != nil {
		return nil, err
	}
	return m, m.rope()
}

func (m *model) readConfig() error {
	found, err := m.files.json("config.json", maxConfig, &m.config)
	if err != nil {
		return err
	}
	if !found {
		return puna.Errorf(puna.Invalid, "the folder has no config.json: it is no model of Hugging Face's format")
	}
	if m.family, err = familyOf(m.config); err != nil {
		return err
	}
	m.config = m.config.flatten()
	for _, key := range []string{"quantization_config", "compression_config", "quantization"} {
		if q := m.config.sub(key); q != nil {
			return puna.Errorf(puna.Unsupported, "the weights are quantized already (%s: quant_method %q), which can't be converted: use the model's original checkpoint", key, q.text("quant_method"))
		}
	}
	return nil
}

// settle checks the config, and returns how many rows the embedding has.
func (m *model) settle(sources []source) (rows uint64, err error) {
	needs := append([]string{"hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "max_position_embeddings"}, m.needs...)
	if err := m.config.settle(m.defaults, needs...); err != nil {
		return 0, err
	}
	if m.check != nil {
		if err := m.check(m.config); err != nil {
			return 0, err
		}
	}
	i := slices.IndexFunc(sources, func(s source) bool {
		return strings.HasSuffix(s.name, "embed_tokens.weight") || strings.HasSuffix(s.name, "word_embeddings.weight")
	})
	if i < 0 || len(sources[i].shape) != 2 {
		return 0, puna.Errorf(puna.Invalid, "the checkpoint has no embedding (embed_tokens.weight): shards are missing, or it is no whole model")
	}
	rows = sources[i].shape[0]
	if n := m.config.count("vocab_size"); n != 0 && n != rows {
		return 0, puna.Errorf(puna.Invalid, "config.json: vocab_size is %d, but %s has %d rows in %q: the files belong to different models", n, sources[i].file, rows, sources[i].name)
	}
	return rows, nil
}

// buffers are tensors that checkpoints hold but that are computed.
var buffers = regexp.MustCompile(`\.rotary_emb\.inv_freq$|\.attention\.(masked_)?bias$|(^|\.)position_ids$`)

// towers are the parts of multimodal models that llama.cpp has in another file.
var towers = regexp.MustCompile(`^(model\.)?(vision_tower|multi_modal_projector|visual)\.`)

// drop leaves out what the GGUF file doesn't get.
func (m *model) drop(sources []source, log *slog.Logger) []source {
	images := 0
	tied, stated := m.config["tie_word_embeddings"].(bool)
	tied = tied || m.tied && !stated
	sources = slices.DeleteFunc(sources, func(s source) bool {
		if m.towers && towers.MatchString(s.name) {
			images++
			return true
		}
		head := strings.HasSuffix(s.name, "lm_head.weight") && tied
		return head || buffers.MatchString(s.name)
	})
	if images > 0 {
		log.Warn("the model is converted without its images: these need an mmproj file", "tensors left out", images)
	}
	window, windowed := m.config.count("sliding_window"), m.config["use_sliding_window"]
	if !m.windows && window > 0 && windowed != false && window < m.config.count("max_position_embeddings") {
		log.Warn("llama.cpp computes without the model's sliding window: it may answer otherwise to longer texts", "window", window)
	}
	return sources
}

// describe makes the metadata.
func (m *model) describe(conv ollama.ModelConverter, rows uint64) error {
	var kv ollama.KV
	none := &ollama.Tokenizer{Vocabulary: &ollama.Vocabulary{}}
	if err := guard(func() error { kv = conv.KV(none); return nil }); err != nil {
		return err
	}
	from := kv.Architecture() + "."
	m.kv = map[string]any{}
	for key, value := range kv { // some keys lack the prefix
		if !strings.HasPrefix(key, "general.") && !strings.HasPrefix(key, "tokenizer.") {
			m.kv[m.arch+"."+strings.TrimPrefix(key, from)] = value
		}
	}
	for key, value := range m.vocab.metadata() {
		m.kv[key] = value
	}
	m.kv["general.architecture"] = m.arch
	m.kv["general.type"] = "model"
	m.kv["general.quantization_version"] = uint32(2)
	m.kv[m.arch+".vocab_size"] = uint32(rows)
	if n, ok := m.kv["phi3.rope.scaling.original_context_length"]; ok && n == uint32(0) {
		delete(m.kv, "phi3.rope.scaling.original_context_length")
	}
	if m.finish != nil {
		if err := m.finish(m); err != nil {
			return err
		}
	}
	return m.pool()
}

// bare finds names of models without a head, which lack a prefix.
var bare = regexp.MustCompile(`^(embed_tokens|layers|norm)\.`)

// place names the tensors and lets Ollama's converter change them.
func (m *model) place(conv ollama.ModelConverter, sources []source) error {
	own, theirs := strings.NewReplacer(m.rename...), strings.NewReplacer(conv.Replacements()...)
	stacks := map[string]map[int]*tensor{}
	var tensors []ollama.Tensor
	for _, s := range sources {
		if err := s.convertible(); err != nil {
			return err
		}
		name := own.Replace(bare.ReplaceAllString(s.name, "model.$0"))
		if stack, i, ok := m.expert(name); ok {
			if stacks[stack] == nil {
				stacks[stack] = map[int]*tensor{}
			}
			stacks[stack][i] = newTensor(s, stack)
			continue
		}
		tensors = append(tensors, newTensor(s, theirs.Replace(name)))
	}
	for _, t := range conv.Tensors(tensors) {
		ours, ok := t.WriterTo.(*tensor)
		if !ok { // Phi 3's factors, which longRope writes
			continue
		}
		ours.name = t.Name
		if width := m.config.count("hidden_size"); strings.HasSuffix(t.Name, ".attn_q.bias") && t.Shape[0] != width {
			return puna.Errorf(puna.Unsupported, "the queries have %d biases in %q, but llama.cpp only takes as many as the model is wide, %d", t.Shape[0], ours.source.name, width)
		}
		if m.permuted {
			m.permute(ours)
		}
		m.outputs = append(m.outputs, output{name: t.Name, kind: ours.kind(), shape: reversed(t.Shape), data: ours})
	}
	for name, experts := range stacks {
		if err := m.stack(name, experts); err != nil {
			return err
		}
	}
	return nil
}

var expertName = regexp.MustCompile(`^model\.layers\.(\d{1,4})\.experts\.(\d{1,4})\.(.+)$`)

// expert returns the stack that the tensor of an expert belongs to, and its place there.
func (m *model) expert(name string) (stack string, i int, ok bool) {
	parts := expertName.FindStringSubmatch(name)
	if parts == nil {
		return "", 0, false
	}
	for n := 0; n < len(m.experts); n += 2 {
		if m.experts[n] == parts[3] {
			i, _ = strconv.Atoi(parts[2])
			return "blk." + parts[1] + "." + m.experts[n+1], i, true
		}
	}
	return "", 0, false
}

// stack makes one tensor of a layer's experts.
func (m *model) stack(name string, experts map[int]*tensor) error {
	count := max(m.config.count("num_local_experts"), m.config.count("num_experts"))
	var all stack
	for i := range int(count) {
		t, ok := experts[i]
		if !ok {
			return puna.Errorf(puna.Invalid, "the checkpoint lacks expert %d of %s; config.json says that there are %d: shards are missing", i, name, count)
		}
		if !slices.Equal(t.shape, experts[0].shape) || t.kind() != experts[0].kind() {
			return puna.Errorf(puna.Invalid, "tensor %q has the shape %v in %s, but expert 0 has %v in %s", t.source.name, t.shape, t.dtype, experts[0].shape, experts[0].dtype)
		}
		all = append(all, t)
	}
	if len(experts) != len(all) {
		return puna.Errorf(puna.Invalid, "the checkpoint has %d experts of %s, but config.json says %d", len(experts), name, count)
	}
	m.outputs = append(m.outputs, output{name: name, kind: all[0].kind(), shape: append(reversed(all[0].shape), count), data: all})
	return nil
}

// permute puts the rows of queries and keys into llama.cpp's order: of each head, the
// two numbers that rope turns together are side by side there. Ollama's package leaves
// biases out, and holds tensors five times in memory where rows can be read in order.
func (m *model) permute(t *tensor) {
	heads := uint64(0)
	switch {
	case strings.HasSuffix(t.name, ".attn_q.weight"), strings.HasSuffix(t.name, ".attn_q.bias"):
		heads = m.config.count("num_attention_heads")
	case strings.HasSuffix(t.name, ".attn_k.weight"), strings.HasSuffix(t.name, ".attn_k.bias"):
		heads = m.config.count("num_key_value_heads")
	default:
		return
	}
	t.repack, t.order = nil, headOrder(t.shape[0], heads)
}

// headOrder returns, for each row, which row of Hugging Face's it is: halves of a head
// take turns.
func headOrder(rows, heads uint64) func(int) int {
	length := int(rows / max(1, heads))
	if length < 2 || length%2 != 0 || rows%heads != 0 {
		return func(row int) int { return row } // GGUF's validation refuses such heads
	}
	return func(row int) int {
		head, i := row/length, row%length
		return head*length + i%2*(length/2) + i/2
	}
}

func reversed(shape []uint64) []uint64 {
	shape = slices.Clone(shape)
	slices.Reverse(shape)
	return shape
}

// addFloats adds a tensor that was computed.
func (m *model) addFloats(name string, values []float32) error {
	b, err := binary.Append(nil, binary.LittleEndian, values)
	m.outputs = append(m.outputs, output{name: name, shape: []uint64{uint64(len(values))}, data: computed(b)})
	return err
}

// complete checks that the tensors are those of the architecture: all that it has, and no
// others, which llama.cpp would only say after the whole file was written.
func (m *model) complete() error {
	have := map[string]bool{}
	for _, o := range m.outputs {
		if have[o.name] {
			return puna.Errorf(puna.Invalid, "the checkpoint has two tensors for %s: files of two models are in the folder", o.name)
		}
		have[o.name] = true
	}
	known := map[string]bool{}
	expect := func(prefix, names string, required bool) error {
		for name := range strings.FieldsSeq(names) {
			if !strings.HasSuffix(name, ".bias") && !strings.HasSuffix(name, ".weight") {
				name += ".weight"
			}
			known[prefix+name] = true
			if required && !have[prefix+name] {
				return puna.Errorf(puna.Invalid, "the checkpoint has no tensor for %s: shards are missing, or config.json belongs to another model", prefix+name)
			}
		}
		return nil
	}
	if err := expect("", m.global, true); err != nil {
		return err
	}
	_ = expect("", m.may, false)
	for i := range m.config.count("num_hidden_layers") {
		prefix := fmt.Sprintf("blk.%d.", i)
		if err := expect(prefix, m.layer, true); err != nil {
			return err
		}
		_ = expect(prefix, m.may, false)
	}
	for _, o := range m.outputs {
		if !known[o.name] {
			return puna.Errorf(puna.Unsupported, "the checkpoint's tensor %q isn't one of a %s model: it was changed in a way that can't be converted", o.origin(), m.arch)
		}
	}
	return nil
}

// computed is data that isn't from a file.
type computed []byte
