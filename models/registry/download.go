package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/puna-ai/puna"
)

// recordEvery is how many bytes of a connection a crash may lose.
const recordEvery = 16 << 20

// download brings a file, several ranges at a time.
type download struct {
	s     *session
	src   source
	part  *partial
	slots chan struct{} // a token for each connection that is open
	data  io.WriterAt   // the partial's

	completed atomic.Int64 // bytes
	whole     bool         // the server knows no ranges
}

// errNoRanges says that a server answers with the whole file whatever is asked for.
var errNoRanges = puna.Errorf(puna.Unsupported, "the server ignores ranges")

// run downloads what is missing. After an error, what has come stays recorded.
func (d *download) run(ctx context.Context) error {
	d.completed.Store(d.part.total())
	if err := checkSpace(d.part.Data.Name(), d.part.size-d.part.total()); err != nil {
		return err
	}
	err := d.checkHead(ctx)
	if err == nil {
		err = d.ranges(ctx, d.part.missing(d.part.size, d.s.transfer.Chunk))
	}
	if !errors.Is(err, errNoRanges) {
		return err
	}
	d.whole = true
	return d.ranges(ctx, []span{{0, d.part.size}})
}

func (d *download) ranges(ctx context.Context, missing []span) error {
	g, ctx := errgroup.WithContext(ctx)
	for _, x := range missing {
		select {
		case d.slots <- struct{}{}:
		case <-ctx.Done():
			if err := g.Wait(); err != nil {
				return err
			}
			return context.Cause(ctx)
		}
		g.Go(func() error {
			defer func() { <-d.slots }()
			return d.fetch(ctx, x)
		})
	}
	return g.Wait()
}

// fetch downloads a range, however many requests that takes.
func (d *download) fetch(ctx context.Context, x span) error {
	return d.s.retry(ctx, func(p *patience) error {
		if d.whole {
			x.start = 0
			d.completed.Store(0)
			if err := d.part.reset(); err != nil {
				return d.fileError(err)
			}
		}
		n, err := d.stream(ctx, x)
		x.start += n
		if n > 0 && !d.whole {
			p.Reset()
		}
		return err
	})
}

// stream makes one request for a range and writes what comes: n bytes.
func (d *download) stream(ctx context.Context, x span) (n int64, err error) {
	w := d.s.watch(ctx)
	defer w.end()
	resp, err := d.s.do(w.ctx, d.request(x))
	if err != nil {
		return 0, w.cause(err)
	}
	defer resp.Body.Close()
	if err := d.check(resp, x); err != nil {
		return 0, err
	}
	n, err = d.copy(w, resp.Body, x)
	return n, w.cause(err)
}

func (d *download) request(x span) request {
	r := request{url: d.src.url, header: http.Header{}}
	if !d.whole {
		r.header.Set("Range", fmt.Sprintf("bytes=%d-%d", x.start, x.end-1))
		if d.src.version != "" {
			r.header.Set("If-Range", d.src.version)
		}
	}
	return r
}

// check refuses an answer that is no part of the file.
func (d *download) check(resp *http.Response, x span) error {
	host := resp.Request.URL.Host
	if resp.StatusCode == http.StatusPartialContent {
		start, total, ok := parseContentRange(resp.Header.Get("Content-Range"))
		if !ok || start != x.start {
			return fmt.Errorf("%s answered with the range %q, not %d-%d", host, resp.Header.Get("Content-Range"), x.start, x.end-1)
		}
		return d.checkSize(host, total)
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answered %s", host, resp.Status)
	}
	if !d.whole && x != (span{0, d.part.size}) {
		return errNoRanges
	}
	return d.checkSize(host, resp.ContentLength)
}

// checkSize compares the file's size with what a server says; negative: it doesn't.
func (d *download) checkSize(host string, size int64) error {
	if size >= 0 && size != d.part.size {
		return puna.Errorf(puna.Invalid, "%s has %d bytes under %s, not the expected %d: pull again", host, size, d.src.label, d.part.size)
	}
	return nil
}

// parseContentRange reads "bytes 5-9/20". total is -1 where it says "*".
func parseContentRange(text string) (start, total int64, ok bool) {
	text, ok = strings.CutPrefix(text, "bytes ")
	where, size, _ := strings.Cut(text, "/")
	first, _, _ := strings.Cut(where, "-")
	start, err := strconv.ParseInt(first, 10, 64)
	if size == "*" {
		return start, -1, ok && err == nil
	}
	total, err2 := strconv.ParseInt(size, 10, 64)
	return start, total, ok && err == nil && err2 == nil
}

// copy writes a range and records it.
func (d *download) copy(w *watchdog, body io.Reader, x span) (n int64, err error) {
	buf := make([]byte, 128<<10)
	noted := x.start
	note := func(end int64) error {
		err := d.part.record(span{noted, end})
		noted = end
		return err
	}
	for at := x.start; at < x.end; at = x.start + n {
		var m int
		m, err = body.Read(buf[:min(int64(len(buf)), x.end-at)])
		if _, e := d.data.WriteAt(buf[:m], at); e != nil {
			note(at) // if even that fails, these bytes come again
			return n, d.fileError(e)
		}
		n += int64(m)
		w.moved.Add(int64(m))
		d.completed.Add(int64(m))
		if at+int64(m)-noted >= recordEvery {
			if e := note(at + int64(m)); e != nil {
				return n, d.fileError(e)
			}
		}
		if err != nil {
			break
		}
	}
	if e := note(x.start + n); e != nil {
		return n, d.fileError(e)
	}
	switch {
	case n == x.size():
		return n, nil
	case errors.Is(err, io.EOF):
		err = io.ErrUnexpectedEOF
	}
	return n, fmt.Errorf("%s after %d of %d bytes: %w", d.src.url.Host, n, x.size(), err)
}

// fileError explains an error of the disk, which another try doesn't help.
func (d *download) fileError(err error) error {
	return diskError(d.part.Data.Name(), d.part.size-d.part.total(), err)
}
