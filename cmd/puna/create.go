package main

import (
	"fmt"
	"io"
	"os"

	"github.com/ollama/ollama/progress"
	"github.com/spf13/cobra"

	"github.com/puna-ai/puna"
)

func newCreateCommand(c *config) *cobra.Command {
	var file, quantize string
	cmd := &cobra.Command{
		Use:     "create NAME",
		Short:   "Create a model from a Modelfile",
		Example: "  puna create mine -f Modelfile --quantize Q4_K_M",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			svc, err := c.connect(cmd.Context(), serverOrLocal)
			if err != nil {
				return err
			}
			defer svc.Close()
			bars := newProgressBars(os.Stderr)
			defer bars.stop()
			req, err := createRequest(cmd.Context(), svc, args[0], file, bars)
			if err != nil {
				return err
			}
			req.Quantize = quantize
			for step, err := range svc.Create(cmd.Context(), req) {
				if err != nil {
					return err
				}
				bars.show(step)
			}
			return nil
		},
	}
	cmd.Flags().StringVarP(&file, "file", "f", "Modelfile", "the Modelfile, or - for standard input")
	cmd.Flags().StringVarP(&quantize, "quantize", "q", "", "quantize to this type, such as Q4_K_M")
	return cmd
}

// progressBars shows a service's progress: a bar for steps with a total, a
// spinner for others. On anything but a terminal it prints each status once.
type progressBars struct {
	terminal *progress.Progress // nil: not a terminal
	out      io.Writer
	bar      *progress.Bar
	spinner  *progress.Spinner
	status   string
}

func newProgressBars(out *os.File) *progressBars {
	p := &progressBars{out: out}
	if isTerminal(out) {
		p.terminal = progress.NewProgress(out)
	}
	return p
}

func (p *progressBars) show(step puna.Progress) {
	changed := step.Status != p.status
	p.status = step.Status
	switch {
	case p.terminal == nil:
		if changed {
			fmt.Fprintln(p.out, step.Status)
		}
	case step.Total > 0:
		if changed || p.bar == nil {
			p.stopSpinner()
			p.bar = progress.NewBar(step.Status, step.Total, 0)
			p.terminal.Add(step.Status+step.Digest, p.bar)
		}
		p.bar.Set(step.Completed)
	case changed:
		p.stopSpinner()
		p.bar, p.spinner = nil, progress.NewSpinner(step.Status)
		p.terminal.Add(step.Status, p.spinner)
	}
}

func (p *progressBars) stopSpinner() {
	if p.spinner != nil {
		p.spinner.Stop()
		p.spinner = nil
	}
}

func (p *progressBars) stop() {
	p.stopSpinner()
	if p.terminal != nil {
		p.terminal.Stop()
	}
}
