package registry

import (
	"context"
	"crypto/md5"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"

	"github.com/puna-ai/puna"
	"github.com/puna-ai/puna/models/name"
	"github.com/puna-ai/puna/models/store"
)

// upload sends a blob, piece by piece, in a session that the registry opens. After a
// failure the registry is asked how much it has.
type upload struct {
	s      *session
	repo   *url.URL // of the model at the registry
	layer  store.Layer
	path   string
	report func(completed int64)

	file     *os.File
	location *url.URL // of the session, for its next request; nil: there is none
	offset   int64    // bytes that the registry has
	unsure   bool     // the offset isn't certain
	done     bool     // the session was asked to end
	parts    []byte   // the MD5 sums of parts that went to another storage, which checks them
	refused  int      // sessions whose data the registry refused
}

func newUpload(s *session, repo *url.URL, l store.Layer, path string) *upload {
	return &upload{s: s, repo: repo, layer: l, path: path}
}

// blob returns the blob's address.
func (u *upload) blob() *url.URL { return u.repo.JoinPath("blobs", u.layer.Digest) }

func (u *upload) run(ctx context.Context) (err error) {
	if u.file, err = os.Open(u.path); err != nil {
		return puna.Errorf(puna.Internal, "%w", err)
	}
	defer u.file.Close()
	return u.s.retry(ctx, func(p *patience) error { return u.try(ctx, p) })
}

// try goes on from where the session is.
func (u *upload) try(ctx context.Context, p *patience) error {
	if u.done {
		if exists, err := u.s.hasBlob(ctx, u.blob(), u.layer.Size); err != nil || exists {
			return err
		}
		u.done = false
	}
	if u.unsure {
		if err := u.ask(ctx); err != nil {
			return err
		}
	}
	if u.location == nil {
		if mounted, err := u.begin(ctx); err != nil || mounted {
			return err
		}
	}
	for u.offset < u.layer.Size {
		if err := u.patch(ctx); err != nil {
			u.unsure = true
			return u.lost(err)
		}
		p.Reset()
		u.report(u.offset)
	}
	return u.lost(u.finish(ctx))
}

// begin opens a session. mounted says that the registry took the blob from another
// model instead.
func (u *upload) begin(ctx context.Context) (mounted bool, err error) {
	r := request{method: http.MethodPost, url: u.repo.JoinPath("blobs/uploads/")}
	if from, err := name.Parse(u.layer.From); err == nil && u.layer.From != "" {
		query := url.Values{"mount": {u.layer.Digest}, "from": {from.Namespace + "/" + from.Model}}
		r.url.RawQuery = query.Encode()
	}
	w := u.s.watch(ctx)
	defer w.end()
	resp, err := u.s.do(w.ctx, r)
	if err != nil {
		return false, w.cause(err)
	}
	resp.Body.Close()
	if resp.StatusCode == http.StatusCreated {
		return true, nil
	}
	u.offset, u.parts, u.unsure = 0, nil, false
	return false, u.move(resp)
}

// move takes over where the session goes on.
func (u *upload) move(resp *http.Response) error {
	text := resp.Header.Get("Docker-Upload-Location") // beside a redirect to a storage
	if text == "" {
		text = resp.Header.Get("Location")
	}
	next, err := resp.Request.URL.Parse(text)
	if err != nil || text == "" {
		return puna.Errorf(puna.Unavailable, "%s names no place for the upload: %q", resp.Request.URL.Host, text)
	}
	if u.s.base.Scheme == "https" && next.Scheme != "https" {
		return puna.Errorf(puna.Forbidden, "%s wants the upload at %s://%s, which anybody on the way could read", u.s.base.Host, next.Scheme, next.Host)
	}
	u.location = next
	return nil
}

// ask finds out how much of the blob the registry has.
func (u *upload) ask(ctx context.Context) error {
	if u.location == nil || u.parts != nil {
		u.location = nil
		return nil
	}
	w := u.s.watch(ctx)
	defer w.end()
	resp, err := u.s.do(w.ctx, request{url: u.location})
	if isStatus(err, http.StatusNotFound) || isStatus(err, http.StatusMethodNotAllowed) {
		u.location = nil
		return nil
	}
	if err != nil {
		return w.cause(err)
	}
	resp.Body.Close()
	u.unsure = false
	u.offset = uploaded(resp.Header, u.layer.Size)
	if resp.Header.Get("Location") == "" {
		return nil
	}
	return u.move(resp)
}

