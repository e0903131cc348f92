package convert

import (
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

func finishBert(m *model) error {
	if _, ok := m.files["modules.json"]; !ok {
		return puna.Errorf(puna.Invalid, "the folder has no modules.json, which says how a model of sentences makes a vector of tokens: "+
			"add it with 1_Pooling/config.json from the model's page")
	}
	m.kv["tokenizer.ggml.token_type_count"] = uint32(m.config.count("type_vocab_size"))
	return nil
}

// pool says how the vectors of a text's tokens become one, in models of sentences.
// Ollama's package has it for BERT alone, and lets a pooling that it doesn't know pass as
// none.
func (m *model) pool() error {
	if _, ok := m.files["modules.json"]; !ok {
		return nil
	}
	pooling, normalize, err := readPooling(m.files)
	m.kv[m.arch+".pooling_type"], m.kv[m.arch+".normalize_embeddings"] = pooling, normalize
	return err
}

// poolings are the ways of pooling that llama.cpp has, by what sentence-transformers
// calls them, with llama.h's numbers.
var poolings = map[string]uint32{"pooling_mode_mean_tokens": 1, "pooling_mode_cls_token": 2, "pooling_mode_lasttoken": 3}

// readPooling reads the modules of a sentence-transformers model.
func readPooling(f files) (pooling uint32, normalize bool, err error) {
	var modules []struct{ Type, Path string }
	if _, err := f.json("modules.json", maxConfig, &modules); err != nil {
		return 0, false, err
	}
	for _, m := range modules {
		switch kind := m.Type[strings.LastIndex(m.Type, ".")+1:]; kind {
		case "Transformer":
		case "Normalize":
			normalize = true
		case "Pooling":
			if pooling, err = readPoolingConfig(f, path.Join(m.Path, "config.json")); err != nil {
				return 0, false, err
			}
		default:
			return 0, false, puna.Errorf(puna.Unsupported, "modules.json has the module %.100q, which llama.cpp doesn't compute", m.Type)
		}
	}
	return pooling, normalize, nil
}

func readPoolingConfig(f files, name string) (pooling uint32, err error) {
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
