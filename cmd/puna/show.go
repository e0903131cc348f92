package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/puna-ai/puna"
)

func newShowCommand(c *config) *cobra.Command {
	var what string
	var verbose bool
	cmd := &cobra.Command{
		Use:   "show MODEL",
		Short: "Describe a model",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			svc, err := c.connect(cmd.Context(), backendOf(args[0]))
			if err != nil {
				return err
			}
			defer svc.Close()
			card, err := svc.Show(cmd.Context(), args[0], verbose)
			if err != nil {
				return err
			}
			return printCard(cmd.OutOrStdout(), card, what, verbose)
		},
	}
	flags := cmd.Flags()
	for _, part := range []string{"license", "modelfile", "parameters", "system", "template"} {
		flags.BoolFunc(part, "print only the "+part, func(string) error {
			what = part
			return nil
		})
	}
	cmd.MarkFlagsMutuallyExclusive("license", "modelfile", "parameters", "system", "template")
	flags.BoolVarP(&verbose, "verbose", "v", false, "print all metadata and the tensors too")
	return cmd
}

// printCard prints one part of a model's description, or the summary.
func printCard(out io.Writer, card *puna.ModelCard, part string, verbose bool) error {
	text, known := map[string]string{
		"license": card.License, "modelfile": card.Modelfile, "parameters": card.Parameters,
		"system": card.System, "template": card.Template,
	}[part]
	switch {
	case known:
		fmt.Fprintln(out, strings.TrimRight(text, "\n"))
	case part == "" || part == "info":
		printSummary(out, card)
		if verbose {
			printMetadata(out, card)
		}
	default:
		return fmt.Errorf("can't show %q: use info, license, modelfile, parameters, system or template", part)
	}
	return nil
}

func printSummary(out io.Writer, card *puna.ModelCard) {
	d := card.Details
	section(out, "Model", [][2]string{
		{"architecture", d.Family},
		{"parameters", d.ParameterSize},
		{"context length", count(d.ContextLength)},
		{"embedding length", count(d.EmbeddingLength)},
		{"quantization", d.QuantizationLevel},
		{"about", aboutText(card)},
	})
	var capabilities [][2]string
	for _, c := range card.Capabilities {
		capabilities = append(capabilities, [2]string{string(c), " "})
	}
	section(out, "Capabilities", capabilities)
	var parameters [][2]string
	for line := range strings.Lines(card.Parameters) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), " "); ok {
			parameters = append(parameters, [2]string{name, strings.TrimSpace(value)})
		}
	}
	section(out, "Parameters", parameters)
	section(out, "System", firstLines(card.System))
	section(out, "License", firstLines(card.License))
}

// aboutText is what the model's maker says of it.
func aboutText(card *puna.ModelCard) string {
	text, _ := card.Info["general.description"].(string)
	return text
}

func count(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprint(n)
}

// section prints a titled list; empty values and empty lists are left out.
func section(out io.Writer, title string, rows [][2]string) {
	rows = slices.DeleteFunc(rows, func(row [2]string) bool { return row[1] == "" })
	if len(rows) == 0 {
		return
	}
	fmt.Fprintf(out, "  %s\n", title)
	for _, row := range rows {
		fmt.Fprintln(out, strings.TrimRight(fmt.Sprintf("    %-20s%s", row[0], row[1]), " "))
	}
	fmt.Fprintln(out)
}

// firstLines is a preview of a text of two lines at most.
func firstLines(text string) [][2]string {
	var rows [][2]string
	for line := range strings.Lines(strings.TrimSpace(text)) {
		if len(rows) == 2 {
			return append(rows, [2]string{"...", " "})
		}
		rows = append(rows, [2]string{strings.TrimSpace(line), " "})
	}
	return rows
}

func printMetadata(out io.Writer, card *puna.ModelCard) {
	var rows [][2]string
	for _, key := range slices.Sorted(maps.Keys(card.Info)) {
		text := []rune(fmt.Sprint(card.Info[key]))
		if len(text) > 60 {
			text = append(text[:60], '…')
		}
		rows = append(rows, [2]string{fmt.Sprintf("%-44s", key), string(text)})
	}
	section(out, "Metadata", rows)
	rows = nil
	for _, t := range card.Tensors {
		rows = append(rows, [2]string{fmt.Sprintf("%-44s", t.Name), fmt.Sprintf("%-8s%v", t.Type, t.Shape)})
	}
	section(out, "Tensors", rows)
}
