package create

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/puna-ai/puna/cgo/llama"
	"github.com/puna-ai/puna/internal/testmodel"
	"github.com/puna-ai/puna/models/gguf"
)

// boundaryDir names a folder of model files that the child process of
// TestNothingThatPassesCrashes runs.
const boundaryDir = "PUNA_BOUNDARY_DIR"

// TestHelperRuns loads each file of a folder, and decodes with it if llama.cpp
// takes it.
func TestHelperRuns(t *testing.T) {
	dir := os.Getenv(boundaryDir)
	if dir == "" {
		t.Skip("run TestNothingThatPassesCrashes, which runs this in a child process")
	}
	paths, err := filepath.Glob(filepath.Join(dir, "*.gguf"))
	require.NoError(t, err)
	for _, path := range paths {
		fmt.Println("trying", path)
		if err := decode(path); err != nil {
			fmt.Println("refused", path, strings.ReplaceAll(err.Error(), "\n", " "))
		} else {
			fmt.Println("ran", path)
		}
		require.NoError(t, os.Remove(path))
	}
}

func decode(path string) error {
	model, err := llama.LoadModelFromFile(path, llama.ModelDefaultParams())
	if err != nil {
		return err
	}
	defer model.Close()
	params := llama.ContextDefaultParams()
	params.NCtx, params.NBatch, params.NUbatch = 64, 32, 32
	params.NThreads, params.NThreadsBatch = 1, 1 // more would only wait for each other
	ctx, err := model.InitFromModel(params)
	if err != nil {
		return err
	}
	defer ctx.Close()
	tokens, err := model.Vocab().Tokenize("Hello, world", true, true)
	if err != nil {
		return err
	}
	batch, err := llama.NewBatch(32, 0, 1)
	if err != nil {
		return err
	}
	defer batch.Close()
	for i, token := range tokens[:min(len(tokens), 16)] {
		if err := batch.Add(token, llama.Pos(i), []llama.SeqID{0}, true); err != nil {
			return err
		}
	}
	return ctx.Decode(batch)
}

// mutant is a model file with something changed.
type mutant struct {
	kvs     []gguf.KV
	tensors []gguf.TensorData
	about   string
}

// TestNothingThatPassesCrashes bends a good model in ways that files in the wild,
// or an attacker's, might be bent. What validation lets through is run for real in
// a child process, which must survive it.
func TestNothingThatPassesCrashes(t *testing.T) {
	good, data := smallModel(t)
	rng := rand.New(rand.NewPCG(19, 20))
	var mutants []mutant
	for _, arch := range gguf.KnownArchs() {
		m := whole(good, data)
		m.rename(arch)
		mutants = append(mutants, m)
	}
	for range 150 {
		m := whole(good, data)
		for range 1 + rng.IntN(2) {
			m.bend(rng)
		}
		mutants = append(mutants, m)
	}
	dir := t.TempDir()
	about := map[string]string{}
	for i, m := range mutants {
		var b bytes.Buffer
		require.NoError(t, gguf.Write(&b, m.kvs, m.tensors))
		f, err := gguf.Read(bytes.NewReader(b.Bytes()), int64(b.Len()), "mutant", gguf.Options{})
		if err != nil || f.Validate() != nil {
			continue
		}
		path := filepath.Join(dir, fmt.Sprintf("%04d.gguf", i))
		require.NoError(t, os.WriteFile(path, b.Bytes(), 0o644))
		about[path] = m.about
	}
	require.Greater(t, len(about), 100, "too strict")
	ran := runAll(t, dir, about)
	t.Logf("%d mutants, %d passed, %d ran", len(mutants), len(about), ran)
	assert.Greater(t, ran, 20)
}

// runAll runs children until they have tried every file, and returns how many ran.
func runAll(t *testing.T, dir string, about map[string]string) (ran int) {
	for {
		left, err := filepath.Glob(filepath.Join(dir, "*.gguf"))
		require.NoError(t, err)
		if len(left) == 0 {
			return ran
		}
		cmd := exec.Command(os.Args[0], "-test.run", "^TestHelperRuns$")
		cmd.Env = append(os.Environ(), boundaryDir+"="+dir)
		out, err := cmd.StdoutPipe()
		require.NoError(t, err)
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		require.NoError(t, cmd.Start())
		var last string
		for lines := bufio.NewScanner(out); lines.Scan(); {
			verb, path, _ := strings.Cut(lines.Text(), " ")
			switch verb {
			case "trying":
				last = path
			case "ran":
				ran++
			}
		}
		if err := cmd.Wait(); err != nil {
			text := stderr.String()
			t.Errorf("%s: %v\n%s", about[last], err, text[max(0, len(text)-600):])
			require.NoError(t, os.Remove(last))
		}
	}
}

// smallModel returns a model's header and file.
func smallModel(t *testing.T) (*gguf.File, []byte) {
	path := testmodel.PathOf(t, testmodel.Shape{Name: "boundary", Embd: 64, Layers: 2, Heads: 4, KVHeads: 2, FF: 128, Vocab: testmodel.MinVocab, Ctx: 512})
	f, err := gguf.Open(path)
	require.NoError(t, err)
	require.NoError(t, f.Validate())
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	return f, data
}

