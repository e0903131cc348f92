package create

import (
	"slices"
	"strings"

	"github.com/puna-ai/puna"
	"github.com/puna-ai/puna/models/name"
	"github.com/puna-ai/puna/models/store"
)

// draft adds the model that drafts, in place of the base's.
func (j *job) draft() error {
	if j.req.Draft == "" {
		return nil
	}
	digest, err := j.draftDigest(j.req.Draft)
	if err != nil {
		return err
	}
	f, l, err := j.useGGUF("draft "+j.req.Draft, digest)
	if err != nil {
		return err
	}
	if err := f.ValidateDraft(j.model); err != nil {
		return err
	}
	j.drop(store.MediaDraft)
	l.MediaType = store.MediaDraft
	j.add(l, true)
	return nil
}

// draftDigest finds the weights that a request's Draft names.
func (j *job) draftDigest(from string) (string, error) {
	switch {
	case strings.HasPrefix(from, "sha256:"):
		return from, nil
	case j.creator.AllowPaths && isPath(from):
		return j.copyFile(from)
	}
	n, err := name.Parse(from)
	if err != nil {
		return "", err
	}
	man, err := j.creator.Store.Manifest(n)
	if err != nil {
		return "", err
	}
	i := slices.IndexFunc(man.Layers, func(l store.Layer) bool { return l.MediaType == store.MediaModel })
	if i < 0 {
		return "", puna.Errorf(puna.Unsupported, "model '%s' has no weights here that could draft", n)
	}
	return man.Layers[i].Digest, nil
}
