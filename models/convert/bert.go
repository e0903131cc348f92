package convert

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/puna-ai/puna"
)

func checkBert(c config) error {
	if kind := c.text("position_embedding_type"); kind != "" && kind != "absolute" {
		return puna.Errorf(puna.Unsupported, "config.json: position_embedding_type is %q, but llama.cpp only runs BERT with absolute positions", kind)
	}
	if act := c.text("hidden_act"); act != "" && act != "gelu" {
		return puna.Errorf(puna.Unsupported, "config.json: hidden_act is %q, but llama.cpp only runs BERT with gelu", act)
	}
	return nil
}

var errNoModules = puna.Errorf(puna.Invalid, "the folder has no modules.json, which says how a model of sentences makes a vector of tokens: "+
	"add it with 1_Pooling/config.json from the model's page")

func finishBert(m *model) error {
	if _, ok := m.files["modules.json"]; !ok {
		return errNoModules
	}
	m.kv["tokenizer.ggml.token_type_count"] = uint32(m.config.count("type_vocab_size"))
	return nil
}

// pool writes how the vectors of a text's tokens become one, in models of
// sentence-transformers. Ollama's package has it for BERT alone, and lets a pooling that it
// doesn't know pass as none.
func (m *model) pool() error {
	var modules []struct{ Type, Path string }
	if found, err := m.files.json("modules.json", maxConfig, &modules); err != nil || !found {
		return err
	}
	m.kv[m.arch+".pooling_type"], m.kv[m.arch+".normalize_embeddings"] = uint32(0), false
	for _, module := range modules {
		var err error
		switch kind := module.Type[strings.LastIndex(module.Type, ".")+1:]; {
		case kind == "Transformer":
		case kind == "Normalize":
			m.kv[m.arch+".normalize_embeddings"] = true
		case kind == "Pooling":
			m.kv[m.arch+".pooling_type"], err = readPooling(m.files, path.Join(module.Path, "config.json"))
		case kind == "Dense" && m.arch == "gemma-embedding":
			err = m.addDense(module.Path)
		default:
			err = puna.Errorf(puna.Unsupported, "modules.json has the module %.100q, which llama.cpp doesn't compute in %s models", module.Type, m.arch)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// addDense adds a matrix that the pooled vector goes through; llama.cpp has two of them.
func (m *model) addDense(folder string) error {
	var c config
	if _, err := m.files.json(path.Join(folder, "config.json"), maxConfig, &c); err != nil {
		return err
	}
	if c.bool("bias") || !strings.HasSuffix(c.text("activation_function"), ".Identity") {
		return puna.Errorf(puna.Unsupported, "%s/config.json: bias is %v and activation_function %v, but llama.cpp only has a matrix there", folder, c["bias"], c["activation_function"])
	}
	name := path.Join(folder, "model.safetensors")
	sources, err := openSafetensors(name, m.files[name])
	if err != nil {
		return err
	}
	if len(sources) != 1 || len(sources[0].shape) != 2 || sources[0].convertible() != nil {
		return puna.Errorf(puna.Unsupported, "%s holds %d tensors, not one matrix", name, len(sources))
	}
	number := 2 // the first has none, as the module of that number is pooling
	for _, o := range m.outputs {
		if strings.HasPrefix(o.name, "dense_") {
			number++
		}
	}
	t := newTensor(sources[0], fmt.Sprintf("dense_%d.weight", number))
	m.kv[fmt.Sprintf("%s.dense_%d_feat_in", m.arch, number)] = uint32(t.shape[1])
	m.kv[fmt.Sprintf("%s.dense_%d_feat_out", m.arch, number)] = uint32(t.shape[0])
	m.outputs = append(m.outputs, output{name: t.name, kind: t.kind(), shape: reversed(t.shape), data: t})
	return nil
}

// poolings are the ways of pooling that llama.cpp has, by what sentence-transformers
// calls them, with llama.h's numbers.
var poolings = map[string]uint32{"pooling_mode_mean_tokens": 1, "pooling_mode_cls_token": 2, "pooling_mode_lasttoken": 3}

// readPooling reads the config of a module.
func readPooling(f files, name string) (pooling uint32, err error) {
	var c config
	if found, err := f.json(name, maxConfig, &c); err != nil || !found {
		if err == nil {
			err = puna.Errorf(puna.Invalid, "modules.json names %s, which the folder hasn't: add it", name)
		}
		return 0, err
	}
	var on []string
	for key := range c {
		if strings.HasPrefix(key, "pooling_mode_") && c.bool(key) {
			on = append(on, key)
		}
	}
	if len(on) != 1 || poolings[on[0]] == 0 {
		return 0, puna.Errorf(puna.Unsupported, "%s asks for the pooling %v; llama.cpp has one of mean_tokens, cls_token and lasttoken", name, slices.Sorted(slices.Values(on)))
	}
	return poolings[on[0]], nil
}
