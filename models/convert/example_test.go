package convert_test

import (
	"context"
	"fmt"
	"os"

	"github.com/puna-ai/puna/models/convert"
)

// A folder that was downloaded from Hugging Face becomes a GGUF file.
func ExampleModel() {
	files, err := convert.Folder("Qwen3-0.6B")
	if err != nil {
		fmt.Println(err)
		return
	}
	out, err := os.Create("qwen3-0.6b.gguf")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer out.Close()
	err = convert.Model(context.Background(), files, out, convert.Options{
		Progress: func(done, total int64) { fmt.Printf("\r%d of %d bytes", done, total) },
	})
	if err != nil {
		fmt.Println(err)
	}
}
