package local

import (
	"crypto/sha256"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/puna-ai/puna"
	"github.com/puna-ai/puna/internal/testmodel"
	"github.com/puna-ai/puna/models/info"
	"github.com/puna-ai/puna/models/store"
)

// library is a [Service] without an engine.
func library(t *testing.T, o Options) *Service {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	st, err := openStore(t.TempDir(), store.Options{Log: log, NoPrune: o.NoPrune})
	require.NoError(t, err)
	return &Service{opts: o, log: log, store: st, lister: info.NewLister(st, log)}
}

// A built-in model that can't be unpacked is no reason to hide the others.
func TestListWithoutACacheFolder(t *testing.T) {
	s := library(t, Options{AllowPaths: true})
	for _, err := range s.Create(t.Context(), &puna.CreateRequest{Model: "tiny", From: testmodel.Path(t)}) {
		require.NoError(t, err)
	}
	names := func() (names []string) {
		list, err := s.List(t.Context())
		require.NoError(t, err)
		for _, m := range list {
			names = append(names, m.Name)
		}
		return names
	}
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	t.Setenv("HOME", t.TempDir())
	assert.Equal(t, []string{"tiny:latest", "guide:latest"}, names())
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o644))
	t.Setenv("XDG_CACHE_HOME", file)
	t.Setenv("HOME", file)
	assert.Equal(t, []string{"tiny:latest"}, names())
	require.NoError(t, s.Copy(t.Context(), "tiny", "Guide"))
	assert.ElementsMatch(t, []string{"tiny:latest", "Guide:latest"}, names(), "names ignore case")
}

func TestPruneLeavesUploadsAnHour(t *testing.T) {
	for _, noPrune := range []bool{false, true} {
		s := library(t, Options{NoPrune: noPrune})
		digests := map[string]string{}
		for _, text := range []string{"forgotten", "asked for", "new"} {
			digests[text] = fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(text)))
			require.NoError(t, s.PutBlob(t.Context(), digests[text], strings.NewReader(text)))
			if text == "new" {
				continue
			}
			path, err := s.store.BlobPath(digests[text])
			require.NoError(t, err)
			old := time.Now().Add(-2 * uploadsStay)
			require.NoError(t, os.Chtimes(path, old, old))
		}
		has, err := s.HasBlob(t.Context(), digests["asked for"])
		require.NoError(t, err)
		require.True(t, has)
		require.NoError(t, s.Prune())
		for text, digest := range digests {
			has, err := s.HasBlob(t.Context(), digest)
			require.NoError(t, err)
			assert.Equal(t, noPrune || text != "forgotten", has, text)
		}
	}
}
