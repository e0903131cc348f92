package peer

import (
	"slices"
	"strconv"
)

// Options say how both servers compute.
type Options struct {
	Threads  int
	Ctx      int // tokens, which all requests share
	Parallel int // requests at once
	Repack   bool
}

// Program is a server that can be started.
type Program struct {
	Name string

	command    func(port string, embeds bool) (args, env []string)
	completion func(prompt string, tokens int) request
	embedding  func(texts []string) request
}

// request is the path and the body of a POST.
type request struct {
	path string
	body any
}

// Puna is `puna serve` of the program at path, with a model of the store in a folder.
func Puna(path, store, model string, o Options) *Program {
	repack := "off"
	if o.Repack {
		repack = "on"
	}
	return &Program{
		Name: "Puna",
		command: func(port string, _ bool) (args, env []string) {
			return []string{path, "serve"}, []string{"PUNA_HOST=127.0.0.1:" + port, "PUNA_MODELS=" + store,
				"PUNA_NUM_PARALLEL=" + strconv.Itoa(o.Parallel), "PUNA_REPACK=" + repack}
		},
		completion: func(prompt string, tokens int) request {
			return request{"/api/generate", map[string]any{"model": model, "prompt": prompt, "raw": true, "options": map[string]any{
				"num_ctx": o.Ctx, "num_thread": o.Threads, "num_predict": tokens, "temperature": 0, "ignore_eos": true, "draft_num_predict": 0}}}
		},
		embedding: func(texts []string) request {
			return request{"/api/embed", map[string]any{"model": model, "input": texts,
				"options": map[string]any{"num_ctx": o.Ctx, "num_thread": o.Threads}}}
		},
	}
}

// LlamaServer is llama.cpp's server: a command, and the path of the model as it sees it.
func LlamaServer(command []string, model string, o Options) *Program {
	return &Program{
		Name: "llama-server",
		command: func(port string, embeds bool) (args, env []string) {
			args = append(slices.Clone(command), "--model", model, "--host", "127.0.0.1", "--port", port,
				"--threads", strconv.Itoa(o.Threads), "--ctx-size", strconv.Itoa(o.Ctx), "--parallel", strconv.Itoa(o.Parallel), "--kv-unified")
			if !o.Repack {
				args = append(args, "--no-repack")
			}
			if embeds {
				args = append(args, "--embeddings", "--pooling", "last") // as Puna pools what generates
			}
			return args, nil
		},
		completion: func(prompt string, tokens int) request {
			return request{"/completion", map[string]any{"prompt": prompt, "n_predict": tokens, "temperature": 0,
				"ignore_eos": true, "cache_prompt": true, "stream": true}}
		},
		embedding: func(texts []string) request {
			return request{"/v1/embeddings", map[string]any{"input": texts}}
		},
	}
}
