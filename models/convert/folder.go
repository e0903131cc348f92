package convert

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"

	"github.com/puna-ai/puna"
)

// Folder returns the files of a checkpoint or of an adapter in a folder, as [Model] and
// [Adapter] take them. Links count as what they lead to.
func Folder(dir string) (map[string]string, error) {
	found := map[string]string{}
	root := os.DirFS(dir)
	for _, pattern := range []string{"*.json", "*.safetensors", "tokenizer.model", "*.jinja", "*.bin", "*.pth", "[0-9]_*/config.json", "[0-9]_*/model.safetensors"} {
		names, err := fs.Glob(root, pattern)
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			found[name] = filepath.Join(dir, filepath.FromSlash(name))
		}
	}
	if _, err := os.Stat(dir); errors.Is(err, os.ErrNotExist) {
		return nil, puna.Errorf(puna.NotFound, "%w", err)
	}
	if !slices.ContainsFunc([]string{"config.json", "adapter_config.json"}, func(name string) bool { return found[name] != "" }) {
		return nil, puna.Errorf(puna.Invalid, "%s has neither config.json nor adapter_config.json: it is no folder of Hugging Face's format", path.Clean(dir))
	}
	return found, nil
}
