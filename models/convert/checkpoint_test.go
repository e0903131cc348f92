package convert

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ollama/ollama/convert/sentencepiece"
	"github.com/stretchr/testify/require"
	"github.com/x448/float16"
	"google.golang.org/protobuf/proto"
)

// checkpoint is a tiny random model in Hugging Face's format.
type checkpoint struct {
	config  map[string]any
	tensors map[string]weights
	files   map[string][]byte // beside config.json and weights
	dtype   string            // of the weights
	shards  int
	dense   []weights // after pooling
}

type weights struct {
	shape  []uint64
	values []float32
}

// dims of the tiny models: no two that a mistake could mix up are equal.
const (
	hidden = 32
	inner  = 48
	heads  = 4
	kv     = 2
	head   = 16
	layers = 2
)

// newCheckpoint makes a model with random weights; shapes are listed by name.
func newCheckpoint(architecture string, config map[string]any, vocab int, shapes map[string][]uint64) *checkpoint {
	c := &checkpoint{dtype: "F32", shards: 1, tensors: map[string]weights{}, files: map[string][]byte{}}
	c.config = map[string]any{
		"architectures": []string{architecture}, "model_type": "tiny", "vocab_size": vocab, "hidden_size": hidden, "intermediate_size": inner,
		"num_hidden_layers": layers, "num_attention_heads": heads, "num_key_value_heads": kv, "max_position_embeddings": 128,
		"rms_norm_eps": 1e-6, "rope_theta": 10000.0, "tie_word_embeddings": false,
	}
	maps.Copy(c.config, config)
	rng := rand.New(rand.NewPCG(1, 2))
	for _, name := range slices.Sorted(maps.Keys(shapes)) {
		n, _ := product(shapes[name])
		w := weights{shapes[name], make([]float32, n)}
		for i := range w.values {
			v := rng.NormFloat64()
			switch {
			case len(w.shape) == 1: // norms and biases
				v = 1 + 0.3*v
			case strings.Contains(name, "embed"):
			default:
				v *= 1.3 / math.Sqrt(float64(w.shape[len(w.shape)-1]))
			}
			// Numbers that F16 and BF16 have, so that all types give one model.
			w.values[i] = math.Float32frombits(math.Float32bits(float32(v)) &^ 0x1ffff)
		}
		c.tensors[name] = w
	}
	return c
}

// decoder lists the tensors that most models have.
func decoder(vocab, count uint64, head uint64) map[string][]uint64 {
	shapes := map[string][]uint64{
		"model.embed_tokens.weight": {vocab, hidden}, "model.norm.weight": {hidden}, "lm_head.weight": {vocab, hidden},
	}
	for i := range count {
		for name, shape := range map[string][]uint64{
			"input_layernorm": {hidden}, "post_attention_layernorm": {hidden},
			"self_attn.q_proj": {heads * head, hidden}, "self_attn.k_proj": {kv * head, hidden}, "self_attn.v_proj": {kv * head, hidden},
			"self_attn.o_proj": {hidden, heads * head},
			"mlp.gate_proj":    {inner, hidden}, "mlp.up_proj": {inner, hidden}, "mlp.down_proj": {hidden, inner},
		} {
			shapes[fmt.Sprintf("model.layers.%d.%s.weight", i, name)] = shape
		}
	}
	return shapes
}

// each adds a tensor to each layer.
func each(shapes map[string][]uint64, name string, shape ...uint64) {
	for key := range maps.Clone(shapes) {
		if before, _, ok := strings.Cut(key, "input_layernorm.weight"); ok {
			shapes[before+name] = shape
		}
	}
}

// without removes tensors by a part of the name.
func without(shapes map[string][]uint64, part string) {
	maps.DeleteFunc(shapes, func(name string, _ []uint64) bool { return strings.Contains(name, part) })
}

// write writes the folder and returns its files.
func (c *checkpoint) write(t testing.TB) files {
	dir := t.TempDir()
	out := files{}
	put := func(name string, b []byte) {
		path := filepath.Join(dir, filepath.FromSlash(name))
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, b, 0o644))
		out[name] = path
	}
	put("config.json", asJSON(t, c.config))
	for name, b := range c.files {
		put(name, b)
	}
	names := slices.Sorted(maps.Keys(c.tensors))
	index := map[string]string{}
	for i := range c.shards {
		file := "model.safetensors"
		if c.shards > 1 {
			file = fmt.Sprintf("model-%05d-of-%05d.safetensors", i+1, c.shards)
		}
		part := map[string]weights{}
		for n := i; n < len(names); n += c.shards {
			part[names[n]] = c.tensors[names[n]]
			index[names[n]] = file
		}
		put(file, safetensors(t, part, c.dtype))
	}
	if c.shards > 1 {
		put("model.safetensors.index.json", asJSON(t, map[string]any{"weight_map": index}))
	}
	return out
}

