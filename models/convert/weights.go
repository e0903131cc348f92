package convert

import (
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/puna-ai/puna"
)

// readWeights reads the headers of a checkpoint's shards.
func readWeights(f files) ([]source, error) {
	shards, err := shardsOf(f)
	if err != nil {
		return nil, err
	}
	var all []source
	places := map[string]string{}
	for _, name := range shards {
		sources, err := openSafetensors(name, f[name])
		if err != nil {
			return nil, err
		}
		for _, s := range sources {
			if other, ok := places[s.name]; ok {
				return nil, puna.Errorf(puna.Invalid, "the tensor %q is in %s and in %s: files of two checkpoints are in the folder", s.name, other, name)
			}
			places[s.name] = name
		}
		all = append(all, sources...)
		if len(all) > maxTensors {
			return nil, puna.Errorf(puna.Invalid, "the checkpoint has more than %d tensors", maxTensors)
		}
	}
	return all, checkIndex(f, places)
}

var partName = regexp.MustCompile(`-(\d{5,6})-of-(\d{5,6})\.safetensors$`)

// shardsOf returns the names of the safetensors files with the model's weights.
func shardsOf(f files) ([]string, error) {
	var model, other []string
	torch := ""
	for name := range f {
		switch base := path.Base(name); {
		case name != base: // in a folder within: other versions, and modules of their own
		case strings.HasPrefix(base, "model") && strings.HasSuffix(base, ".safetensors"):
			model = append(model, name)
		case strings.HasSuffix(base, ".safetensors") && !strings.HasPrefix(base, "adapter") && !strings.HasPrefix(base, "consolidated"):
			other = append(other, name)
		case strings.HasSuffix(base, ".bin") || strings.HasSuffix(base, ".pth") || strings.HasSuffix(base, ".pt"):
			torch = name
		}
	}
	if len(model) == 0 {
		model = other
	}
	if len(model) == 0 && torch != "" {
		return nil, puna.Errorf(puna.Unsupported, "the weights are in PyTorch's format (%s), which can run code and isn't read: save the model as safetensors (save_pretrained with safe_serialization=True)", torch)
	}
	if len(model) == 0 {
		return nil, puna.Errorf(puna.Invalid, "the folder has no weights: no file is named model.safetensors or model-00001-of-....safetensors")
	}
	slices.Sort(model)
	return model, checkParts(model)
}

// checkParts checks that all parts are there.
func checkParts(names []string) error {
	for _, name := range names {
		m := partName.FindStringSubmatch(name)
		if m == nil {
			continue
		}
		prefix := strings.TrimSuffix(name, m[0])
		count, _ := strconv.Atoi(m[2])
		for i := range min(count, 10_000) {
			part := strconv.Itoa(i + 1)
			part = prefix + "-" + strings.Repeat("0", max(0, len(m[1])-len(part))) + part + "-of-" + m[2] + ".safetensors"
			if !slices.Contains(names, part) {
				return puna.Errorf(puna.Invalid, "%s is missing: the model has %d parts, download all of them", part, count)
			}
		}
		return nil // they share one count, or the tensors show it
	}
	return nil
}

// checkIndex checks that the tensors are there that the index names.
func checkIndex(f files, places map[string]string) error {
	var index struct {
		Map map[string]string `json:"weight_map"`
	}
	if _, err := f.json("model.safetensors.index.json", maxTokenizer, &index); err != nil {
		return err
	}
	for tensor, shard := range index.Map {
		if _, ok := places[tensor]; !ok {
			return puna.Errorf(puna.Invalid, "the tensor %q is missing, which %.100q should hold: download the model's weights again", tensor, shard)
		}
	}
	return nil
}
