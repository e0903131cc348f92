package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/ollama/ollama/format"
	"github.com/spf13/cobra"

	"github.com/puna-ai/puna"
)

// withService makes a command's body of one that needs a service.
func (c *config) withService(where backend, run func(ctx context.Context, svc puna.Service, out io.Writer, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		svc, err := c.connect(cmd.Context(), where)
		if err != nil {
			return err
		}
		defer svc.Close()
		return run(cmd.Context(), svc, cmd.OutOrStdout(), args)
	}
}

func newListCommand(c *config) *cobra.Command {
	return &cobra.Command{
		Use:     "list [PREFIX]",
		Aliases: []string{"ls"},
		Short:   "List the models",
		Args:    cobra.MaximumNArgs(1),
		RunE: c.withService(serverOrLocal, func(ctx context.Context, svc puna.Service, out io.Writer, args []string) error {
			return printModels(ctx, out, svc, strings.Join(args, ""))
		}),
	}
}

func printModels(ctx context.Context, out io.Writer, svc puna.Service, prefix string) error {
	models, err := svc.List(ctx)
	if err != nil {
		return err
	}
	table := newTable(out, "NAME", "ID", "SIZE", "MODIFIED")
	for _, m := range models {
		if strings.HasPrefix(strings.ToLower(m.Name), strings.ToLower(prefix)) {
			table.row(m.Name, shortID(m.Digest), format.HumanBytes(m.Size), format.HumanTime(m.Modified, "built in"))
		}
	}
	return table.Flush()
}

func newPsCommand(c *config) *cobra.Command {
	return &cobra.Command{
		Use:   "ps",
		Short: "List the models that a server has loaded",
		Args:  cobra.NoArgs,
		RunE: c.withService(serverOnly, func(ctx context.Context, svc puna.Service, out io.Writer, _ []string) error {
			models, err := svc.Running(ctx)
			if err != nil {
				return err
			}
			table := newTable(out, "NAME", "ID", "SIZE", "PROCESSOR", "CONTEXT", "UNTIL")
			for _, m := range models {
				table.row(m.Name, shortID(m.Digest), format.HumanBytes(m.Size), processor(m), fmt.Sprint(m.ContextLength), until(m.Expires))
			}
			return table.Flush()
		}),
	}
}

// processor says where the bytes of a model lie, in Ollama's words.
func processor(m puna.RunningModel) string {
	switch {
	case m.SizeVRAM <= 0 || m.Size <= 0:
		return "100% CPU"
	case m.SizeVRAM >= m.Size:
		return "100% GPU"
	}
	gpu := 100 * m.SizeVRAM / m.Size
	return fmt.Sprintf("%d%%/%d%% CPU/GPU", 100-gpu, gpu)
}

// until words a time of unloading. Servers say "for ever" by a far date.
func until(t time.Time) string {
	if t.IsZero() || time.Until(t) > 100*365*24*time.Hour {
		return "Forever"
	}
	return format.HumanTime(t, "Never")
}

func newStopCommand(c *config) *cobra.Command {
	return &cobra.Command{
		Use:   "stop MODEL",
		Short: "Unload a model from a server",
		Args:  cobra.ExactArgs(1),
		RunE: c.withService(serverOnly, func(ctx context.Context, svc puna.Service, _ io.Writer, args []string) error {
			return svc.Unload(ctx, args[0])
		}),
	}
}

func newCopyCommand(c *config) *cobra.Command {
	return &cobra.Command{
		Use:   "cp SOURCE DESTINATION",
		Short: "Give a model a second name",
		Args:  cobra.ExactArgs(2),
		RunE: c.withService(serverOrLocal, func(ctx context.Context, svc puna.Service, out io.Writer, args []string) error {
			err := svc.Copy(ctx, args[0], args[1])
			if err == nil {
				fmt.Fprintf(out, "copied '%s' to '%s'\n", args[0], args[1])
			}
			return err
		}),
	}
}

func newRemoveCommand(c *config) *cobra.Command {
	return &cobra.Command{
		Use:   "rm MODEL...",
		Short: "Remove models from the store",
		Args:  cobra.MinimumNArgs(1),
		RunE: c.withService(serverOrLocal, func(ctx context.Context, svc puna.Service, out io.Writer, args []string) error {
			for _, model := range args {
				if err := svc.Delete(ctx, model); err != nil {
					return err
				}
				fmt.Fprintf(out, "deleted '%s'\n", model)
			}
			return nil
		}),
	}
}

// table writes aligned columns, two spaces apart at least.
type table struct{ *tabwriter.Writer }

func newTable(out io.Writer, header ...string) table {
	t := table{tabwriter.NewWriter(out, 0, 0, 4, ' ', 0)}
	t.row(header...)
	return t
}

func (t table) row(cells ...string) {
	fmt.Fprintln(t, strings.Join(cells, "\t"))
}

// shortID is the start of a digest, as long as Ollama prints it.
func shortID(digest string) string {
	digest = strings.TrimPrefix(digest, "sha256:")
	return cmp.Or(digest[:min(12, len(digest))], "-")
}
