package gguf

import (
	"fmt"
	"slices"
	"strings"

	"github.com/puna-ai/puna"
)

// LlamaCommit is the upstream commit of the llama.cpp that the default build links.
const LlamaCommit = "ec98e2002"

// ArchError is about a model that the llama.cpp inside can't run because of its
// architecture; another server may. It comes inside an error of the kind
// [puna.Unsupported].
type ArchError struct {
	Arch   string
	Ollama bool // made for Ollama's own engine
}

func (e *ArchError) Error() string {
	if e.Ollama {
		return fmt.Sprintf("this %s model was made for Ollama's own engine, which llama.cpp's files don't fit: "+
			"use a GGUF made for llama.cpp (images need its mmproj file), or a server that runs this one", e.Arch)
	}
	return fmt.Sprintf("the architecture %q is not known to the llama.cpp inside (commit %s): "+
		"use a build with a newer llama.cpp (-tags llama_system), or a server that runs this model", e.Arch, LlamaCommit)
}

// KnownArchs returns the architectures that llama.cpp at [LlamaCommit] runs.
func KnownArchs() []string { return slices.Clone(architectures) }

// architectures are the names of llama-arch.cpp; clip (projectors) and gptj (no
// implementation) are left out.
var architectures = strings.Fields(`
	afmoe apertus arcee arctic arwkv7 baichuan bailingmoe bailingmoe2 bert bitnet bloom chameleon chatglm
	codeshell cogvlm cohere2 command-r dbrx deci deepseek deepseek2 dots1 dream ernie4_5 ernie4_5-moe exaone
	exaone4 falcon falcon-h1 gemma gemma-embedding gemma2 gemma3 gemma3n glm4 glm4moe gpt-oss gpt2 gptneox
	granite granitehybrid granitemoe grok grovemoe hunyuan-dense hunyuan-moe internlm2 jais jamba jina-bert-v2
	jina-bert-v3 lfm2 lfm2moe llada llada-moe llama llama4 mamba mamba2 minicpm minicpm3 minimax-m2 mistral3
	mpt nemotron nemotron_h nemotron_h_moe neo-bert nomic-bert nomic-bert-moe olmo olmo2 olmoe openelm orion
	pangu-embedded phi2 phi3 phimoe plamo plamo2 plm qwen qwen2 qwen2moe qwen2vl qwen3 qwen3moe qwen3next
	qwen3vl qwen3vlmoe refact rnd1 rwkv6 rwkv6qwen2 rwkv7 seed_oss smallthinker smollm3 solar stablelm
	starcoder starcoder2 t5 t5encoder wavtokenizer-dec xverse`)

// ollamaArchs are architectures that only Ollama's engine gives these names.
var ollamaArchs = strings.Fields(`deepseekocr gemma4 glm4moelite glmocr gptoss laguna mllama
	nemotron_h_omni olmo3 qwen25vl qwen35 qwen35moe`)

// recurrentArchs keep a state instead of attention, or beside it, as
// llm_arch_is_recurrent and llm_arch_is_hybrid have them.
var (
	recurrentArchs = strings.Fields(`arwkv7 mamba mamba2 rwkv6 rwkv6qwen2 rwkv7`)
	hybridArchs    = strings.Fields(`falcon-h1 granitehybrid jamba lfm2 lfm2moe nemotron_h nemotron_h_moe plamo2 qwen3next`)
)

// equalHeads are architectures whose graph asserts that keys and values have the
// same length; ropeHeads assert besides that rope turns all of it.
var (
	equalHeads = append(strings.Fields(`afmoe bailingmoe2 bert bitnet bloom chatglm cohere2 command-r glm4
		glm4moe gpt2 gptneox granitehybrid jais jina-bert-v2 jina-bert-v3 minimax-m2 mpt nemotron nemotron_h
		nemotron_h_moe neo-bert nomic-bert nomic-bert-moe openelm phi2 phi3 phimoe qwen qwen3next refact
		stablelm starcoder t5 t5encoder`), ropeHeads...)
	ropeHeads = strings.Fields(`apertus arcee arctic baichuan chameleon codeshell cogvlm dbrx deci deepseek
		dots1 dream ernie4_5 ernie4_5-moe exaone exaone4 falcon granite granitemoe grok grovemoe hunyuan-dense
		hunyuan-moe internlm2 llada llada-moe llama llama4 minicpm mistral3 olmo olmo2 olmoe orion
		pangu-embedded plamo qwen2 qwen2moe qwen2vl qwen3 qwen3moe qwen3vl qwen3vlmoe rnd1 seed_oss
		smallthinker smollm3 solar starcoder2 xverse`)
)

// Recurrent reports whether the model keeps a recurrent state, in all layers or in
// some: its sequences can't be rolled back or shared in part.
func (f *File) Recurrent() bool {
	return slices.Contains(recurrentArchs, f.Arch()) || slices.Contains(hybridArchs, f.Arch())
}

// CheckArch says whether llama.cpp runs the architecture, as [File.Validate] does
// among all else: parts of a split model can't be checked further. Errors:
// [puna.Unsupported] with an [ArchError], [puna.Invalid].
func (f *File) CheckArch() error {
	arch := f.Arch()
	if arch == "" {
		return f.failf("general.architecture", "the file doesn't name its architecture")
	}
	engine := slices.Contains(ollamaArchs, arch) ||
		f.HasTensor("v.") || f.HasTensor("mm.") || f.HasTensor("a.") || f.HasTensor("vision_model.")
	if engine && !slices.Contains(architectures, arch) && otherLlama {
		return nil // a newer llama.cpp may know the name
	}
	if engine || !slices.Contains(architectures, arch) && !otherLlama {
		return puna.Errorf(puna.Unsupported, "%s: %w", f.Path, &ArchError{Arch: arch, Ollama: engine})
	}
	return nil
}
