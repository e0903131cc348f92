//go:build puna_command

package local

// 'go mod tidy' looks at files of every build tag. By this one a program that
// imports this package has the checksums of what the puna command needs besides,
// so that 'go run github.com/puna-ai/puna/cmd/puna kernels build' works there.
// Nothing of it is compiled in.
import (
	_ "github.com/mattn/go-runewidth"
	_ "github.com/ollama/ollama/progress"
	_ "github.com/ollama/ollama/readline"
	_ "github.com/rs/cors"
	_ "github.com/spf13/cobra"
	_ "golang.org/x/term"
)
