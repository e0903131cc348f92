package puna_test

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const module = "github.com/puna-ai/puna"

// arrows says what each package of the module may import of the module. A key
// ending in /... covers the packages below it; the longest match counts. Every
// package may import the root, which imports none. Those that keep files share how one
// is replaced (internal/atomicfile).
var arrows = map[string][]string{
	"":                  {},
	"cgo/ggml":          {},
	"cgo/llama":         {"cgo/ggml"},
	"cgo/mtmd":          {"cgo/ggml", "cgo/llama"},
	"cgo/kernels":       {"cgo/ggml", "cgo/kernels/...", "third_party", "internal/atomicfile"},
	"cgo/kernels/build": {"third_party"},
	"cgo/kernels/...":   {},
	"engine":            {"engine/...", "cgo/...", "models/gguf", "models/template", "models/parse", "internal/atomicfile"},
	"engine/sched":      {},
	"engine/sample":     {"cgo/llama", "engine/grammar"},
	"engine/grammar":    {"models/parse"},
	"engine/spec":       {},
	"engine/snapshot":   {"internal/atomicfile"},
	"engine/...":        {"engine/...", "cgo/..."},
	"models/create":     {"models/...", "cgo/llama", "cgo/ggml"},
	"models/...":        {"models/...", "internal/atomicfile"},
	"local":             {"engine", "engine/...", "models/...", "cgo/kernels"},
	"server":            {"server/..."},
	"server/...":        {"server", "server/..."},
	"third_party":       {},
	"internal/...":      {"internal/...", "models/gguf"},
	"bench":             {"..."},
	"bench/...":         {"..."},
	"cmd/...":           {"..."},
	"tools/...":         {"..."},
}

// foreign bans imports from outside the module, by the package that must not.
var foreign = map[string][]string{
	"":       {"*"}, // the standard library only
	"engine": {"net/http"},
	"server": {"C"},
}

func TestArrows(t *testing.T) {
	for _, p := range listPackages(t) {
		path := strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, module), "/")
		allowed, ok := rule(arrows, path)
		require.True(t, ok, "%s has no rule: name what it may import", p.ImportPath)
		for _, imp := range p.Imports {
			if rest, inside := strings.CutPrefix(imp, module); inside {
				rest = strings.TrimPrefix(rest, "/")
				if rest != "" && rest != path && !slices.ContainsFunc(allowed, func(a string) bool { return matches(a, rest) }) {
					t.Errorf("%s must not import %s", p.ImportPath, imp)
				}
				continue
			}
			for _, banned := range foreign[firstFolder(path)] {
				if banned == imp || banned == "*" && strings.Contains(imp, ".") {
					t.Errorf("%s must not import %s", p.ImportPath, imp)
				}
			}
		}
	}
}

func rule(rules map[string][]string, path string) (allowed []string, ok bool) {
	best := -1
	for pattern, list := range rules {
		if matches(pattern, path) && len(pattern) > best {
			best, allowed, ok = len(pattern), list, true
		}
	}
	return allowed, ok
}

func matches(pattern, path string) bool {
	prefix, tree := strings.CutSuffix(pattern, "...")
	return pattern == path || tree && strings.HasPrefix(path, prefix)
}

func firstFolder(path string) string {
	first, _, _ := strings.Cut(path, "/")
	return first
}

type goPackage struct {
	ImportPath string
	Imports    []string
}

func listPackages(t *testing.T) []goPackage {
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports", module+"/...").Output()
	require.NoError(t, err)
	var packages []goPackage
	dec := json.NewDecoder(strings.NewReader(string(out)))
	for {
		var p goPackage
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			require.NotEmpty(t, packages)
			return packages
		} else {
			require.NoError(t, err)
		}
		packages = append(packages, p)
	}
}

// TestCommandNeedsNoMoreThanTheLibrary: a program that imports package local can
// run the puna command, since local/kernels_command.go names what that needs besides.
func TestCommandNeedsNoMoreThanTheLibrary(t *testing.T) {
	library := modules(t, "-tags", "puna_command", module+"/local")
	for m := range modules(t, module+"/cmd/puna") {
		require.Contains(t, library, m, "add a package of it to local/kernels_command.go")
	}
}

func modules(t *testing.T, args ...string) map[string]bool {
	args = append([]string{"list", "-deps", "-f", "{{with .Module}}{{.Path}}{{end}}"}, args...)
	out, err := exec.Command("go", args...).Output()
	require.NoError(t, err)
	found := map[string]bool{}
	for m := range strings.FieldsSeq(string(out)) {
		found[m] = true
	}
	return found
}