func asJSON(t testing.TB, v any) []byte {
	b, err := json.Marshal(v)
	require.NoError(t, err)
	return b
}

// safetensors encodes tensors.
func safetensors(t testing.TB, tensors map[string]weights, dtype string) []byte {
	header := map[string]any{"__metadata__": map[string]string{"format": "pt"}}
	var data []byte
	for _, name := range slices.Sorted(maps.Keys(tensors)) {
		begin := len(data)
		for _, v := range tensors[name].values {
			switch dtype {
			case "F16":
				data = binary.LittleEndian.AppendUint16(data, float16.Fromfloat32(v).Bits())
			case "BF16":
				data = binary.LittleEndian.AppendUint16(data, uint16(math.Float32bits(v)>>16))
			default:
				data = binary.LittleEndian.AppendUint32(data, math.Float32bits(v))
			}
		}
		header[name] = map[string]any{"dtype": dtype, "shape": tensors[name].shape, "data_offsets": []int{begin, len(data)}}
	}
	return encodeSafetensors(asJSON(t, header), data)
}

func encodeSafetensors(header, data []byte) []byte {
	b := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	return append(append(b, header...), data...)
}

// The patterns of Llama 3 and Qwen 2.
const (
	llama3Pattern = `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
	qwen2Pattern  = `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
)

// bytePairs is a tokenizer.json of 256 bytes, three merges and two special tokens; 261 tokens.
func bytePairs(pattern string) map[string]any {
	vocab := map[string]int{}
	next := rune(0x100)
	for b := range rune(256) {
		if b >= '!' && b <= '~' || b >= 0xA1 && b <= 0xAC || b >= 0xAE {
			vocab[string(b)] = int(b)
			continue
		}
		vocab[string(next)] = int(b)
		next++
	}
	for i, m := range []string{"he", "ll", "hell"} {
		vocab[m] = 256 + i
	}
	return map[string]any{
		"added_tokens": []any{
			map[string]any{"id": 259, "content": "<|begin|>", "special": true}, map[string]any{"id": 260, "content": "<|end|>", "special": true},
		},
		"pre_tokenizer": map[string]any{"type": "Sequence", "pretokenizers": []any{
			map[string]any{"type": "Split", "pattern": map[string]any{"Regex": pattern}, "behavior": "Isolated"},
			map[string]any{"type": "ByteLevel", "add_prefix_space": false, "use_regex": false},
		}},
		"decoder": map[string]any{"type": "ByteLevel"},
		"post_processor": map[string]any{"type": "Sequence", "processors": []any{
			map[string]any{"type": "ByteLevel"},
			map[string]any{"type": "TemplateProcessing", "single": []any{
				map[string]any{"SpecialToken": map[string]any{"id": "<|begin|>", "type_id": 0}},
				map[string]any{"Sequence": map[string]any{"id": "A", "type_id": 0}},
			}},
		}},
		"model": map[string]any{"type": "BPE", "vocab": vocab, "merges": []any{"h e", "l l", "he ll"}, "ignore_merges": true},
	}
}

const bytePairTokens = 261

// useBytePairs gives the checkpoint a byte-level tokenizer.
func (c *checkpoint) useBytePairs(t testing.TB, pattern string) {
	tokenizer := bytePairs(pattern)
	if pattern == qwen2Pattern {
		tokenizer["post_processor"] = map[string]any{"type": "ByteLevel"}
	}
	c.files["tokenizer.json"] = asJSON(t, tokenizer)
	c.files["tokenizer_config.json"] = asJSON(t, map[string]any{
		"bos_token": "<|begin|>", "eos_token": map[string]any{"content": "<|end|>"}, "chat_template": "{{ messages }}",
	})
}

const pieceTokens = 3 + 256 + 30

// useSentencePiece gives the checkpoint a tokenizer.model.
func (c *checkpoint) useSentencePiece(t testing.TB, prefix bool) {
	type kind = sentencepiece.ModelProto_SentencePiece_Type
	m := &sentencepiece.ModelProto{
		TrainerSpec:    &sentencepiece.TrainerSpec{ModelType: sentencepiece.TrainerSpec_BPE.Enum()},
		NormalizerSpec: &sentencepiece.NormalizerSpec{AddDummyPrefix: &prefix},
	}
	add := func(text string, score float32, k kind) {
		m.Pieces = append(m.Pieces, &sentencepiece.ModelProto_SentencePiece{Piece: &text, Score: &score, Type: &k})
	}
	add("<unk>", 0, 2)
	add("<s>", 0, 3)
	add("</s>", 0, 3)
	for b := range 256 {
		add(fmt.Sprintf("<0x%02X>", b), 0, 6)
	}
	add("\u2581", -5, 1)
	add("he", -1, 1)
	add("\u2581\u2581", 0, 4)
	for r := 'a'; r <= 'z'; r++ {
		add(string(r), -10, 1)
	}
	add("<start_of_turn>", 0, 4)
	require.Len(t, m.Pieces, pieceTokens)
	b, err := proto.Marshal(m)
	require.NoError(t, err)
	c.files["tokenizer.model"] = b
	c.files["tokenizer_config.json"] = asJSON(t, map[string]any{"add_bos_token": true, "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"})
	// The common form, on which Ollama's package panics.
	c.files["special_tokens_map.json"] = asJSON(t, map[string]any{"additional_special_tokens": []string{"<start_of_turn>"}})
}