// uploaded reads the Range header of a session: "0-9" are ten bytes; "0-0", which
// may be none, counts as none.
func uploaded(h http.Header, size int64) int64 {
	_, last, _ := strings.Cut(h.Get("Range"), "-")
	n, err := strconv.ParseInt(last, 10, 64)
	if err != nil || n <= 0 || n >= size {
		return 0
	}
	return n + 1
}

// patch sends the next piece.
func (u *upload) patch(ctx context.Context) error {
	size := min(u.s.transfer.Chunk, u.layer.Size-u.offset)
	w := u.s.watch(ctx)
	defer w.end()
	r := request{
		method: http.MethodPatch, url: u.location, size: size, noFollow: true,
		header: http.Header{
			"Content-Type":       {"application/octet-stream"},
			"Content-Range":      {fmt.Sprintf("%d-%d", u.offset, u.offset+size-1)},
			"X-Redirect-Uploads": {"1"},
		},
		body: func() io.Reader { return u.piece(w, size) },
	}
	resp, err := u.s.do(w.ctx, r)
	if err != nil {
		return w.cause(err)
	}
	resp.Body.Close()
	if resp.StatusCode == http.StatusTemporaryRedirect {
		if err := u.store(ctx, resp, size); err != nil {
			return err
		}
	} else if n := uploaded(resp.Header, u.layer.Size); resp.Header.Get("Range") != "" && n != u.offset+size && size > 1 {
		return fmt.Errorf("%s has %d bytes after the piece that ends at %d", u.location.Host, n, u.offset+size)
	}
	u.offset += size
	return u.move(resp)
}

// piece returns the next size bytes to send.
func (u *upload) piece(w *watchdog, size int64) io.Reader {
	return u.s.body(w, io.NewSectionReader(u.file, u.offset, size), size)
}

// store sends a piece to the storage that the registry redirects to, without its token.
func (u *upload) store(ctx context.Context, redirect *http.Response, size int64) error {
	to, err := redirect.Location()
	if err != nil {
		return puna.Errorf(puna.Unavailable, "%s redirects the upload nowhere: %w", redirect.Request.URL.Host, err)
	}
	if u.s.base.Scheme == "https" && to.Scheme != "https" {
		return puna.Errorf(puna.Forbidden, "%s redirects the upload to %s://%s, which anybody on the way could read", u.s.base.Host, to.Scheme, to.Host)
	}
	sum := md5.New()
	if _, err := io.Copy(sum, io.NewSectionReader(u.file, u.offset, size)); err != nil {
		return puna.Errorf(puna.Internal, "%w", err)
	}
	w := u.s.watch(ctx)
	defer w.end()
	resp, err := u.s.do(w.ctx, request{
		method: http.MethodPut, url: to, size: size, noToken: true,
		header: http.Header{"Content-Type": {"application/octet-stream"}},
		body:   func() io.Reader { return u.piece(w, size) },
	})
	if err != nil {
		return w.cause(err)
	}
	resp.Body.Close()
	u.parts = sum.Sum(u.parts)
	return nil
}

// finish ends the session. The registry hashes the blob first, which takes its time.
func (u *upload) finish(ctx context.Context) error {
	to := *u.location
	query := to.Query()
	query.Set("digest", u.layer.Digest)
	if u.parts != nil {
		query.Set("etag", fmt.Sprintf("%x-%d", md5.Sum(u.parts), len(u.parts)/md5.Size))
	}
	to.RawQuery = query.Encode()
	u.done = true
	w := u.s.watch(ctx)
	defer w.end()
	w.allow(u.s.transfer.answer(u.layer.Size))
	resp, err := u.s.do(w.ctx, request{method: http.MethodPut, url: &to, header: http.Header{"Content-Type": {"application/octet-stream"}}})
	if err != nil {
		u.unsure = true
		return w.cause(err)
	}
	resp.Body.Close()
	return checkTaken(resp, u.layer.Digest)
}

// lost starts over where the registry knows the session no more, or refuses the
// data, which may be the fault of the way; twice is the blob's.
func (u *upload) lost(err error) error {
	var status *statusError
	if !errors.As(err, &status) || status.temporary() || status.code == http.StatusUnauthorized || status.code == http.StatusForbidden {
		return err
	}
	u.location = nil
	if u.refused++; u.refused > 1 {
		return puna.Errorf(puna.Invalid, "%w: if the blob %s is damaged, pull or create the model again", err, u.path)
	}
	return fmt.Errorf("the upload starts over: %s", status) // not a status: it is tried again
}

func isStatus(err error, code int) bool {
	var status *statusError
	return errors.As(err, &status) && status.code == code
}
