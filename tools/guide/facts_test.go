package guide

import (
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/ollama/ollama/api"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/puna-ai/puna"
)

// What needs the command tree is checked in cmd/puna.

func TestReadFindsNames(t *testing.T) {
	n, err := Read()
	require.NoError(t, err)
	assert.Contains(t, n.Commands, "kernels build")
	assert.Contains(t, n.Commands["run"], "--verbose")
	assert.Contains(t, n.Commands["run"], "--hidethinking")
	assert.Contains(t, n.Commands["create"], "-f")
	assert.Contains(t, n.Session, "/bye")
	assert.Contains(t, n.Environment, "PUNA_KERNELS")
	assert.Contains(t, n.Options, "num_predict")
	assert.Contains(t, n.MakeTargets, "kernels-all")
}

func TestOptionsExist(t *testing.T) {
	n, err := Read()
	require.NoError(t, err)
	known := map[string]bool{}
	for _, doc := range puna.OptionDocs() {
		known[doc.Name] = true
	}
	for _, field := range reflect.VisibleFields(reflect.TypeFor[api.GenerateResponse]()) { // answers explain some
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		known[name] = true
	}
	for _, name := range n.Options {
		assert.True(t, known[name], "the corpus names %s, which is neither an option nor a field of an answer", name)
	}
}

func TestMakeTargetsExist(t *testing.T) {
	n, err := Read()
	require.NoError(t, err)
	text, err := os.ReadFile("../../Makefile")
	require.NoError(t, err)
	for _, target := range n.MakeTargets {
		rule := regexp.MustCompile(`(?m)^[a-z- ]*\b` + regexp.QuoteMeta(target) + `\b[a-z- ]*:`)
		assert.Regexp(t, rule, string(text), "the corpus names `make %s`", target)
	}
}

func TestEndpointsExist(t *testing.T) {
	n, err := Read()
	require.NoError(t, err)
	text, err := os.ReadFile("../../server/routes.go")
	require.NoError(t, err)
	require.NotEmpty(t, n.Endpoints)
	for _, path := range n.Endpoints {
		assert.True(t, strings.Contains(string(text), `"`+path+`"`), "the corpus names %s, which has no route", path)
	}
}
