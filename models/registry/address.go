package registry

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"path"
	"regexp"
	"strings"

	"github.com/puna-ai/puna"
	"github.com/puna-ai/puna/models/store"
)

// fileAddress tells the address of a GGUF file from a model's name.
func fileAddress(model string) (*url.URL, bool) {
	u, err := url.Parse(model)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, false
	}
	return u, strings.EqualFold(path.Ext(u.Path), ".gguf")
}

// pullAddress makes a model of a GGUF file somewhere on the web.
func (j *job) pullAddress(ctx context.Context, u *url.URL) (manifest []byte, err error) {
	j.s = j.c.session(&url.URL{Scheme: u.Scheme, Host: u.Host}, j.c.tokenFor(u))
	src, err := j.s.probe(ctx, u)
	if err != nil {
		return nil, explain(err, "pulling "+u.Redacted())
	}
	layers, err := j.fetchAll(ctx, []source{src})
	if err != nil {
		return nil, err
	}
	return j.build(ctx, layers)
}

var notInNames = regexp.MustCompile(`[^a-zA-Z0-9_.-]+`)

// nameOf makes a model's name of a file's.
func nameOf(u *url.URL) string {
	base := path.Base(u.Path)
	return strings.Trim(notInNames.ReplaceAllString(base[:len(base)-len(".gguf")], "-"), "-._")
}

// probe asks how long a file is and which version of it is there, by its first byte.
func (s *session) probe(ctx context.Context, u *url.URL) (src source, err error) {
	src = source{mediaType: store.MediaModel, url: u, label: path.Base(u.Path)}
	r := request{url: u, header: http.Header{"Range": {"bytes=0-0"}}}
	err = s.ask(ctx, r, func(_ *watchdog, resp *http.Response) error {
		src.version = version(resp.Header)
		src.size = resp.ContentLength
		if resp.StatusCode == http.StatusPartialContent {
			_, src.size, _ = parseContentRange(resp.Header.Get("Content-Range"))
		}
		return nil
	})
	if err == nil && src.size <= 0 {
		err = puna.Errorf(puna.Unsupported, "%s doesn't say how long the file is: download it by other means and create a model from it", u.Host)
	}
	return src, err
}

// version returns what If-Range takes: a strong ETag, or else a date.
func version(h http.Header) string {
	if tag := h.Get("ETag"); strings.HasPrefix(tag, `"`) {
		return tag
	}
	return h.Get("Last-Modified")
}

// tokenFor returns the token that a server may see.
func (c *Client) tokenFor(u *url.URL) string {
	if base, err := c.hfBase(); err == nil && sameOrigin(base, u) {
		return c.HFToken
	}
	return ""
}

// hfBase returns the address of Hugging Face.
func (c *Client) hfBase() (*url.URL, error) {
	text := cmp.Or(c.HFEndpoint, "https://huggingface.co")
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, puna.Errorf(puna.Invalid, "the endpoint of Hugging Face %q is no address like https://host", text)
	}
	return u, nil
}

// text brings a small file as a layer; the zero layer if there is none.
func (j *job) text(ctx context.Context, mediaType string, u *url.URL) (store.Layer, error) {
	data, err := j.s.get(ctx, request{url: u}, maxText, nil)
	if err != nil {
		return store.Layer{}, explain(err, fmt.Sprintf("pulling %s of '%s'", path.Base(u.Path), j.name))
	}
	l, _, err := j.change.Put(ctx, mediaType, strings.NewReader(string(data)))
	return l, err
}
