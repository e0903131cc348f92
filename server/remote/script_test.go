package remote_test

import (
	"context"
	"iter"

	"github.com/puna-ai/puna"
)

// scripted answers with these events, then with err unless that is nil.
func scripted(events []puna.Event, err error) func(context.Context, *puna.Request) iter.Seq2[puna.Event, error] {
	return func(context.Context, *puna.Request) iter.Seq2[puna.Event, error] {
		return func(yield func(puna.Event, error) bool) {
			for _, ev := range events {
				if !yield(ev, nil) {
					return
				}
			}
			if err != nil {
				yield(puna.Event{}, err)
			}
		}
	}
}