// piecesFile is the tokenizer.json that the transformers library makes of such a tokenizer.model.
func piecesFile() map[string]any {
	vocab := map[string]int{"<unk>": 0, "<s>": 1, "</s>": 2, "\u2581": 259, "he": 260, "\u2581\u2581": 261, "<start_of_turn>": 288}
	for b := range 256 {
		vocab[fmt.Sprintf("<0x%02X>", b)] = 3 + b
	}
	for i := range 26 {
		vocab[string(rune('a'+i))] = 262 + i
	}
	return map[string]any{
		"added_tokens": []any{
			map[string]any{"id": 0, "content": "<unk>", "special": true}, map[string]any{"id": 1, "content": "<s>", "special": true},
			map[string]any{"id": 2, "content": "</s>", "special": true}, map[string]any{"id": 288, "content": "<start_of_turn>", "special": true},
		},
		"normalizer": map[string]any{"type": "Sequence", "normalizers": []any{
			map[string]any{"type": "Prepend", "prepend": "\u2581"}, map[string]any{"type": "Replace", "pattern": map[string]any{"String": " "}, "content": "\u2581"},
		}},
		"model": map[string]any{"type": "BPE", "unk_token": "<unk>", "byte_fallback": true, "vocab": vocab, "merges": []any{[]string{"h", "e"}, []string{"\u2581", "\u2581"}}},
	}
}

const wordPieceTokens = 5 + 52

func (c *checkpoint) useWordPiece(t testing.TB) {
	vocab := map[string]int{"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3, "[MASK]": 4}
	for i := range 26 {
		vocab[string(rune('a'+i))] = 5 + i
		vocab["##"+string(rune('a'+i))] = 31 + i
	}
	c.files["tokenizer.json"] = asJSON(t, map[string]any{
		"normalizer":    map[string]any{"type": "BertNormalizer", "lowercase": true},
		"pre_tokenizer": map[string]any{"type": "BertPreTokenizer"},
		"model":         map[string]any{"type": "WordPiece", "vocab": vocab, "unk_token": "[UNK]", "continuing_subword_prefix": "##"},
	})
	c.files["tokenizer_config.json"] = asJSON(t, map[string]any{"unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]", "pad_token": "[PAD]", "mask_token": "[MASK]"})
	c.usePooling(t, "mean_tokens")
}

// usePooling makes the checkpoint one of sentence-transformers.
func (c *checkpoint) usePooling(t testing.TB, mode string) {
	c.files["modules.json"] = asJSON(t, []any{
		map[string]any{"type": "sentence_transformers.models.Transformer", "path": ""},
		map[string]any{"type": "sentence_transformers.models.Pooling", "path": "1_Pooling"},
		map[string]any{"type": "sentence_transformers.models.Normalize", "path": "2_Normalize"},
	})
	c.files["1_Pooling/config.json"] = asJSON(t, map[string]any{"word_embedding_dimension": hidden, "pooling_mode_max_tokens": false, "pooling_mode_" + mode: true})
}

// useDense adds two matrices for the pooled vector.
func (c *checkpoint) useDense(t testing.TB) {
	modules := []any{}
	require.NoError(t, json.Unmarshal(c.files["modules.json"], &modules))
	rng := rand.New(rand.NewPCG(9, 10))
	for i, shape := range [][]uint64{{inner, hidden}, {hidden, inner}} {
		w := weights{shape, make([]float32, inner*hidden)}
		for j := range w.values {
			w.values[j] = float32(rng.NormFloat64()) / 8
		}
		folder := fmt.Sprintf("%d_Dense", i+2)
		c.dense = append(c.dense, w)
		c.files[folder+"/model.safetensors"] = safetensors(t, map[string]weights{"linear.weight": w}, "F32")
		c.files[folder+"/config.json"] = asJSON(t, map[string]any{
			"in_features": shape[1], "out_features": shape[0], "bias": false, "activation_function": "torch.nn.modules.linear.Identity",
		})
		modules = append(modules, map[string]any{"type": "sentence_transformers.models.Dense", "path": folder})
	}
	c.files["modules.json"] = asJSON(t, modules)
}
