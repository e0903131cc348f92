package puna_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const consumer = `package main

import (
	"context"
	"fmt"
	"log"

	"github.com/puna-ai/puna"
	"github.com/puna-ai/puna/local"
)

func main() {
	svc, err := local.Open(local.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer svc.Close()
	req := &puna.Request{Model: "guide", Messages: []puna.Message{{Role: puna.User, Content: "Who are you?"}}}
	for ev, err := range svc.Generate(context.Background(), req) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Print(ev.Text)
	}
}
`

// TestConsumer is a program of another module that imports Puna: a plain 'go
// build' must do, with no flag, no make and no environment variable of ours.
func TestConsumer(t *testing.T) {
	if testing.Short() {
		t.Skip("compiles llama.cpp where the build cache hasn't got it: run without -short")
	}
	root, err := os.Getwd()
	require.NoError(t, err)
	sums, err := os.ReadFile("go.sum")
	require.NoError(t, err)
	dir := t.TempDir()
	files := map[string]string{
		"main.go": consumer,
		"go.sum":  string(sums),
		"go.mod": "module example.com/consumer\n\ngo 1.26\n\nrequire " + module + " v0.0.0\n\nreplace " +
			module + " => " + root + "\n",
	}
	for name, text := range files {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644))
	}
	env := append(os.Environ(), "GOFLAGS=-mod=mod", "GOEXPERIMENT=", "GOWORK=off")

	build := exec.Command("go", "build", "-o", "consumer", ".")
	build.Dir, build.Env = dir, env
	out, err := build.CombinedOutput()
	require.NoError(t, err, string(out))

	answer, err := exec.Command(filepath.Join(dir, "consumer")).Output()
	require.NoError(t, err)
	assert.NotEmpty(t, answer)
}
