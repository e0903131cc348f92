package registry

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/puna-ai/puna"
	"github.com/puna-ai/puna/internal/testmodel"
	"github.com/puna-ai/puna/models/registry/registrytest"
)

// hub is a fake of Hugging Face: a repository user/repo, the files of which lie on
// another host.
type hub struct {
	t         *testing.T
	files     map[string]string // path to content
	token     string            // that is needed; "": none
	manifests http.Handler      // of Ollama's protocol; nil: there is none
	storage   *httptest.Server
	leaked    atomic.Bool
}

func newHub(t *testing.T, files map[string]string) *hub {
	h := &hub{t: t, files: files}
	h.storage = serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" {
			h.leaked.Store(true)
		}
		w.Header().Set("ETag", `"x"`)
		w.Header().Set("Content-Type", "application/octet-stream")
		http.ServeContent(w, r, "", now, strings.NewReader(h.files[strings.TrimPrefix(r.URL.Path, "/")]))
	}))
	return h
}

func (h *hub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if h.token != "" && r.Header.Get("Authorization") != "Bearer "+h.token {
		http.Error(w, `{"error":"Invalid username or password."}`, http.StatusUnauthorized)
		return
	}
	file, resolve := strings.CutPrefix(r.URL.Path, "/user/repo/resolve/main/")
	switch {
	case h.manifests != nil && strings.HasPrefix(r.URL.Path, "/v2/"):
		h.manifests.ServeHTTP(w, r)
	case resolve && h.files[file] != "":
		http.Redirect(w, r, h.storage.URL+"/"+file, http.StatusFound)
	case r.URL.Path == "/api/models/user/repo/tree/main":
		h.list(w, r)
	default:
		http.Error(w, "<html>not here", http.StatusNotFound)
	}
}

// list answers with one file a page.
func (h *hub) list(w http.ResponseWriter, r *http.Request) {
	after := r.URL.Query().Get("cursor")
	next := ""
	for path := range h.files {
		if path > after && (next == "" || path < next) {
			next = path
		}
	}
	if next == "" {
		w.Write([]byte("[]"))
		return
	}
	w.Header().Set("Link", fmt.Sprintf(`<http://%s%s?cursor=%s>; rel="next"`, r.Host, r.URL.Path, next))
	content := h.files[next]
	entry := map[string]any{"type": "file", "path": next, "size": len(content), "oid": "git"}
	if strings.HasSuffix(next, ".gguf") {
		entry["lfs"] = map[string]any{"oid": fmt.Sprintf("%x", sha256.Sum256([]byte(content))), "size": len(content)}
	}
	json.NewEncoder(w).Encode([]any{entry})
}

func weights(t testing.TB, seed uint64) string {
	t.Helper()
	shape := small
	shape.Seed = seed
	data, err := os.ReadFile(testmodel.PathOf(t, shape))
	require.NoError(t, err)
	return string(data)
}

func TestHuggingFaceFiles(t *testing.T) {
	h := newHub(t, map[string]string{
		"README.md": "read me", "system": "Be brief.", "template": "{{ .Prompt }}", "params": `{"temperature":0.5}`,
		"m-Q4_K_M.gguf": weights(t, 40), "m-Q8_0.gguf": weights(t, 41),
	})
	h.token = "hf_secret"
	c := newClient(t, openStore(t, t.TempDir()))
	c.HFEndpoint = serve(t, h).URL
	_, err := pullOnce(t, c, Request{Model: "hf.co/user/repo"})
	require.Equal(t, puna.Forbidden, puna.KindOf(err))
	require.ErrorContains(t, err, "Invalid username")

	c.HFToken = h.token
	for model, file := range map[string]string{"hf.co/user/repo": "m-Q4_K_M.gguf", "hf.co/user/repo:q8_0": "m-Q8_0.gguf", "hf.co/user/repo:m-Q8_0.gguf": "m-Q8_0.gguf"} {
		_, err = pullOnce(t, c, Request{Model: model})
		require.NoError(t, err)
		m, err := c.Store.Resolve(model)
		require.NoError(t, err)
		require.Equal(t, "Be brief.", m.System)
		require.Equal(t, "{{ .Prompt }}", m.Template)
		require.Equal(t, 0.5, float64(*m.Options.Temperature))
		require.Equal(t, "gguf", m.Config.ModelFormat)
		require.NotNil(t, m.Config.Summary)
		data, err := os.ReadFile(m.Path)
		require.NoError(t, err)
		require.Equal(t, h.files[file], string(data))
	}
	checkBlobs(t, c.Store)
	require.False(t, h.leaked.Load())

	_, err = pullOnce(t, c, Request{Model: "hf.co/user/repo:Q2_K"})
	require.Equal(t, puna.NotFound, puna.KindOf(err))
	require.ErrorContains(t, err, "m-Q8_0.gguf")
}