func whole(f *gguf.File, data []byte) mutant {
	m := mutant{kvs: slices.Clone(f.KV)}
	for _, t := range f.Tensors {
		t.Shape = slices.Clone(t.Shape)
		m.tensors = append(m.tensors, gguf.TensorData{Tensor: t, Data: bytes.NewReader(data[t.Offset : t.Offset+t.Bytes()])})
	}
	return m
}

// rename makes the model one of another architecture.
func (m *mutant) rename(arch string) {
	for i, kv := range m.kvs {
		m.kvs[i].Key = strings.Replace(kv.Key, "llama.", arch+".", 1)
		if kv.Key == "general.architecture" {
			m.kvs[i].Value = arch
		}
	}
	m.about += "architecture " + arch + "; "
}

// bend changes one thing.
func (m *mutant) bend(rng *rand.Rand) {
	switch rng.IntN(6) {
	case 0, 1, 2:
		m.bendValue(rng)
	case 3:
		m.addValue(rng)
	case 4:
		t := &m.tensors[rng.IntN(len(m.tensors))]
		m.about += fmt.Sprintf("%s %v becomes ", t.Name, t.Shape)
		switch d := rng.IntN(len(t.Shape)); rng.IntN(3) {
		case 0:
			t.Shape[d] = max(1, t.Shape[d]/2)
		case 1:
			t.Shape[d] += 32
		default:
			t.Type = []gguf.TensorType{gguf.F32, gguf.F16, gguf.Q8_0, gguf.BF16, gguf.I32}[rng.IntN(5)]
		}
		for t.Shape[0]%t.Type.BlockSize() != 0 {
			t.Type = gguf.F16
		}
		t.Data = zeros{}
		m.about += fmt.Sprintf("%v %v; ", t.Type, t.Shape)
	default:
		i := rng.IntN(len(m.tensors))
		m.about += "without " + m.tensors[i].Name + "; "
		m.tensors = slices.Delete(m.tensors, i, i+1)
	}
}

// zeros is endless.
type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

var _ io.Reader = zeros{}

var numbers = []uint32{0, 1, 2, 3, 4, 5, 8, 16, 31, 32, 33, 64, 100, 128, 256, 512, 513, 4096, 1 << 20, math.MaxInt32, math.MaxUint32}

func (m *mutant) bendValue(rng *rand.Rand) {
	kv := &m.kvs[rng.IntN(len(m.kvs))]
	switch v := kv.Value.(type) {
	case uint32:
		kv.Value = numbers[rng.IntN(len(numbers))]
	case float32:
		kv.Value = []float32{0, -1, 1e30, 1e-30, float32(math.NaN()), float32(math.Inf(1))}[rng.IntN(6)]
	case bool:
		kv.Value = !v
	case string:
		kv.Value = []string{"", "llama", "gpt2", "bert", "t5", "rwkv", "none", "qwen2", "gemma3", "glm4", "plamo2"}[rng.IntN(11)]
	case *gguf.Array:
		m.bendArray(rng, kv, v)
	}
	about := fmt.Sprint(kv.Value)
	m.about += fmt.Sprintf("%s = %.60s; ", kv.Key, about)
}

func (m *mutant) bendArray(rng *rand.Rand, kv *gguf.KV, a *gguf.Array) {
	switch items := a.Items().(type) {
	case []string:
		items = slices.Clone(items)
		switch i := rng.IntN(len(items)); rng.IntN(4) {
		case 0:
			items[i] = ""
		case 1:
			items[i] = items[0]
		case 2:
			items[i] = "\xff\xfe " + items[i]
		default:
			items = items[:i]
		}
		kv.Value = items
	case []int32:
		items = slices.Clone(items)
		items[rng.IntN(len(items))] = int32(rng.Uint32())
		kv.Value = items
	case []float32:
		kv.Value = items[:rng.IntN(len(items))]
	}
}

// addValue adds something that llama.cpp reads if it is there.
func (m *mutant) addValue(rng *rand.Rand) {
	key := []string{"llama.attention.key_length", "llama.attention.value_length", "llama.expert_count", "llama.expert_used_count",
		"llama.expert_group_count", "llama.rope.scaling.factor", "llama.attention.sliding_window", "tokenizer.ggml.add_eos_token",
		"tokenizer.ggml.eot_token_id", "tokenizer.ggml.padding_token_id", "tokenizer.ggml.token_type_count", "llama.vocab_size",
		"llama.attention.causal", "llama.pooling_type", "llama.rope.dimension_sections", "general.file_type",
		"llama.rope.scaling.original_context_length", "split.count", "llama.attention.layer_indices"}[rng.IntN(19)]
	if slices.ContainsFunc(m.kvs, func(kv gguf.KV) bool { return kv.Key == key }) {
		return
	}
	n := numbers[rng.IntN(len(numbers))]
	value := []any{n, int32(n), float32(n), n > 2, fmt.Sprint(n), []uint32{n, n}, []float32{1, 2}, []string{"a", "b"}, []int32{1, 1, 1, 1}, uint16(n)}[rng.IntN(10)]
	m.kvs = append(m.kvs, gguf.KV{Key: key, Value: value})
	m.about += fmt.Sprintf("%s = %T %v; ", key, value, value)
}
