package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/puna-ai/puna"
)

// newOptionsTopic is the text of 'puna help options'.
func newOptionsTopic() *cobra.Command {
	return &cobra.Command{
		Use:   "options",
		Short: "The options of a request or a Modelfile",
		Long:  "Options go into a request's \"options\", a Modelfile's PARAMETER lines, 'puna run -o NAME=VALUE', or '/set parameter'.\n\n" + optionHelp(),
	}
}

// optionHelp lists the options with their defaults.
func optionHelp() string {
	var text strings.Builder
	for _, doc := range puna.OptionDocs() {
		fmt.Fprintf(&text, "  %-22s %-10s %s\n", doc.Name, doc.Default, doc.Doc)
	}
	return text.String()
}
