// Package registrytest has registries for tests: a real one that keeps its blobs in
// memory, one that asks for tokens as Ollama's does, and a proxy that gets in the way.
package registrytest

import (
	"net/http"
	"testing"

	"github.com/distribution/distribution/v3/configuration"
	"github.com/distribution/distribution/v3/registry/handlers"
	_ "github.com/distribution/distribution/v3/registry/storage/driver/inmemory" // New names it
	"github.com/sirupsen/logrus"
)

func init() { logrus.SetLevel(logrus.PanicLevel) } // the registry's

// New returns the handler of a real registry that keeps its blobs in memory.
func New(t testing.TB) http.Handler {
	t.Helper()
	config := &configuration.Configuration{Storage: configuration.Storage{"inmemory": nil}}
	config.HTTP.Secret = "test"
	return handlers.NewApp(t.Context(), config)
}
