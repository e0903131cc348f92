// Command optiondocs prints the option table as JSON, for the corpus of the
// built-in model.
package main

import (
	"encoding/json"
	"os"

	"github.com/puna-ai/puna"
)

func main() {
	if err := json.NewEncoder(os.Stdout).Encode(puna.OptionDocs()); err != nil {
		panic(err) // standard output is closed
	}
}
