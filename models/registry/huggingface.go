package registry

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/puna-ai/puna"
	"github.com/puna-ai/puna/models/gguf"
	"github.com/puna-ai/puna/models/store"
)

// quants is the order of preference where the name asks for none.
var quants = []string{"Q4_K_M", "Q4_K_S", "Q5_K_M", "Q5_K_S", "Q4_0", "Q6_K", "Q8_0", "IQ4_XS", "Q3_K_M", "BF16", "F16", "F32"}

// texts are the files of a repository that are layers of the model, by
// https://huggingface.co/docs/hub/ollama.
var texts = map[string]string{"template": store.MediaTemplate, "system": store.MediaSystem, "params": store.MediaParams}

// pullHuggingFace takes a model by the manifest that Hugging Face makes for Ollama,
// or else, where an endpoint makes none, by the repository's files.
func (j *job) pullHuggingFace(ctx context.Context) ([]byte, error) {
	base, err := j.c.hfBase()
	if err != nil {
		return nil, err
	}
	j.s = j.c.session(base, j.c.HFToken)
	data, m, err := j.manifest(ctx)
	if err == nil {
		return data, j.pullManifest(ctx, m)
	}
	if kind := puna.KindOf(err); kind != puna.NotFound && kind != puna.Invalid {
		return nil, err
	}
	j.c.log().Debug("no manifest, so the repository's files are looked at", "model", j.name.String(), "error", err)
	return j.pullFiles(ctx)
}

// repoFile is a file of a repository, as Hugging Face lists it.
type repoFile struct {
	Type string `json:"type"` // "file", "directory"
	Path string `json:"path"`
	Size int64  `json:"size"`
	LFS  *struct {
		SHA256 string `json:"oid"`
		Size   int64  `json:"size"`
	} `json:"lfs"` // of large files
}

// pullFiles makes a model of the files of a repository.
func (j *job) pullFiles(ctx context.Context) ([]byte, error) {
	files, err := j.list(ctx)
	if err != nil {
		return nil, err
	}
	weights, err := chooseWeights(files, j.name.Tag)
	if err != nil {
		return nil, fmt.Errorf("model '%s': %w", j.name, err)
	}
	sources := []source{j.weightsSource(weights)}
	if projector, ok := chooseProjector(files); ok {
		sources = append(sources, j.fileSource(projector, store.MediaProjector))
	}
	layers, err := j.fetchAll(ctx, sources)
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		mediaType, ok := texts[f.Path]
		if !ok {
			continue
		}
		l, err := j.text(ctx, mediaType, j.fileURL(f.Path))
		if err != nil {
			return nil, err
		}
		layers = append(layers, l)
	}
	return j.build(ctx, layers)
}

// maxPages limits the listing of a repository, a thousand files a page.
const maxPages = 20

// list returns the files of the repository, page after page.
func (j *job) list(ctx context.Context) (files []repoFile, err error) {
	next := j.s.base.JoinPath("api/models", j.name.Namespace, j.name.Model, "tree/main")
	next.RawQuery = "recursive=true"
	for range maxPages {
		var page []repoFile
		var link string
		_, err := j.s.get(ctx, request{url: next}, maxText, func(h http.Header, data []byte) error {
			link = nextPage(h)
			return decode(next.Host, data, &page)
		})
		if err != nil {
			return nil, explain(err, fmt.Sprintf("the files of '%s'", j.name))
		}
		files = append(files, page...)
		u, err := next.Parse(link)
		if link == "" || err != nil {
			return files, nil
		}
		next = u
	}
	return files, nil
}

var nextLink = regexp.MustCompile(`<([^>]+)>;\s*rel="next"`)

// nextPage reads the Link header.
func nextPage(h http.Header) string {
	if m := nextLink.FindStringSubmatch(h.Get("Link")); m != nil {
		return m[1]
	}
	return ""
}

func (j *job) fileURL(file string) *url.URL {
	u := j.s.base.JoinPath(j.name.Namespace, j.name.Model, "resolve/main")
	for part := range strings.SplitSeq(file, "/") {
		u = u.JoinPath(url.PathEscape(part))
	}
	return u
}

