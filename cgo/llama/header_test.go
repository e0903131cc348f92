//go:build !llama_system

package llama

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var (
	reComment = regexp.MustCompile(`//[^\n]*`)
	reStruct  = regexp.MustCompile(`(?s)struct (llama_\w+) \{(.*?)\n\}`)
	reUnion   = regexp.MustCompile(`(?s)union \{(.*?)\n    \};`)
	reField   = regexp.MustCompile(`(?m)(\w+)(?:\[\d+\])?;$`)
	reEnum    = regexp.MustCompile(`(?s)enum \w+ \{(.*?)\}`)
	reConst   = regexp.MustCompile(`\b((?:LLAMA|GGML)_\w+)\b[^,\n]*,`)
	reDefine  = regexp.MustCompile(`(?m)^#define ((?:LLAMA)_\w+) .+$`)
)

// module is the folder of the pinned module.
func module(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/ollama/ollama").Output()
	require.NoError(t, err)
	return strings.TrimSpace(string(out))
}

// layout writes a C program that prints every size, offset and constant in header.
func layout(header string) (program string, lines int) {
	var b strings.Builder
	b.WriteString("#include <llama.h>\n#include <stddef.h>\n#include <stdio.h>\nint main(void) {\n")
	print := func(name, value string) {
		fmt.Fprintf(&b, "    printf(\"%s = %%lld\\n\", (long long) (%s));\n", name, value)
		lines++
	}
	for _, s := range reStruct.FindAllStringSubmatch(header, -1) {
		print("sizeof "+s[1], "sizeof(struct "+s[1]+")")
		body := reUnion.ReplaceAllString(s[2], "$1")
		for _, f := range reField.FindAllStringSubmatch(body, -1) {
			print(s[1]+"."+f[1], fmt.Sprintf("offsetof(struct %s, %s)", s[1], f[1]))
			print("sizeof "+s[1]+"."+f[1], fmt.Sprintf("sizeof(((struct %s *) 0)->%s)", s[1], f[1]))
		}
	}
	for _, e := range reEnum.FindAllStringSubmatch(header, -1) {
		for _, c := range reConst.FindAllStringSubmatch(e[1], -1) {
			print(c[1], c[1])
		}
	}
	for _, d := range reDefine.FindAllStringSubmatch(header, -1) {
		print(d[1], d[1])
	}
	b.WriteString("    return 0;\n}\n")
	return b.String(), lines
}

// compile builds and runs a C program with the given include folders.
func compile(t *testing.T, program string, args ...string) (string, error) {
	t.Helper()
	dir := t.TempDir()
	src, exe := filepath.Join(dir, "a.c"), filepath.Join(dir, "a.out")
	require.NoError(t, os.WriteFile(src, []byte(program), 0o600))
	args = append([]string{"-std=c11", "-Wall", "-Werror", "-o", exe, src}, args...)
	if out, err := exec.Command("gcc", args...).CombinedOutput(); err != nil {
		return string(out), err
	}
	out, err := exec.Command(exe).Output()
	return string(out), err
}

func ownHeader(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile("include/llama.h")
	require.NoError(t, err)
	return reComment.ReplaceAllString(string(b), "")
}

// Sizes and offsets of every struct, and every constant, are those of the real header.
func TestHeaderLayout(t *testing.T) {
	dir := module(t)
	program, lines := layout(ownHeader(t))
	require.Greater(t, lines, 250, "the test finds the header's declarations")
	own, err := compile(t, program, "-Iinclude", "-I../ggml/include")
	require.NoError(t, err, own)
	real, err := compile(t, program, "-I"+dir+"/llama/llama.cpp/include", "-I"+dir+"/ml/backend/ggml/ggml/include")
	require.NoError(t, err, real)
	assert.Equal(t, strings.Split(real, "\n"), strings.Split(own, "\n"))
}

// Every function is redeclared after the real header: a C compiler refuses another type.
func TestHeaderFunctions(t *testing.T) {
	dir := module(t)
	own, err := filepath.Abs("include/llama.h")
	require.NoError(t, err)
	redeclare := func(extra string) error {
		out, err := compile(t, fmt.Sprintf("#include <llama.h>\n#include %q\n%s\nint main(void) { return 0; }\n", own, extra),
			"-I"+dir+"/llama/llama.cpp/include", "-I"+dir+"/ml/backend/ggml/ggml/include")
		if err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		return nil
	}
	require.NoError(t, redeclare(""))
	require.ErrorContains(t, redeclare("int32_t llama_n_ctx(const struct llama_context *ctx);"), "conflicting types",
		"the test sees a difference")
	declared := regexp.MustCompile(`(?m)^[a-z].*?\b(llama_\w+)\(`).FindAllStringSubmatch(ownHeader(t), -1)
	require.Greater(t, len(declared), 150)
	b, err := os.ReadFile(dir + "/llama/llama.cpp/include/llama.h")
	require.NoError(t, err)
	for _, d := range declared {
		assert.Contains(t, string(b), d[1], "not in the real header: redeclaring proves nothing")
	}
}

// Commit is the one that the module was synchronized with.
func TestCommit(t *testing.T) {
	b, err := os.ReadFile(filepath.Join(module(t), "Makefile.sync"))
	require.NoError(t, err)
	assert.Contains(t, string(b), "FETCH_HEAD="+Commit)
}
