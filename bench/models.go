package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/puna-ai/puna/cgo/llama"
	"github.com/puna-ai/puna/engine"
	"github.com/puna-ai/puna/internal/testmodel"
)

// eachShape opens an engine and measures the models of all shapes with it.
func (s settings) eachShape(o engine.Options, measure func(e *engine.Engine, shape, path string) error) error {
	e, err := engine.Open(o)
	if err != nil {
		return err
	}
	defer e.Close()
	return s.eachFile(func(shape, path string) error { return measure(e, shape, path) })
}

// eachFile measures the models of all shapes.
func (s settings) eachFile(measure func(shape, path string) error) error {
	for shape := range strings.SplitSeq(s.shapes, ",") {
		path, err := s.model(shape, s.quant)
		if err != nil {
			return err
		}
		if err := measure(shape, path); err != nil {
			return fmt.Errorf("%s: %w", shape, err)
		}
	}
	return nil
}

// model returns the path of a shape's file, making it where there is none.
func (s settings) model(name, quant string) (string, error) {
	path := filepath.Join(s.dir, name+"-"+strings.ToLower(quant)+".gguf")
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	shape, err := testmodel.ByName(name)
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(s.dir, 0o755); err != nil {
		return "", err
	}
	fmt.Fprintf(os.Stderr, "making %s\n", path)
	wide := path + ".f16"
	defer os.Remove(wide)
	if err := testmodel.Write(wide, shape); err != nil {
		return "", err
	}
	params := llama.QuantizeDefaultParams()
	if params.FType, err = llama.ParseFType(quant); err != nil {
		return "", err
	}
	llama.BackendInit()
	if err := llama.Quantize(wide, path+".part", params); err != nil {
		os.Remove(path + ".part")
		return "", err
	}
	return path, os.Rename(path+".part", path)
}