func (j *job) fileSource(f repoFile, mediaType string) source {
	src := source{mediaType: mediaType, size: f.Size, url: j.fileURL(f.Path), label: path.Base(f.Path)}
	if f.LFS == nil {
		return src
	}
	if digest, err := store.NormalDigest("sha256:" + f.LFS.SHA256); err == nil {
		src.digest, src.size, src.label = digest, f.LFS.Size, digest[7:19]
	}
	return src
}

// weightsSource says where the weights come from, one file or several.
func (j *job) weightsSource(files []repoFile) source {
	if len(files) == 1 {
		return j.fileSource(files[0], store.MediaModel)
	}
	whole := source{mediaType: store.MediaModel, label: path.Base(files[0].Path)}
	for _, f := range files {
		src := j.fileSource(f, "")
		src.part = true
		whole.parts = append(whole.parts, src)
		whole.size += src.size
	}
	return whole
}

// chooseWeights finds the file that a tag asks for: its whole name, or its
// quantization; "latest" stands for the best of [quants]. Of a split model it returns
// all parts.
func chooseWeights(files []repoFile, tag string) ([]repoFile, error) {
	var models []repoFile
	var names []string
	for _, f := range files {
		if f.isGGUF() && !f.isProjector() {
			models, names = append(models, f), append(names, path.Base(f.Path))
		}
	}
	if len(models) == 0 {
		return nil, puna.Errorf(puna.NotFound, "the repository has no GGUF files")
	}
	wanted := []string{tag}
	if strings.EqualFold(tag, "latest") {
		wanted = quants
	}
	for _, quant := range wanted {
		for _, f := range models {
			if f.is(quant) {
				return allParts(models, f)
			}
		}
	}
	if strings.EqualFold(tag, "latest") && len(models) == 1 {
		return allParts(models, models[0])
	}
	return nil, puna.Errorf(puna.NotFound, "no file is %s: there are %s", tag, strings.Join(names, ", "))
}

var splitFile = regexp.MustCompile(`^(.*)-\d{5}-of-(\d{5})\.gguf$`)

// allParts returns the files of the model that a file belongs to, in order.
func allParts(models []repoFile, f repoFile) ([]repoFile, error) {
	m := splitFile.FindStringSubmatch(f.Path)
	if m == nil {
		return []repoFile{f}, nil
	}
	n, _ := strconv.Atoi(m[2]) // five digits
	var parts []repoFile
	for i := range n {
		name := gguf.SplitPath(m[1], i, n)
		k := slices.IndexFunc(models, func(f repoFile) bool { return f.Path == name })
		if k < 0 {
			return nil, puna.Errorf(puna.NotFound, "%s is a part of a model of which the repository lacks %s", f.Path, name)
		}
		parts = append(parts, models[k])
	}
	if len(parts) == 0 {
		return nil, puna.Errorf(puna.Invalid, "%s can't be one of no parts", f.Path)
	}
	return parts, nil
}

func (f repoFile) isGGUF() bool {
	return f.Type == "file" && strings.EqualFold(path.Ext(f.Path), ".gguf")
}

func (f repoFile) isProjector() bool {
	return strings.Contains(strings.ToLower(path.Base(f.Path)), "mmproj")
}

// is reports whether the file has a name, or is of a quantization: "Q4_K_M" is that
// of model-Q4_K_M.gguf, model.q4_k_m.gguf and Q4_K_M/model-00001-of-00002.gguf, and
// not of model-UD-Q4_K_M_L.gguf.
func (f repoFile) is(tag string) bool {
	if strings.EqualFold(path.Base(f.Path), tag) {
		return true
	}
	pattern := `(?i)(^|[^a-z0-9_])` + regexp.QuoteMeta(tag) + `([^a-z0-9_]|$)`
	return regexp.MustCompile(pattern).MatchString(strings.TrimSuffix(f.Path, path.Ext(f.Path)))
}

// chooseProjector finds what images and sound need besides; F16 where there are
// several.
func chooseProjector(files []repoFile) (repoFile, bool) {
	var found []repoFile
	for _, f := range files {
		if f.isGGUF() && f.isProjector() {
			found = append(found, f)
		}
	}
	for _, quant := range []string{"F16", "BF16"} {
		if i := slices.IndexFunc(found, func(f repoFile) bool { return f.is(quant) }); i >= 0 {
			return found[i], true
		}
	}
	if len(found) == 0 {
		return repoFile{}, false
	}
	return found[0], true
}
