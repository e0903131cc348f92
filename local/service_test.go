package local

import (
	"context"
	"iter"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/puna-ai/puna"
)

// slowModel takes a second to make a context, and another one to answer.
type slowModel struct{ fakeModel }

func (*slowModel) Generate(context.Context, *puna.Request) iter.Seq2[puna.Event, error] {
	return func(yield func(puna.Event, error) bool) {
		time.Sleep(2 * time.Second)
		yield(puna.Event{Done: &puna.Done{LoadDuration: time.Second, TotalDuration: 2 * time.Second}}, nil)
	}
}

// The time of loading is that of the weights and of the context.
func TestLoadDuration(t *testing.T) {
	path := filepath.Join(t.TempDir(), "m.gguf")
	require.NoError(t, os.WriteFile(path, nil, 0o644))
	synctest.Test(t, func(t *testing.T) {
		s := &Service{opts: Options{AllowPaths: true}, residents: newResidents(&loads{}, time.Minute)}
		s.residents.load = func(context.Context, *spec, func(float64)) (loadedModel, error) {
			time.Sleep(time.Second)
			return &slowModel{}, nil
		}
		for _, want := range []time.Duration{2 * time.Second, time.Second} { // the second finds it loaded
			for ev, err := range s.Generate(t.Context(), &puna.Request{Model: path}) {
				require.NoError(t, err)
				assert.Equal(t, want, ev.Done.LoadDuration)
				assert.Equal(t, want+time.Second, ev.Done.TotalDuration)
			}
		}
		time.Sleep(time.Hour) // unloads
	})
}
