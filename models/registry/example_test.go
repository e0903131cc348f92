package registry_test

import (
	"context"
	"fmt"
	"os"

	"github.com/puna-ai/puna/models/registry"
	"github.com/puna-ai/puna/models/store"
)

// Pull a model of Hugging Face and print how far it has come.
func Example() {
	s, err := store.Open("/path/to/models", store.Options{})
	if err != nil {
		panic(err)
	}
	c := &registry.Client{Store: s, HFToken: os.Getenv("HF_TOKEN")}
	for p, err := range c.Pull(context.Background(), registry.Request{Model: "hf.co/user/repo:Q4_K_M"}) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Printf("%s %d/%d\n", p.Status, p.Completed, p.Total)
	}
	// ranges over: pulling manifest, pulling 0123456789ab (for each layer), verifying
	// sha256 digest, writing manifest, success
}
