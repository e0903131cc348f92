package registry

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"

	"github.com/puna-ai/puna/models/store"
)

// partial is a [store.Partial] and what its journal says of it. The journal has a
// line that names the content, and one for each range of bytes that is on disk,
// "start end". It is safe for concurrent use.
type partial struct {
	*store.Partial
	header string // the first line
	size   int64

	mu   sync.Mutex
	done spans
}

// openPartial reads a journal. What was written of another content, as identity
// names it, or with another size, is dropped.
func openPartial(p *store.Partial, identity string, size int64) (*partial, error) {
	out := &partial{Partial: p, header: strconv.Quote(identity), size: size}
	info, err := p.Data.Stat()
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.NewSectionReader(p.Journal, 0, 64<<20))
	if err != nil {
		return nil, err
	}
	whole := text[:bytes.LastIndexByte(text, '\n')+1] // a crash may have cut the last line
	lines := bufio.NewScanner(bytes.NewReader(whole))
	if !lines.Scan() || lines.Text() != out.header || info.Size() != size {
		return out, out.reset()
	}
	for lines.Scan() {
		if x, ok := parseSpan(lines.Text()); ok && x.end <= size {
			out.done = out.done.add(x)
		}
	}
	return out, p.Journal.Truncate(int64(len(whole)))
}

func parseSpan(line string) (x span, ok bool) {
	first, second, _ := strings.Cut(line, " ")
	start, err1 := strconv.ParseInt(first, 10, 64)
	end, err2 := strconv.ParseInt(second, 10, 64)
	return span{start, end}, err1 == nil && err2 == nil && start >= 0 && end > start
}

// reset forgets all that has come.
func (p *partial) reset() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done = nil
	for _, step := range []func() error{
		func() error { return p.Journal.Truncate(0) },
		func() error { return p.Data.Truncate(0) },
		func() error { return p.Data.Truncate(p.size) }, // sparse
	} {
		if err := step(); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintln(p.Journal, p.header)
	return err
}

// record notes that a range is written. The data reaches the disk before the note.
func (p *partial) record(x span) error {
	if x.size() <= 0 {
		return nil
	}
	if err := p.Data.Sync(); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done = p.done.add(x)
	_, err := fmt.Fprintln(p.Journal, x.start, x.end)
	return err
}

// missing returns what of the first size bytes is to come, in pieces of at most
// chunk bytes.
func (p *partial) missing(size, chunk int64) []span {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.done.missing(size, chunk)
}

func (p *partial) total() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.done.total()
}
