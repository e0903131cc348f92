package registry

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/puna-ai/puna"
	"github.com/puna-ai/puna/models/name"
	"github.com/puna-ai/puna/models/store"
)

func (c *Client) push(ctx context.Context, req Request, emit emitter) error {
	n, err := parse(req)
	if err != nil {
		return err
	}
	emit(puna.Progress{Status: "retrieving manifest"})
	m, err := c.Store.Manifest(n)
	if err != nil {
		emit(puna.Progress{Status: "couldn't retrieve manifest"})
		return err
	}
	hold, err := c.Store.Begin() // nothing deletes the blobs meanwhile
	if err != nil {
		return err
	}
	defer hold.Close()
	s := c.session(&url.URL{Scheme: n.Scheme, Host: n.Host}, "")
	for _, l := range append(m.Layers[:len(m.Layers):len(m.Layers)], m.Config) {
		if l.Digest == "" {
			continue
		}
		if err := c.pushLayer(ctx, s, n, hold, l, emit); err != nil {
			return explain(err, fmt.Sprintf("pushing %s of '%s'", l.Digest, n))
		}
	}
	emit(puna.Progress{Status: "pushing manifest"})
	if err := s.putManifest(ctx, repository(s.base, n).JoinPath("manifests", n.Tag), m); err != nil {
		return explain(err, fmt.Sprintf("pushing the manifest of '%s'", n))
	}
	emit(puna.Progress{Status: "success"})
	return nil
}

// pushLayer sends a blob that the registry doesn't have.
func (c *Client) pushLayer(ctx context.Context, s *session, n name.Name, hold *store.Change, l store.Layer, emit emitter) error {
	have, err := hold.Use(l.MediaType, l.Digest)
	if err != nil {
		return err
	}
	if have.Size != l.Size {
		return puna.Errorf(puna.Invalid, "the blob has %d bytes, not %d: pull or create the model again", have.Size, l.Size)
	}
	path, err := c.Store.BlobPath(l.Digest)
	if err != nil {
		return err
	}
	l.Digest = have.Digest
	u := newUpload(s, repository(s.base, n), l, path)
	u.report = func(completed int64) {
		emit(puna.Progress{Status: "pushing " + l.Digest[7:19], Digest: l.Digest, Total: l.Size, Completed: completed})
	}
	u.report(0)
	exists, err := s.hasBlob(ctx, u.blob(), l.Size)
	if err == nil && !exists {
		if err = u.run(ctx); err == nil {
			exists, err = s.hasBlob(ctx, u.blob(), l.Size)
		}
	}
	if err == nil && !exists {
		err = puna.Errorf(puna.Unavailable, "%s took the blob and doesn't have it: push again", s.base.Host)
	}
	if err == nil {
		u.report(l.Size)
	}
	return err
}

// hasBlob asks whether a registry has a blob, and compares sizes.
func (s *session) hasBlob(ctx context.Context, u *url.URL, size int64) (exists bool, err error) {
	err = s.retry(ctx, func(*patience) error {
		w := s.watch(ctx)
		defer w.end()
		resp, err := s.do(w.ctx, request{method: http.MethodHead, url: u})
		if isStatus(err, http.StatusNotFound) {
			exists = false
			return nil
		}
		if err != nil {
			return w.cause(err)
		}
		resp.Body.Close()
		if resp.ContentLength >= 0 && resp.ContentLength != size {
			return puna.Errorf(puna.Conflict, "%s has the blob with %d bytes, not %d", u.Host, resp.ContentLength, size)
		}
		exists = true
		return nil
	})
	return exists, err
}

// putManifest sends the manifest as the store has it, byte for byte.
func (s *session) putManifest(ctx context.Context, u *url.URL, m *store.Manifest) error {
	return s.retry(ctx, func(*patience) error {
		w := s.watch(ctx)
		defer w.end()
		size := int64(len(m.Raw))
		resp, err := s.do(w.ctx, request{
			method: http.MethodPut, url: u, size: size,
			header: http.Header{"Content-Type": {store.MediaManifest}},
			body:   func() io.Reader { return s.body(w, bytes.NewReader(m.Raw), size) },
		})
		if err != nil {
			return w.cause(err)
		}
		resp.Body.Close()
		return checkTaken(resp, "sha256:"+m.Digest)
	})
}

// checkTaken compares the digest that a registry says it took.
func checkTaken(resp *http.Response, digest string) error {
	if got := resp.Header.Get("Docker-Content-Digest"); got != "" && got != digest {
		return fmt.Errorf("%s took %s, not %s", resp.Request.URL.Host, got, digest)
	}
	return nil
}