func TestHuggingFaceManifest(t *testing.T) {
	registry := registrytest.New(t)
	want := publish(t, registry, 42)
	h := newHub(t, nil)
	h.manifests = registry
	c := newClient(t, openStore(t, t.TempDir()))
	c.HFEndpoint = serve(t, h).URL
	_, err := pullOnce(t, c, Request{Model: "hf.co/library/m"})
	require.NoError(t, err)
	checkModel(t, c.Store, "hf.co/library/m", want)
}

func TestChooseWeights(t *testing.T) {
	list := func(paths ...string) (files []repoFile) {
		for _, path := range paths {
			files = append(files, repoFile{Type: "file", Path: path})
		}
		return files
	}
	for _, x := range []struct {
		tag, want string
		files     []repoFile
	}{
		{"latest", "m.Q4_K_M.gguf", list("m.Q8_0.gguf", "m.Q4_K_M.gguf", "mmproj-m-Q4_K_M.gguf")},
		{"latest", "m-q8_0.gguf", list("m-q8_0.gguf", "m-Q2_K.gguf")},
		{"latest", "odd.gguf", list("odd.gguf", "README.md")},
		{"Q4_K", "m-Q4_K.gguf", list("m-Q4_K_M.gguf", "m-Q4_K.gguf")},
		{"Q8_0", "Q8_0/m.gguf", list("Q4_0/m.gguf", "Q8_0/m.gguf")},
		{"IQ4_XS", "m-IQ4_XS.gguf", list("m-Q4_K_M.gguf", "m-IQ4_XS.gguf")},
	} {
		got, err := chooseWeights(x.files, x.tag)
		require.NoError(t, err, x)
		require.Len(t, got, 1)
		require.Equal(t, x.want, got[0].Path)
	}
	split := list("b/m-Q8_0-00003-of-00003.gguf", "b/m-Q8_0-00001-of-00003.gguf", "m-Q4_0.gguf", "b/m-Q8_0-00002-of-00003.gguf", "m-00001-of-00003.gguf")
	got, err := chooseWeights(split, "Q8_0")
	require.NoError(t, err)
	require.Equal(t, list("b/m-Q8_0-00001-of-00003.gguf", "b/m-Q8_0-00002-of-00003.gguf", "b/m-Q8_0-00003-of-00003.gguf"), got)
	_, err = chooseWeights(split[1:], "Q8_0")
	require.Equal(t, puna.NotFound, puna.KindOf(err))
	require.ErrorContains(t, err, "lacks b/m-Q8_0-00003-of-00003.gguf")
	_, err = chooseWeights(list("m-Q8_0-00000-of-00000.gguf"), "Q8_0")
	require.Equal(t, puna.Invalid, puna.KindOf(err))
	_, err = chooseWeights(list("model.safetensors"), "latest")
	require.Equal(t, puna.NotFound, puna.KindOf(err))
	projector, ok := chooseProjector(list("m.gguf", "mmproj-m-bf16.gguf", "mmproj-m-f16.gguf"))
	require.True(t, ok)
	require.Equal(t, "mmproj-m-f16.gguf", projector.Path)
}
