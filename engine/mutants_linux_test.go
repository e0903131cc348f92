//go:build !race

package engine_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/puna-ai/puna"
	"github.com/puna-ai/puna/engine"
	"github.com/puna-ai/puna/internal/testmodel"
)

// The variables of the test of mutants. The first says how many there are, or which:
// "10000", or "123-124" for the one with the number 123 alone.
const (
	mutantsVar     = "PUNA_TEST_MUTANTS"
	mutantChildVar = "PUNA_TEST_MUTANT_CHILD" // set in children: "FROM-TO"
)

const (
	mutantsByDefault = 500
	mutantHang       = time.Minute // without a sign of life, then a child is killed
	mutantMemory     = 64 << 20    // bytes of resident memory that a mutant may take; the models have less than 100 kB
	mutantAddresses  = 4 << 30     // bytes of address space that a child may take beyond what it begins with
)

// mutantShapes are the models that mutants are made of.
var mutantShapes = []testmodel.Shape{
	{Name: "mutant", Embd: 32, Layers: 2, Heads: 4, KVHeads: 2, FF: 32, Vocab: 300, Ctx: 256},
	{Name: "mutant", Arch: "qwen3", Embd: 32, Layers: 1, Heads: 2, KVHeads: 1, FF: 32, Vocab: 300, Ctx: 256},
	{Name: "mutant", Arch: "bert", Embd: 32, Layers: 1, Heads: 2, KVHeads: 2, FF: 32, Vocab: 300, Ctx: 128, Pooling: 1},
	{Name: "mutant", Arch: "qwen3", Embd: 32, Layers: 1, Heads: 2, KVHeads: 2, FF: 32, Vocab: 300, Ctx: 128, Pooling: 4, Rerank: "{query} {document}"},
}

// TestMutants: no file ends the process, hangs it or takes memory that its size doesn't
// explain. Broken files go the whole way, in child processes: the checks of
// models/gguf, then the load, tokens and steps in C. Each ends in an error or in a model
// that answers.
func TestMutants(t *testing.T) {
	if span := os.Getenv(mutantChildVar); span != "" {
		from, to := mutantSpan(t, span)
		runMutants(t, from, to)
		return
	}
	from, to := mutantSpan(t, os.Getenv(mutantsVar))
	count := map[string]int{}
	for from < to {
		from = superviseMutants(t, from, to, count)
	}
	t.Logf("%v", count)
	assert.Positive(t, count["answered"], "some files are still models")
}

func mutantSpan(t *testing.T, s string) (from, to int) {
	if s == "" {
		return 0, mutantsByDefault
	}
	a, b, ok := strings.Cut(s, "-")
	if !ok {
		a, b = "0", a
	}
	from, err := strconv.Atoi(a)
	require.NoError(t, err)
	to, err = strconv.Atoi(b)
	require.NoError(t, err)
	return from, to
}

// superviseMutants runs a child over mutants until it ends or dies, and returns the
// number of the next one to try.
func superviseMutants(t *testing.T, from, to int, count map[string]int) (next int) {
	cmd := exec.Command(os.Args[0], "-test.run=^TestMutants$", "-test.v")
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%d-%d", mutantChildVar, from, to), "GGML_NO_BACKTRACE=1")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	watchdog := time.AfterFunc(mutantHang, func() { cmd.Process.Signal(syscall.SIGABRT) })
	at, what := from, "nothing"
	lines := bufio.NewScanner(stdout)
	for lines.Scan() {
		watchdog.Reset(mutantHang)
		word, rest, _ := strings.Cut(lines.Text(), " ")
		switch word {
		case "mutant":
			what = rest
		case "end":
			count[rest]++
			at++
		case "fault":
			t.Errorf("mutant %d, %s: %s", at, what, rest)
		}
	}
	watchdog.Stop()
	if err := cmd.Wait(); err != nil && at < to {
		t.Errorf("mutant %d, %s, ends the process: %v\n%s", at, what, err, lastWords(stderr.String()))
		at++
	} else {
		require.Equal(t, to, at, "the child ended early")
	}
	return at
}

// lastWords is what a process said right before Go's traceback, and its beginning.
func lastWords(stderr string) string {
	said, trace, _ := strings.Cut(stderr, "\ngoroutine ")
	before, after := strings.Split(said, "\n"), strings.SplitN(trace, "\n", 16)
	return strings.Join(append(before[max(0, len(before)-8):], after[:min(15, len(after))]...), "\n")
}

// runMutants is the child.
func runMutants(t *testing.T, from, to int) {
	limitAddresses(t, mutantAddresses)
	var bases [][]byte
	for _, s := range mutantShapes {
		data, err := os.ReadFile(testmodel.PathOf(t, s))
		require.NoError(t, err)
		bases = append(bases, data)
	}
	path := filepath.Join(t.TempDir(), "mutant.gguf")
	peak := peakMemory(t)
	for i := from; i < to; i++ {
		rng := rand.New(rand.NewPCG(uint64(i), 0x6d7574616e74))
		base := bases[rng.IntN(len(bases))]
		data, what := mutate(rng, base)
		fmt.Printf("mutant %s\n", strings.ToValidUTF8(strings.ReplaceAll(what, "\n", " "), "?"))
		require.NoError(t, os.WriteFile(path, data, 0o644))
		outcome := tryMutant(t.Context(), path)
		now := peakMemory(t)
		if i > from && now-peak > mutantMemory { // the first one pays for what is made once
			fmt.Printf("fault it took %d MiB\n", (now-peak)>>20)
		}
		peak = now
		fmt.Printf("end %s\n", outcome)
	}
}

// tryMutant lets a model answer, and says how far it came.
func tryMutant(ctx context.Context, path string) string {
	o := engine.LoadOptions{
		Path: path, PoolTokens: 256, NumParallel: 2, CacheRAM: -1,
		Options: puna.Options{NumCtx: new(256), NumBatch: new(32), NumThread: new(1)},
	}
	if _, err := shared.Estimate(o); err != nil {
		return "refused"
	}
	m, err := shared.Load(ctx, o)
	if err != nil {
		return "failed to load"
	}
	defer m.Close(context.Background())
	m.Info()
	for _, text := range []string{"The llama lives\n on a high plain.", "<|eot_id|> \x00\xff\u2581ü 中", ""} {
		for _, special := range []bool{true, false} {
			tokens, err := m.Tokenize(text, special)
			if err == nil {
				m.Detokenize(tokens)
			}
		}
	}
	outcome := "answered with an error"
	for _, req := range []*puna.Request{
		{Raw: true, Prompt: "the llama lives on a high plain", Options: greedy(3)},
		{Messages: []puna.Message{{Role: puna.User, Content: "x y"}}, Options: puna.Options{NumPredict: new(3), Seed: new(1)}},
	} {
		for ev, err := range m.Generate(ctx, req) {
			if err == nil && ev.Done != nil {
				outcome = "answered"
			}
		}
	}
	if _, err := m.Embed(ctx, &puna.EmbedRequest{Input: []string{"the llama", "a high plain is what a llama lives on"}}); err == nil {
		outcome = "answered"
	}
	if _, err := m.Rerank(ctx, &puna.RerankRequest{Query: "a llama", Documents: []string{"a high plain", "x"}}); err == nil {
		outcome = "answered"
	}
	return outcome
}
