package build

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	thirdparty "github.com/puna-ai/puna/third_party"
)

var commitLine = regexp.MustCompile(`LLAMA_COMMIT = "([0-9a-f]+)"`)

// findSource returns the folder of the module that holds llama.cpp and its
// upstream commit: given, or as the go command's current module selects it, or
// as the module cache or a proxy has the pinned version.
func findSource(ctx context.Context, given string) (dir, commit string, err error) {
	dir = given
	if dir == "" {
		if dir, err = moduleDir(ctx); err != nil {
			return "", "", err
		}
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return "", "", err
	}
	path := filepath.Join(dir, "llama", "build-info.cpp")
	info, err := os.ReadFile(path)
	if err != nil {
		return "", "", fmt.Errorf("no llama.cpp sources in %s (want the folder of %s@%s): %w",
			dir, thirdparty.OllamaModule, thirdparty.OllamaVersion, err)
	}
	m := commitLine.FindSubmatch(info)
	if m == nil {
		return "", "", fmt.Errorf("%s names no LLAMA_COMMIT", path)
	}
	if string(m[1]) != thirdparty.LlamaCommit {
		return "", "", fmt.Errorf("%s is llama.cpp %s; this Puna works with kernels of %s (%s@%s) alone",
			dir, m[1], thirdparty.LlamaCommit, thirdparty.OllamaModule, thirdparty.OllamaVersion)
	}
	return dir, string(m[1]), nil
}

// moduleDir asks the go command.
func moduleDir(ctx context.Context) (string, error) {
	// The module of the working folder, where it requires ours: works offline
	// and honours a replace. A folder without such a module is no error.
	selected, err := output(ctx, "go", "list", "-m", "-f", "{{.Version}} {{.Dir}}", thirdparty.OllamaModule)
	if err == nil {
		version, dir, _ := strings.Cut(strings.TrimSpace(selected), " ")
		if version == thirdparty.OllamaVersion && dir != "" {
			return dir, nil
		}
	}
	pinned := thirdparty.OllamaModule + "@" + thirdparty.OllamaVersion
	out, err := output(ctx, "go", "mod", "download", "-json", pinned)
	var res struct{ Dir, Error string }
	if jsonErr := json.Unmarshal([]byte(out), &res); err == nil && jsonErr != nil {
		err = jsonErr
	}
	if err == nil && res.Error != "" {
		err = errors.New(res.Error)
	}
	if err != nil {
		return "", fmt.Errorf("find the sources of llama.cpp with the go command: %w", err)
	}
	return res.Dir, nil
}
