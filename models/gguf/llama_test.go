package gguf

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// llamaSource returns the folder of the pinned llama.cpp's sources.
func llamaSource(t *testing.T) string {
	out, err := exec.Command("go", "list", "-m", "-json", "github.com/ollama/ollama").Output()
	require.NoError(t, err)
	var module struct{ Dir string }
	require.NoError(t, json.Unmarshal(out, &module))
	return module.Dir
}

// TestTablesMatchLlama compares what this package knows of architectures with the
// sources of the llama.cpp that is linked.
func TestTablesMatchLlama(t *testing.T) {
	src := filepath.Join(llamaSource(t), "llama", "llama.cpp", "src")
	read := func(name string) string {
		b, err := os.ReadFile(filepath.Join(src, name))
		require.NoError(t, err)
		return string(b)
	}
	archSource := read("llama-arch.cpp")
	names := map[string]string{}
	for _, m := range regexp.MustCompile(`\{ (LLM_ARCH_\w+),\s+"([^"(]+)"`).FindAllStringSubmatch(archSource, -1) {
		names[m[1]] = m[2]
	}
	builders := graphBuilders(t, read("llama-model.cpp"), names)
	var known []string
	for name := range builders {
		known = append(known, name)
	}
	slices.Sort(known)
	assert.Equal(t, architectures, known, "architectures")
	for _, name := range ollamaArchs {
		assert.NotContains(t, known, name)
	}
	assert.ElementsMatch(t, recurrentArchs, switchCases(archSource, "llm_arch_is_recurrent", names))
	assert.ElementsMatch(t, hybridArchs, switchCases(archSource, "llm_arch_is_hybrid", names))

	bodies := map[string]string{}
	files, err := filepath.Glob(filepath.Join(src, "models", "*.cpp"))
	require.NoError(t, err)
	start := regexp.MustCompile(`(?m)^(llm_build_\w+)(?:<\w+>)?::llm_build_\w+\(`)
	for _, path := range files {
		text := regexp.MustCompile(`//.*`).ReplaceAllString(read(filepath.Join("models", filepath.Base(path))), "")
		at := start.FindAllStringSubmatchIndex(text, -1)
		for i, m := range at {
			end := len(text)
			if i+1 < len(at) {
				end = at[i+1][0]
			}
			bodies[text[m[2]:m[3]]] = text[m[0]:end]
		}
	}
	asserts := func(what string) (list []string) {
		for name, classes := range builders {
			if slices.ContainsFunc(classes, func(c string) bool {
				return regexp.MustCompile(`GGML_ASSERT\(n_embd_head == hparams\.` + what).MatchString(bodies[c])
			}) {
				list = append(list, name)
			}
		}
		return list
	}
	assert.ElementsMatch(t, ropeHeads, asserts(`n_rot\)`))
	assert.ElementsMatch(t, equalHeads, asserts(`n_embd_head_[kv]\)`))
}

// graphBuilders returns, by architecture, the classes that build its graphs.
func graphBuilders(t *testing.T, source string, names map[string]string) map[string][]string {
	_, body, ok := strings.Cut(source, "::build_graph(")
	require.True(t, ok)
	body, _, _ = strings.Cut(body, "unknown architecture")
	builders := map[string][]string{}
	var cases []string
	for line := range strings.Lines(body) {
		if m := regexp.MustCompile(`^\s*case (LLM_ARCH_\w+):`).FindStringSubmatch(line); m != nil {
			cases = append(cases, names[m[1]])
		}
		for _, m := range regexp.MustCompile(`make_unique<(llm_build_\w+)`).FindAllStringSubmatch(line, -1) {
			for _, name := range cases {
				builders[name] = append(builders[name], m[1])
			}
		}
		if regexp.MustCompile(`^\s*\} break;`).MatchString(line) {
			cases = nil
		}
	}
	return builders
}

func switchCases(source, function string, names map[string]string) (list []string) {
	_, body, _ := strings.Cut(source, "bool "+function)
	body, _, _ = strings.Cut(body, "return true")
	for _, m := range regexp.MustCompile(`case (LLM_ARCH_\w+):`).FindAllStringSubmatch(body, -1) {
		list = append(list, names[m[1]])
	}
	return list
}

// TestFileTypesMatchLlama compares the names of quantizations with llama.h.
func TestFileTypesMatchLlama(t *testing.T) {
	b, err := os.ReadFile(filepath.Join(llamaSource(t), "llama", "llama.cpp", "include", "llama.h"))
	require.NoError(t, err)
	found := 0
	for _, m := range regexp.MustCompile(`(?m)^\s+LLAMA_FTYPE_(?:ALL|MOSTLY)_(\w+)\s+= (\d+),`).FindAllStringSubmatch(string(b), -1) {
		var n FileType
		_, err := fmt.Sscan(m[2], &n)
		require.NoError(t, err)
		assert.Equal(t, strings.TrimSuffix(m[1], "_MOE"), n.String())
		found++
	}
	assert.Equal(t, len(FileTypes()), found)
}
