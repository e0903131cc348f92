package remote

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"iter"
	"net/http"

	"github.com/puna-ai/puna"
	"github.com/puna-ai/puna/server/internal/web"
)

// do sends a request and returns a response that isn't an error. body is JSON to
// be, an [io.Reader], or nil. The caller closes the response's body.
func (c *Service) do(ctx context.Context, method, path string, body any) (*http.Response, error) {
	var reader io.Reader
	switch body := body.(type) {
	case nil:
	case io.Reader:
		reader = body
	default:
		data, err := json.Marshal(body)
		if err != nil {
			return nil, puna.Errorf(puna.Invalid, "%s %s: %w", method, path, err)
		}
		reader = bytes.NewReader(data)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base.JoinPath(path).String(), reader)
	if err != nil {
		return nil, puna.Errorf(puna.Invalid, "%s %s: %w", method, path, err)
	}
	for name, values := range c.header {
		req.Header[name] = values
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, c.broken(ctx, err)
	}
	if resp.StatusCode >= http.StatusBadRequest {
		defer resp.Body.Close()
		return nil, c.refused(resp)
	}
	return resp, nil
}

// call sends a request and decodes the answer into out, unless that is nil.
func (c *Service) call(ctx context.Context, method, path string, body, out any) error {
	resp, err := c.do(ctx, method, path, body)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if out == nil {
		_, err = io.Copy(io.Discard, resp.Body) // so that the connection can be used again
	} else {
		err = json.NewDecoder(resp.Body).Decode(out)
	}
	if err != nil {
		return c.broken(ctx, err)
	}
	return nil
}

// line is a value of a stream, which may be an error instead.
type line interface{ Err() string }

// lines sends a POST request and yields the values of the stream that answers it.
// It returns a fresh one each time through next.
func lines[T line](ctx context.Context, c *Service, path string, body any, next func() T) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var none T
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		resp, err := c.do(ctx, http.MethodPost, path, body)
		if err != nil {
			yield(none, err)
			return
		}
		defer resp.Body.Close()
		for dec := json.NewDecoder(resp.Body); ; {
			v := next()
			switch err := dec.Decode(v); {
			case errors.Is(err, io.EOF):
				return
			case err != nil:
				yield(none, c.broken(ctx, err))
				return
			case v.Err() != "":
				yield(none, puna.Errorf(puna.Internal, "%s", v.Err()))
				return
			case !yield(v, nil):
				return
			}
		}
	}
}

// broken words an error of the transport or a body that isn't what it should be.
func (c *Service) broken(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return puna.Errorf(puna.Canceled, "%s: %w", c.Host(), ctx.Err())
	}
	return puna.Errorf(puna.Unavailable, "%s: %w; is the server running?", c.Host(), err)
}

// refused makes an error of an answer that is one.
func (c *Service) refused(resp *http.Response) error {
	const most = 64 << 10 // bytes of an error text
	body, _ := io.ReadAll(io.LimitReader(resp.Body, most))
	var failure web.Failure
	if json.Unmarshal(body, &failure) != nil || failure.Error == "" {
		failure.Error = c.Host() + " answered " + resp.Status
	}
	return puna.Errorf(web.KindFrom(resp), "%s", failure.Error)
}
