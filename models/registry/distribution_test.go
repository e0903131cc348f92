package registry

import (
	"net/http"
	"testing"

	"github.com/distribution/distribution/v3/configuration"
	"github.com/distribution/distribution/v3/registry/handlers"
	_ "github.com/distribution/distribution/v3/registry/storage/driver/inmemory"
	"github.com/sirupsen/logrus"
)

func init() { logrus.SetLevel(logrus.PanicLevel) } // the registry's

// newRegistry returns the handler of a real registry that keeps its blobs in memory.
func newRegistry(t testing.TB) http.Handler {
	t.Helper()
	config := &configuration.Configuration{Storage: configuration.Storage{"inmemory": nil}}
	config.HTTP.Secret = "test"
	return handlers.NewApp(t.Context(), config)
}
