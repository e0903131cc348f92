package store_test

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/puna-ai/puna/models/name"
	"github.com/puna-ai/puna/models/store"
)

func Example() {
	dir, err := os.MkdirTemp("", "models")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	s, err := store.Open(dir, store.Options{})
	if err != nil {
		panic(err)
	}
	n, err := name.Parse("mine")
	if err != nil {
		panic(err)
	}
	if err := addModel(s, n); err != nil {
		panic(err)
	}
	m, err := s.Resolve("mine")
	if err != nil {
		panic(err)
	}
	fmt.Println(m.Name, m.Size, m.System)
	// Output: mine:latest 11 Be brief.
}

// addModel makes a model of nothing but a system message.
func addModel(s *store.Store, n name.Name) error {
	c, err := s.Begin()
	if err != nil {
		return err
	}
	defer c.Close()
	system, _, err := c.Put(context.Background(), store.MediaSystem, strings.NewReader("Be brief."))
	if err != nil {
		return err
	}
	config, _, err := c.Put(context.Background(), store.MediaConfig, strings.NewReader("{}"))
	if err != nil {
		return err
	}
	return c.Commit(n, config, []store.Layer{system})
}
