package registry

import "slices"

// span is a range of bytes from start up to, but not including, end.
type span struct{ start, end int64 }

func (s span) size() int64 { return s.end - s.start }

// spans is a set of bytes: its parts are sorted, not empty, and don't touch.
type spans []span

// add returns the set with x.
func (s spans) add(x span) spans {
	if x.size() <= 0 {
		return s
	}
	from, _ := slices.BinarySearchFunc(s, x.start, func(a span, start int64) int { // the first that may touch x
		if a.end < start {
			return -1
		}
		return 1
	})
	to := from
	for to < len(s) && s[to].start <= x.end {
		x = span{min(x.start, s[to].start), max(x.end, s[to].end)}
		to++
	}
	return slices.Replace(s, from, to, x)
}

// total returns how many bytes the set has.
func (s spans) total() (n int64) {
	for _, x := range s {
		n += x.size()
	}
	return n
}

// missing returns what the set lacks of the first size bytes, in order, in pieces
// of at most chunk bytes.
func (s spans) missing(size, chunk int64) (out []span) {
	at := int64(0)
	for _, x := range append(s[:len(s):len(s)], span{size, size}) {
		for ; at < min(x.start, size); at = out[len(out)-1].end {
			out = append(out, span{at, min(at+chunk, x.start, size)})
		}
		at = max(at, x.end)
	}
	return out
}
