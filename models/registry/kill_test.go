package registry

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/puna-ai/puna"
	"github.com/puna-ai/puna/models/registry/registrytest"
)

const (
	killDir   = "PUNA_REGISTRY_KILL_DIR"
	killModel = "PUNA_REGISTRY_KILL_MODEL"
)

// TestHelperPulls is the process that TestKill kills.
func TestHelperPulls(t *testing.T) {
	dir := os.Getenv(killDir)
	if dir == "" {
		t.Skip("runs in a child process of TestKill")
	}
	c := newClient(t, openStore(t, dir))
	fmt.Println("started")
	_, err := collect(c.Pull(t.Context(), Request{Model: os.Getenv(killModel), Insecure: true}))
	require.NoError(t, err)
}

// slow delays answers, so that a kill meets a pull in the middle.
type slow struct{ http.ResponseWriter }

func (w slow) Write(p []byte) (int, error) {
	time.Sleep(2 * time.Millisecond)
	return w.ResponseWriter.Write(p)
}

// TestKill kills a pulling process again and again, at random moments.
func TestKill(t *testing.T) {
	registry := registrytest.New(t)
	want := publish(t, registry, 7)
	server := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { registry.ServeHTTP(slow{w}, r) }))
	model := host(t, server) + "/library/m"
	c := newClient(t, openStore(t, t.TempDir()))
	rng := rand.New(rand.NewPCG(8, 9))
	for i := range 100 {
		cmd := exec.Command(os.Args[0], "-test.run", "^TestHelperPulls$")
		cmd.Env = append(os.Environ(), killDir+"="+c.Store.Dir(), killModel+"="+model)
		out, err := cmd.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		_, err = io.ReadFull(out, make([]byte, 8)) // it has started
		require.NoError(t, err)
		time.Sleep(time.Duration(rng.IntN(60)) * time.Millisecond)
		require.NoError(t, cmd.Process.Kill())
		_, _ = io.Copy(io.Discard, out)
		_ = cmd.Wait() // killed, or done before that
		checkBlobs(t, c.Store)
		if _, err := c.Store.Resolve(model); err == nil {
			checkModel(t, c.Store, model, want)
		} else {
			require.Equal(t, puna.NotFound, puna.KindOf(err))
		}
		if i%3 < 2 { // the next one goes on
			continue
		}
		_, err = pullOnce(t, c, Request{Model: model, Insecure: true})
		require.NoError(t, err)
		checkModel(t, c.Store, model, want)
		require.NoError(t, os.RemoveAll(filepath.Join(c.Store.Dir(), "manifests")))
		require.NoError(t, os.RemoveAll(filepath.Join(c.Store.Dir(), "blobs")))
	}
	_, err := pullOnce(t, c, Request{Model: model, Insecure: true})
	require.NoError(t, err)
	checkModel(t, c.Store, model, want)
}
