package ggml

import (
	"bytes"
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
	headers = []string{"ggml.h", "ggml-backend.h", "ggml-cpu.h"}

	comment    = regexp.MustCompile(`//[^\n]*`)
	preproc    = regexp.MustCompile(`(?m)^#(include|pragma|if|ifdef|endif).*$`)
	linkage    = regexp.MustCompile(`extern "C" \{|(?m)^\}$`)
	definition = regexp.MustCompile(`(?s)(struct|enum) (\w+) \{(.*?)\};`)
	function   = regexp.MustCompile(`\b(ggml_\w+)\s*\(`)
	fieldName  = regexp.MustCompile(`(\w+)(?:\[\w+\])?;`)
	constant   = regexp.MustCompile(`\b(GGML_\w+)\b[^,]*,`)
)

// realHeaders is the folder of the headers that include/ declares anew.
func realHeaders(t *testing.T) string {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/ollama/ollama").Output()
	require.NoError(t, err)
	dir := filepath.Join(strings.TrimSpace(string(out)), "ml/backend/ggml/ggml/include")
	require.DirExists(t, dir)
	return dir
}

func ownHeaders(t *testing.T) string {
	var all strings.Builder
	for _, h := range headers {
		b, err := os.ReadFile(filepath.Join("include", h))
		require.NoError(t, err)
		all.Write(b)
	}
	s := comment.ReplaceAllString(all.String(), "")
	s = preproc.ReplaceAllString(s, "")
	return linkage.ReplaceAllString(s, "")
}

// checkC writes the C source that fails to compile where own differs from the real
// headers: prototypes, typedefs and macros are repeated after the real ones; structs
// and enums are repeated under another name and compared.
func checkC(own string) (src string, asserts int) {
	var b strings.Builder
	for _, h := range headers {
		fmt.Fprintf(&b, "#include <%s>\n", h)
	}
	b.WriteString("#include <ggml-alloc.h>\n#define SAME(...) _Static_assert(__VA_ARGS__, #__VA_ARGS__)\n")
	b.WriteString(definition.ReplaceAllString(own, ""))
	for _, def := range definition.FindAllStringSubmatch(own, -1) {
		tag, body := def[2], def[3]
		if def[1] == "enum" {
			fmt.Fprintf(&b, "enum own_%s {%s};\n", tag, constant.ReplaceAllStringFunc(body, func(c string) string { return "OWN_" + c }))
			for _, c := range constant.FindAllStringSubmatch(body, -1) {
				fmt.Fprintf(&b, "SAME((int) OWN_%[1]s == (int) %[1]s);\n", c[1])
				asserts++
			}
			fmt.Fprintf(&b, "SAME(sizeof(enum own_%[1]s) == sizeof(enum %[1]s));\n", tag)
			continue
		}
		fmt.Fprintf(&b, "struct own_%s {%s};\n", tag, body)
		fmt.Fprintf(&b, "SAME(sizeof(struct own_%[1]s) == sizeof(struct %[1]s));\n", tag)
		for _, f := range fieldName.FindAllStringSubmatch(body, -1) {
			fmt.Fprintf(&b, "SAME(offsetof(struct own_%[1]s, %[2]s) == offsetof(struct %[1]s, %[2]s));\n", tag, f[1])
			fmt.Fprintf(&b, "SAME(__builtin_types_compatible_p(__typeof__(((struct own_%[1]s *) 0)->%[2]s), __typeof__(((struct %[1]s *) 0)->%[2]s)));\n", tag, f[1])
			asserts++
		}
	}
	return b.String(), asserts
}

func compile(t *testing.T, dir, src string) (output string, err error) {
	cmd := exec.Command("cc", "-std=gnu11", "-fsyntax-only", "-Werror", "-I"+dir, "-x", "c", "-")
	cmd.Stdin = strings.NewReader(src)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err = cmd.Run()
	return out.String(), err
}

func TestHeadersMatch(t *testing.T) {
	if System {
		t.Skip("this build uses the system's own headers: run without the tag llama_system")
	}
	dir, own := realHeaders(t), ownHeaders(t)
	src, asserts := checkC(own)
	assert.Greater(t, asserts, 80, "the declarations weren't found")
	out, err := compile(t, dir, src)
	assert.NoError(t, err, out)

	// A prototype of a function that the real headers lack would compile.
	var real bytes.Buffer
	for _, h := range append([]string{"ggml-alloc.h"}, headers...) {
		b, err := os.ReadFile(filepath.Join(dir, h))
		require.NoError(t, err)
		real.Write(b)
	}
	names := function.FindAllStringSubmatch(definition.ReplaceAllString(own, ""), -1)
	assert.Greater(t, len(names), 60)
	for _, n := range names {
		assert.Regexp(t, `\b`+n[1]+`\s*\(`, real.String(), "no such function: %s", n[1])
	}
}

// The check itself must find what it is for.
func TestHeaderDriftIsFound(t *testing.T) {
	dir, own := realHeaders(t), ownHeaders(t)
	for _, drift := range [][2]string{
		{"GGML_TYPE_Q4_0    = 2,", "GGML_TYPE_Q4_0    = 3,"},
		{"uint32_t                 poll;", "int64_t                  poll;"},
		{"const char                  *id;", ""},
		{"ggml_row_size(enum ggml_type type, int64_t ne)", "ggml_row_size(enum ggml_type type, int ne)"},
		{"#define GGML_MAX_N_THREADS 512", "#define GGML_MAX_N_THREADS 256"},
	} {
		require.Contains(t, own, drift[0])
		src, _ := checkC(strings.Replace(own, drift[0], drift[1], 1))
		_, err := compile(t, dir, src)
		assert.Error(t, err, "drift unnoticed: %q", drift[1])
	}
}
