package peer

import (
	"fmt"
	"io"
)

// Row compares a figure of both servers.
type Row struct {
	What        string
	Puna, Peer  float64 // medians
	Ratio       float64 // median of the rounds' ratios, Puna by peer
	Least, Most float64 // of them
}

// Write prints rows as a Markdown table, which title begins.
func Write(w io.Writer, title string, rows []Row) {
	fmt.Fprintf(w, "| %s | Puna | llama-server | Puna / llama-server | least to most |\n|---|---|---|---|---|\n", title)
	for _, r := range rows {
		fmt.Fprintf(w, "| %s | %s | %s | **%.2f** | %.2f to %.2f |\n", r.What, short(r.Puna), short(r.Peer), r.Ratio, r.Least, r.Most)
	}
}

// short is v with three digits, and all of those before the point.
func short(v float64) string {
	if v >= 1000 {
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprintf("%.3g", v)
}
