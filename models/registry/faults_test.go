package registry

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/puna-ai/puna"
	"github.com/puna-ai/puna/models/registry/registrytest"
)

const schedules = 200

// TestFaults pulls through random schedules of faults. Each pull ends in a whole
// model, or in a clear error and a state from which a pull without faults goes on.
func TestFaults(t *testing.T) {
	registry := registrytest.New(t)
	want := publish(t, registry, 1)
	for seed := range uint64(schedules) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			rng := rand.New(rand.NewPCG(seed, 2))
			f := registrytest.NewFaults(t, &registrytest.Auth{Next: registry}, seed, 0.7*rng.Float64(), "")
			model := host(t, serve(t, f)) + "/library/m"
			c := newClient(t, openStore(t, t.TempDir()))
			c.Transfer.Stall = stall
			statuses, err := pullOnce(t, c, Request{Model: model, Insecure: true})
			require.False(t, f.Leaked.Load())
			checkBlobs(t, c.Store)
			if err == nil {
				require.Equal(t, "success", statuses[len(statuses)-1])
				checkModel(t, c.Store, model, want)
				return
			}
			requireClear(t, err)
			_, missing := c.Store.Resolve(model)
			require.Equal(t, puna.NotFound, puna.KindOf(missing))

			recorded := recordedBytes(t, c)
			calm := registrytest.NewFaults(t, registry, seed, 0, "") // another host: blobs are known by their digests
			model = host(t, serve(t, calm)) + "/library/m"
			c.Transfer.Stall = 0
			_, err = pullOnce(t, c, Request{Model: model, Insecure: true})
			require.NoError(t, err)
			checkModel(t, c.Store, model, want)
			if !f.Corrupted.Load() {
				require.LessOrEqual(t, calm.Served.Load(), want.Size()-recorded, "what had come was downloaded again")
			}
		})
	}
}

// requireClear checks an error that a user reads.
func requireClear(t testing.TB, err error) {
	t.Helper()
	require.Contains(t, []puna.Kind{puna.Unavailable, puna.Busy, puna.Invalid, puna.NotFound}, puna.KindOf(err), err)
	require.Contains(t, err.Error(), "127.0.0.1")
	require.NotContains(t, err.Error(), "signature")
}

// recordedBytes returns how much of unfinished blobs is on disk.
func recordedBytes(t testing.TB, c *Client) (n int64) {
	t.Helper()
	for _, path := range partials(t, c.Store) {
		if !strings.HasSuffix(path, ".journal") {
			continue
		}
		data, err := os.Stat(strings.TrimSuffix(path, ".journal"))
		require.NoError(t, err)
		p, err := c.Store.OpenPartial(strings.TrimSuffix(filepath.Base(path), ".journal"))
		require.NoError(t, err)
		part, err := openPartial(p, strings.Replace(filepath.Base(p.Data.Name()), "-", ":", 1), data.Size())
		require.NoError(t, err)
		n += part.total()
		require.NoError(t, p.Close())
	}
	return n
}

// TestEachFault has one kind of fault in the way of every third request.
func TestEachFault(t *testing.T) {
	registry := registrytest.New(t)
	want := publish(t, registry, 2)
	for i, kind := range registrytest.Kinds {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			f := registrytest.NewFaults(t, registry, uint64(i), 0.3, kind)
			model := host(t, serve(t, f)) + "/library/m"
			c := newClient(t, openStore(t, t.TempDir()))
			c.Transfer.Tries, c.Transfer.Stall = 100, stall
			_, err := pullOnce(t, c, Request{Model: model, Insecure: true})
			if kind == "corrupt" && err != nil {
				require.ErrorIs(t, err, errDamaged)
				f.Calm()
				_, err = pullOnce(t, c, Request{Model: model, Insecure: true})
			}
			require.NoError(t, err)
			checkModel(t, c.Store, model, want)
		})
	}
}

// TestPushFaults pushes through random faults; what arrives is whole.
func TestPushFaults(t *testing.T) {
	for seed := range uint64(40) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			rng := rand.New(rand.NewPCG(seed, 3))
			registry := registrytest.New(t)
			f := registrytest.NewFaults(t, &registrytest.Auth{Next: registry}, seed, 0.4*rng.Float64(), "")
			model := host(t, serve(t, f)) + "/library/m"
			c := newClient(t, openStore(t, t.TempDir()))
			c.Transfer.Stall, c.Transfer.Answer = stall, stall
			want := addModel(t, c.Store, model, 3)
			_, err := collect(c.Push(t.Context(), Request{Model: model, Insecure: true}))
			if err != nil {
				requireClear(t, err)
				f.Calm()
				c.Transfer.Stall, c.Transfer.Answer = 0, 0
				_, err = collect(c.Push(t.Context(), Request{Model: model, Insecure: true}))
			}
			require.NoError(t, err)
			f.Calm()
			other := newClient(t, openStore(t, t.TempDir()))
			_, err = pullOnce(t, other, Request{Model: model, Insecure: true})
			require.NoError(t, err)
			checkModel(t, other.Store, model, want)
			require.False(t, f.Leaked.Load())
		})
	}
}
